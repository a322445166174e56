"""`python -m pipeline`: plan, run once, or start the UI with everything behind it."""

import contextlib
import json
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError
from pipeline.quick import quick_imports

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Targets = Annotated[list[str] | None, typer.Argument(help="Stages to reproduce with all that they need; default all.")]
Root = Annotated[Path, typer.Option("--root", help="Folder of the DVC project.")]
Force = Annotated[bool, typer.Option("--force", help="Run every stage even if nothing changed.")]
Set = Annotated[list[str] | None, typer.Option("--set", "-S", help="Override a parameter: section.key=value.")]
Experiment = Annotated[str, typer.Option(help="Name of the copy and the DVC experiment of a run with overrides.")]


@app.command()
def plan(
    targets: Targets = None,
    set_: Set = None,
    experiment: Experiment = "",
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    root: Root = Path(),
) -> None:
    """Show what a run would do, wave by wave, and why; runs nothing."""
    from pipeline.copies import copy_to_look_at
    from pipeline.dvc_process import DvcProcess
    from pipeline.overrides import parse_overrides
    from pipeline.workspace import choose_workspace

    overrides = parse_overrides(shlex.join(set_ or ()))
    place = choose_workspace(root.resolve(), overrides, experiment)
    with (
        DvcProcess(place.python) as dvc,
        copy_to_look_at(dvc, place, overrides) if place.name else contextlib.nullcontext(),
    ):
        found, _ = dvc.plan(place.root, tuple(targets or ()), force=force, check=not place.name)
    rows = sorted(found.forecasts.values(), key=lambda forecast: forecast.wave)
    if as_json:
        keys = ("wave", "stage", "expected", "reason")
        print(json.dumps([{key: getattr(row, key) for key in keys} for row in rows], indent=2))
        return
    width = max((len(row.stage) for row in rows), default=0)
    wave = -1
    for row in rows:
        if row.wave != wave:
            wave = row.wave
            print(f"wave {wave}")
        print(f"  {row.verdict:<5}  {row.stage:<{width}}  {row.expected.value:<8}  {row.reason}")
    count = Counter(row.verdict for row in rows)
    print(f"{len(rows)} stages: {', '.join(f'{count[verdict]} {verdict}' for verdict in ('hit', 'miss', 'maybe'))}")


@app.command()
def run(
    targets: Targets = None,
    set_: Set = None,
    experiment: Experiment = "",
    force: Force = False,
    max_parallel: Annotated[int, typer.Option(min=1, help="Stages that may run at the same time.")] = 2,
    refuse: Annotated[bool, typer.Option("--refuse", help="Fail instead of waiting for another run.")] = False,
    share: Annotated[bool, typer.Option("--share", help="Fetch from and push to the DVC remote.")] = False,
    root: Root = Path(),
) -> None:
    """Run the pipeline once: as a run of the server that PREFECT_API_URL names, else of this workspace's `ui`, else of
    a temporary one."""
    from pipeline.dvc_process import DvcProcess, send_ahead
    from pipeline.server import connect
    from pipeline.workspace import choose_workspace, claim

    place = choose_workspace(root.resolve())
    dvc = DvcProcess(place.python)
    if not (set_ or experiment or share) and claim(place):  # nobody else can run anything there now
        dvc.begin_plan(place.root, tuple(targets or ()), force=force, check=True)
    send_ahead(dvc)
    temporary = connect(root.resolve())
    with quick_imports():
        import httpx

        from pipeline.flow import repro

    if temporary:
        temporary.wait()
    try:
        state = repro(
            targets=" ".join(targets or ()),
            overrides=shlex.join(set_ or ()),
            experiment=experiment,
            force=force,
            max_parallel=max_parallel,
            busy="refuse" if refuse else "wait",
            share=share,
            workspace=str(root),
            return_state=True,
        )
    except RuntimeError as error:
        if not isinstance(error.__cause__, httpx.HTTPError):
            raise
        raise PipelineError(f"{error}; start a server there, or unset PREFECT_API_URL for a temporary one") from error
    except httpx.TransportError as error:
        raise PipelineError(
            f"Prefect's server went away ({error}); finished stages are kept, the next run goes on"
        ) from error
    print(f"{state.name}: {state.message}")
    if not state.is_completed():
        raise typer.Exit(1)


@app.command()
def tidy(root: Root = Path()) -> None:
    """Put away what was made for lists in the parameters that have become shorter; DVC's cache keeps it."""
    from pipeline.dvc_process import DvcProcess
    from pipeline.workspace import choose_workspace, exclusive

    place = choose_workspace(root.resolve())
    with DvcProcess(place.python) as dvc, exclusive(place, wait=True, say=print):
        for path in dvc.put_away(place.root):
            print(f"put away: {path}")


@app.command()
def ui(
    port: Annotated[
        int, typer.Option(min=1, max=65534, help="Port of the UI on 127.0.0.1; the reports are served on the next one.")
    ] = 4200,
    limit: Annotated[int, typer.Option(min=1, help="Flow runs that the worker may execute at the same time.")] = 4,
    root: Root = Path(),
) -> None:
    """Start Prefect's server, a worker and the deployment on 127.0.0.1, to run, schedule and watch in a browser."""
    from pipeline.ui import serve

    serve(root.resolve(), port, limit)


def main() -> None:
    try:
        app()
    except PipelineError as error:
        sys.exit(f"error: {error}")
