"""Keep the order of dvc.lock independent of which of two parallel stages happened to end first.

DVC appends a stage to dvc.lock when it ends, so after a parallel run the file has the right entries in an accidental
order. Entries that were there before stay where they are, new ones follow in the order of `dvc repro`.
"""

# mypy: disable-error-code="import-untyped"

from collections.abc import Iterable
from pathlib import Path

from dvc.utils.serialize import dump_yaml, load_yaml


def recorded_stages(root: Path) -> tuple[str, ...]:
    """The stages in dvc.lock, in its order."""
    path = root / "dvc.lock"
    return tuple(load_yaml(str(path)).get("stages", {})) if path.exists() else ()


def order_lock(root: Path, before: Iterable[str], dag: Iterable[str]) -> None:
    """Reorder dvc.lock: what was recorded `before` first, then the stages of `dag`; nothing is added or lost."""
    path = root / "dvc.lock"
    if not path.exists():
        return
    lock = load_yaml(str(path))
    stages = lock.get("stages", {})
    order = [name for name in dict.fromkeys([*before, *dag, *stages]) if name in stages]
    if order == list(stages):
        return
    lock["stages"] = {name: stages[name] for name in order}
    temporary = path.with_suffix(".lock.tmp")
    dump_yaml(str(temporary), lock)
    temporary.replace(path)
