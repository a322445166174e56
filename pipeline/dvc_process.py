"""DVC as a process of the Python that the project names, which answers one question after the other.

So whoever asks needs no DVC, and Prefect may live in an environment of its own. And DVC is imported on one core while
Prefect is imported on the other. The process hangs on a leash: it ends with this one, however that ends.
"""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.held import leashed, project_environment
from pipeline.plan import Plan

PATIENCE = 4.0  # seconds between the signals that end it


class DvcProcess:
    """Ask it from any thread; what it complains of is raised as PipelineError. To be closed."""

    def __init__(self, python: str) -> None:
        self.python = python
        self._turn = threading.Lock()
        self._begun: tuple[str, Mapping[str, object]] | None = None
        questions, answers = os.pipe(), os.pipe()
        theirs = (questions[0], answers[1])
        package = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        self._leash = subprocess.Popen(
            leashed([python, "-m", "pipeline.project", *map(str, theirs)], PATIENCE, "TERM,KILL"),
            env=project_environment(python) | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            pass_fds=theirs,
            start_new_session=True,  # Ctrl-C is for this process, whose end is the other's too
        )
        for descriptor in theirs:
            os.close(descriptor)
        self._questions = os.fdopen(questions[1], "w", encoding="utf-8")
        self._answers = os.fdopen(answers[0], encoding="utf-8")

    def __enter__(self) -> "DvcProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        assert self._leash.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._questions.close()
        self._leash.stdin.close()
        self._answers.close()
        self._leash.wait()

    def begin_plan(self, root: Path, targets: tuple[str, ...], *, force: bool, check: bool) -> None:
        """Let it make a plan now that is asked for later."""
        self._begun = _plan_question(root, targets, force=force, check=check, tidy=True)
        self._send(*self._begun)

    def plan(
        self, root: Path, targets: tuple[str, ...], *, force: bool, check: bool, tidy: bool = False
    ) -> tuple[Plan, list[str]]:
        """See `pipeline.project.survey`: the plan, and with `tidy` what was put away before it was made."""
        plan, gone = self._ask(*_plan_question(root, targets, force=force, check=check, tidy=tidy))
        return Plan.from_json(plan), gone

    def put_away(self, root: Path) -> list[str]:
        """See `pipeline.project.stale`."""
        gone: list[str] = self._ask("put away", {"root": str(root)})
        return gone

    def bring_local_inputs(self, origin: Path, copy: Path, kept_by_git: Iterable[str]) -> None:
        """See `pipeline.project.local_inputs`."""
        self._ask("bring local inputs", {"origin": str(origin), "copy": str(copy), "kept_by_git": sorted(kept_by_git)})

    def share_cache(self, origin: Path, copy: Path) -> None:
        """See `pipeline.project.sharing`."""
        self._ask("share cache", {"origin": str(origin), "copy": str(copy)})

    def check_remote(self, root: Path) -> None:
        """See `pipeline.project.remote`."""
        self._ask("check remote", {"root": str(root)})

    def release_dead_locks(self, root: Path) -> None:
        """See `pipeline.project.rwlock`."""
        self._ask("release dead locks", {"root": str(root)})

    def diffs(self, root: Path) -> Mapping[str, Any]:
        """`dvc metrics diff` and `dvc params diff` against the last commit, as `{"metrics": …, "params": …}`."""
        found: Mapping[str, Any] = self._ask("diffs", {"root": str(root)})
        return found

    @contextlib.contextmanager
    def order_kept(self, root: Path, dag: Iterable[str]) -> Iterator[None]:
        """Bring dvc.lock in order after the block, see `pipeline.project.lockfile`."""
        path = root / "dvc.lock"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        try:
            yield
        finally:
            if path.exists() and path.read_text(encoding="utf-8") != before:
                self._ask("order lock", {"root": str(root), "before": before, "dag": list(dag)})

    def _ask(self, question: str, arguments: Mapping[str, object]) -> Any:
        with self._turn:
            if self._begun != (question, arguments):
                if self._begun:
                    self._answer()  # of what nobody asks for any more
                self._send(question, arguments)
            self._begun = None
            answer = self._answer()
        if "complaint" in answer:
            raise PipelineError(answer["complaint"])
        if "traceback" in answer:
            raise RuntimeError(answer["traceback"])
        return answer["answer"]

    def _send(self, question: str, arguments: Mapping[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended; whoever reads its answer will see
            self._questions.write(json.dumps([question, arguments]) + "\n")
            self._questions.flush()

    def _answer(self) -> Mapping[str, Any]:
        line = self._answers.readline()
        if not line:
            raise PipelineError(f"DVC's process ended with status {self._leash.wait()}; is DVC in {self.python}?")
        answer: Mapping[str, Any] = json.loads(line)
        return answer


def _plan_question(
    root: Path, targets: tuple[str, ...], *, force: bool, check: bool, tidy: bool
) -> tuple[str, Mapping[str, object]]:
    return "plan", {"root": str(root), "targets": list(targets), "force": force, "check": check, "tidy": tidy}


_ahead: list[DvcProcess] = []


def send_ahead(process: DvcProcess) -> None:
    """Keep the process for the run that this process begins next."""
    _ahead.append(process)


def taken(python: str) -> DvcProcess:
    """The process that was sent ahead, else a new one."""
    return _ahead.pop() if _ahead else DvcProcess(python)
