"""The cache and the remotes of a workspace, for its copies too."""

# mypy: disable-error-code="import-untyped"

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from configobj import ConfigObj
from dvc.config_schema import ExpPath, RelPath

from pipeline.project.repository import opened


def share_cache(origin: Path, copy: Path) -> None:
    """Point the copy at the cache and the remotes of the workspace and check out all outputs that the cache has."""
    with opened(origin) as repo:
        cache = str(repo.cache.legacy.path)
        remotes = {name: _places(remote) for name, remote in repo.config["remote"].items()}
    local = origin / ".dvc" / "config.local"
    own = copy / ".dvc" / "config.local"
    if local.exists():
        shutil.copy2(local, own)
    config = ConfigObj(str(own), encoding="utf-8", default_encoding="utf-8")  # DVC itself writes no letter but ASCII
    config.merge({"cache": {"dir": cache}, **{f'remote "{name}"': places for name, places in remotes.items()}})
    config.write()
    logging.getLogger("dvc").setLevel(logging.ERROR)  # a warning for each output that was never made would say nothing
    with opened(copy) as repo:
        repo.checkout(force=True, allow_missing=True)


def _places(remote: Mapping[str, object]) -> dict[str, str]:
    """What of a remote's settings says where something is; DVC has made paths absolute, which the copy needs."""
    return {key: str(value) for key, value in remote.items() if key == "url" or isinstance(value, (ExpPath, RelPath))}
