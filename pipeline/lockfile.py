"""Keep the order of dvc.lock independent of which of two parallel stages happened to end first.

DVC appends a stage to dvc.lock when it ends, so after a parallel run the file has the right entries in an accidental
order. Entries that were there before stay where they are, new ones follow in the order of `dvc repro`.
"""

# mypy: disable-error-code="import-untyped"

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.atomic import replacing
from pipeline.settings import folder


@contextlib.contextmanager
def order_kept(root: Path, dag: Iterable[str]) -> Iterator[None]:
    """Bring dvc.lock in order after the block: what was recorded before it, then the stages of `dag`, then others."""
    path = root / "dvc.lock"
    before = path.read_bytes() if path.exists() else b""
    try:
        yield
    finally:
        if path.exists() and path.read_bytes() != before:
            _reorder(path, before.decode(), dag)


def _reorder(path: Path, before: str, dag: Iterable[str]) -> None:
    from dvc.utils.serialize import dump_yaml, load_yaml, loads_yaml  # late: most runs change nothing

    recorded = (loads_yaml(before) or {}).get("stages", {})
    lock = load_yaml(str(path))
    stages = lock.get("stages", {})
    order = [name for name in dict.fromkeys([*recorded, *dag, *stages]) if name in stages]
    if order == list(stages):
        return
    lock["stages"] = {name: stages[name] for name in order}
    with replacing(path, folder(path.parent)) as temporary:
        dump_yaml(str(temporary), lock)
