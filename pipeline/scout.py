"""Check and plan in a process of its own, so that DVC is imported on one core while Prefect is imported on the other.

A scout that is sent ahead by a command that holds the workspace already sets out at once, so that its plan is ready
when the flow asks for it. Otherwise it imports DVC and waits for the flow's question. It ends when nobody asks.
"""

import contextlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

from pipeline.check import params_checked
from pipeline.errors import PipelineError
from pipeline.held import project_environment
from pipeline.plan import Plan
from pipeline.rwlock import release_dead_locks

_ahead: "list[subprocess.Popen[bytes]]" = []


def survey(root: Path, targets: tuple[str, ...], *, force: bool, check: bool, tidy: bool = False) -> Plan:
    """The plan for the project at `root`, with the project's own check of its parameters meanwhile, and with `tidy`
    after outputs that nothing asks for any more were put away.

    Raises PipelineError for what the check or the reading of the project complains of.
    """
    release_dead_locks(root)
    with params_checked(root) if check else contextlib.nullcontext():
        from pipeline.forecast import make_plan  # late: it takes DVC
        from pipeline.stale import put_away

        if tidy and (gone := put_away(root)):
            print(f"put away, since nothing asks for it any more: {', '.join(gone)}")
        return make_plan(root, targets, force=force)


def send_ahead(root: Path, targets: tuple[str, ...], *, force: bool, at_once: bool) -> None:
    """Start a scout for the next plan of this process; `at_once` where it may look at the project before it is asked
    to, which takes that nobody else can run anything there."""
    package = str(Path(__file__).parents[1])
    scout = subprocess.Popen(
        [sys.executable, "-m", "pipeline.scout", *([] if at_once else ["wait"])],
        env=project_environment()
        | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the flow; a scout whose pipe closes ends by itself
    )
    _ahead.append(scout)
    if at_once:
        _ask(scout, root, targets, force=force, check=True)


def plan(root: Path, targets: tuple[str, ...], *, force: bool, check: bool) -> Plan:
    """`survey`, by the scout if one was sent ahead, else here."""
    if not _ahead:
        return survey(root, targets, force=force, check=check, tidy=True)
    scout = _ahead.pop()
    assert scout.stdin is not None and scout.stdout is not None
    if not scout.stdin.closed:
        _ask(scout, root, targets, force=force, check=check)
    with scout.stdout as pipe:
        said = pipe.read()
    scout.wait()
    if not said:
        raise RuntimeError(f"planning ended with status {scout.returncode}")
    answer = json.loads(said)
    if "complaint" in answer:
        raise PipelineError(answer["complaint"])
    if "traceback" in answer:
        raise RuntimeError(answer["traceback"])
    return Plan.from_json(answer["plan"])


def _ask(scout: "subprocess.Popen[bytes]", root: Path, targets: tuple[str, ...], *, force: bool, check: bool) -> None:
    assert scout.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended; whoever reads its answer will see
        scout.stdin.write(json.dumps([str(root), targets, force, check]).encode())
        scout.stdin.close()


def main() -> None:
    """Answer one question, on standard output, with the plan, a complaint, or a traceback, as JSON."""
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever DVC prints must not get in between
    if sys.argv[1:] == ["wait"]:
        import pipeline.forecast  # noqa: F401  (now, while the question is not there yet)
    question = sys.stdin.read()
    if not question:
        return
    found: dict[str, object]
    try:
        root, targets, force, check = json.loads(question)
        found = {"plan": survey(Path(root), tuple(targets), force=force, check=check, tidy=True).to_json()}
    except PipelineError as error:
        found = {"complaint": str(error)}
    except Exception:  # noqa: BLE001  (it is raised again where the plan was asked for)
        found = {"traceback": traceback.format_exc()}
    with (
        contextlib.suppress(BrokenPipeError),
        os.fdopen(answer, "w", encoding="utf-8") as pipe,
    ):  # nobody may ask any more
        json.dump(found, pipe)


if __name__ == "__main__":
    main()
