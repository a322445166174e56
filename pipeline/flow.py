"""The flow: one Prefect task per stage instance, edges as DVC has them, independent stages in parallel."""

import threading
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from pipeline.artifacts import (
    LivePicture,
    courtesy,
    publish_diffs,
    publish_plan,
    publish_report,
    publish_summary,
    publishing,
)
from pipeline.check import check_params
from pipeline.commands import fetch_results, push_results
from pipeline.copies import check_identity, prepare_copy, save_experiment, sweep_leftovers
from pipeline.dvc_process import DvcProcess, taken
from pipeline.errors import PipelineError
from pipeline.ghosts import alive
from pipeline.orders import ends_with_its_worker, watch_for_orders
from pipeline.outcome import Outcome
from pipeline.quick import end_without_heartbeat
from pipeline.quiet import end_without_traceback
from pipeline.request import Request, read_request
from pipeline.runner import Runner
from pipeline.settings import read_settings
from pipeline.stage import StageResult
from pipeline.workspace import CANCELLED, Workspace, choose_workspace, exclusive

end_without_heartbeat()
end_without_traceback()


@flow(name="dvc-repro", persist_result=False)
def repro(
    targets: str = "",
    overrides: str = "",
    experiment: str = "",
    force: bool = False,
    max_parallel: int = 2,
    busy: Literal["wait", "refuse"] = "wait",
    share: bool = False,
    workspace: str = ".",
) -> State[Any]:
    """Reproduce a DVC pipeline.

    Args:
        targets: Stages to reproduce with all that they need, separated by spaces; empty means everything in dvc.yaml.
        overrides: Parameters for this run only, `section.key=value`, separated by spaces. The run happens in a copy
            of the workspace; params.yaml is not touched.
        experiment: Name of such a copy and of the DVC experiment that it becomes; empty derives one from the overrides.
        force: Run every stage even if nothing changed.
        max_parallel: How many stages may run at the same time.
        busy: What to do while another run uses the same workspace: wait for it, or refuse to start.
        share: Fetch finished stages from the DVC remote first and push what this run made afterwards.
        workspace: Folder of the DVC project.
    """
    root, run = Path(workspace).resolve(), UUID(flow_run.id)
    with alive(root, run), ends_with_its_worker(run), watch_for_orders(run, get_run_logger().warning) as order:
        try:
            request = read_request(
                workspace,
                targets,
                overrides,
                experiment,
                force=force,
                max_parallel=max_parallel,
                busy=busy,
                share=share,
            )
            tell_in_name(request, run)
            state = reproduce(request, order.stop)
        except PipelineError as error:  # a user's mistake needs one line, not a traceback
            state = Failed(message=str(error))
    if order.suspended:
        raise Pause(state=order.end)  # Prefect's way to end here and to be started again when it is resumed
    return order.end or state


# Flat values are JSON already; Prefect would import FastAPI to make sure.
repro.serialize_parameters = dict  # type: ignore[method-assign, assignment]


@courtesy
def tell_in_name(request: Request, run: UUID) -> None:
    """Let lists of runs show the overrides of this one, behind the name that it has."""
    said = " ".join(f"{override.key}={override.text}" for override in request.overrides)
    if said and said not in flow_run.name:
        with get_client(sync_client=True) as client:
            client.update_flow_run(run, name=f"{flow_run.name}: {said}")


def reproduce(request: Request, cancelled: threading.Event) -> State[Any]:
    """What the flow does. Raises PipelineError where the run cannot start or go on, or is `cancelled`."""
    logger = get_run_logger()
    place = choose_workspace(request.root, request.overrides, request.experiment)
    sweep_leftovers(place.origin)
    with (
        taken(place.python) as dvc,
        exclusive(place, wait=request.wait, say=logger.info, cancelled=cancelled) as lock,
    ):
        make_ready(dvc, place, request, cancelled)
        if place.name:
            logger.info("running in the copy %s", place.root)
        checked = bool(place.name) or request.share
        plan, gone = dvc.plan(place.root, request.targets, force=request.force, check=not checked, tidy=True)
        if gone:
            logger.info("put away, since nothing asks for it any more: %s", ", ".join(gone))
        runner = Runner(dvc, place, plan, request, lock)
        with publishing() as publish:
            publish(publish_plan, plan)
            picture = LivePicture(plan.dag)

            def look() -> None:
                if picture.due(runner.outcomes, runner.running):
                    publish(picture.publish, runner.outcomes, runner.running)

            with dvc.order_kept(place.root, plan.dag.stages):
                runner.run(cancelled, look)
            publish(publish_summary, runner.table())
            publish(picture.publish, runner.outcomes)
            if cancelled.is_set():
                raise PipelineError(CANCELLED)
            publish(publish_report, place.root, place.origin, read_settings(place.root).report)
            if place.name or any(result.outcome is not Outcome.CACHED for result in runner.results.values()):
                publish_diffs(dvc, place.root)
        if request.share:
            push_results(place, cancelled)
        state = final_state(runner.results)
        if place.name and state.is_completed():
            save_experiment(place, tuple(plan.dag.stages) if request.targets else ())
            logger.info("kept as experiment %s: see `dvc exp show`, or the folder %s", place.name, place.root)
    return state


def make_ready(dvc: DvcProcess, place: Workspace, request: Request, cancelled: threading.Event) -> None:
    """Before the plan: a look at whatever would fail at the end, then the copy, and the results of other machines."""
    if request.share:
        dvc.check_remote(place.origin)
    if place.name:
        check_identity(place)
        prepare_copy(dvc, place, request.overrides)
    elif request.share:
        check_params(place.root, place.python)
    if request.share:
        dvc.release_dead_locks(place.root)
        fetch_results(place, cancelled)


def final_state(results: dict[str, StageResult]) -> State[Any]:
    """Completed, or Failed with the names of the stages that failed."""
    counts = {outcome: sum(result.outcome is outcome for result in results.values()) for outcome in Outcome}
    message = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    failed = [f"{name}: {result.message}" for name, result in results.items() if result.outcome is Outcome.FAILED]
    return Failed(message=f"{message}. {'; '.join(failed)}") if failed else Completed(message=message)
