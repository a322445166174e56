"""Keep the order of dvc.lock independent of which of two parallel stages happened to end first.

DVC appends a stage to dvc.lock when it ends, so after a parallel run the file has the right entries in an accidental
order. Entries that were there before stay where they are, new ones follow in the order of `dvc repro`.
"""

# mypy: disable-error-code="import-untyped"

from collections.abc import Iterable
from pathlib import Path

from dvc.utils.serialize import dump_yaml, load_yaml, loads_yaml

from pipeline.atomic import replacing
from pipeline.settings import folder


def reorder(root: Path, before: str, dag: Iterable[str]) -> None:
    """Bring dvc.lock in order: the stages that were in its text `before`, then the stages of `dag`, then others."""
    path = root / "dvc.lock"
    recorded = (loads_yaml(before) or {}).get("stages", {})
    lock = load_yaml(str(path))
    stages = lock.get("stages", {})
    order = [name for name in dict.fromkeys([*recorded, *dag, *stages]) if name in stages]
    if order == list(stages):
        return
    lock["stages"] = {name: stages[name] for name in order}
    with replacing(path, folder(root)) as temporary:
        dump_yaml(str(temporary), lock)
