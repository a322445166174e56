"""Open a DVC project and read its DAG from DVC's own index: matrix and foreach expanded, edges as DVC has them."""

# mypy: disable-error-code="import-untyped"

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage
from networkx import DiGraph

from pipeline.dag import Dag, StageNode, read_hints
from pipeline.errors import PipelineError


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Repo]:
    """The DVC repository at `root`, with DVC's own errors turned into ours.

    DVC resolves several paths against the working directory, so that is `root` meanwhile: call from the main thread
    before any stage runs.
    """
    if not (root / ".dvc").is_dir():
        raise PipelineError(f"{root}: not the root of a DVC project (no .dvc folder); run `dvc init` or name the root")
    with contextlib.chdir(root):
        try:
            with Repo(str(root), _wait_for_lock=True) as repo:  # others hold it for moments, while no stage runs
                yield repo
        except DvcException as error:
            raise PipelineError(" ".join(str(error).split())) from error


def read_dag(repo: Repo, targets: tuple[str, ...] = ()) -> tuple[Dag, dict[str, Stage]]:
    """The DAG that `dvc repro TARGETS` would walk (all of dvc.yaml without targets), and DVC's stage behind each node.

    A target is whatever `dvc repro` takes: a stage, a matrix group or one instance of it, the path of another dvc.yaml.
    Stages upstream of it are part of the DAG. Raises PipelineError for a bad hint.
    """
    graph: DiGraph = get_active_graph(repo.index.graph)
    # Without targets these are the stages that the index has loaded already; DVC would read dvc.yaml once more.
    chosen = collect_stages(repo, targets) if targets else [node for node in graph if node.path_in_repo == "dvc.yaml"]
    order: list[Stage] = plan_repro(graph, chosen)
    behind = {stage.addressing: stage for stage in order}
    nodes = {
        name: StageNode(
            name=name,
            upstream=tuple(sorted(up.addressing for up in graph.successors(stage))),
            hints=read_hints(name, stage.meta),
        )
        for name, stage in behind.items()
    }
    return Dag(nodes), behind
