"""Models that are named rather than stored: a folder, or a repository on the hub at a revision, in the hub's cache."""

from __future__ import annotations

import re
from pathlib import Path

from effopd.files import DataError

FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
"""What of a repository is fetched: no pickles, no code."""

_NAME = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w./-]*))?")


def locate(place: str | Path) -> Path:
    """The folder of a model that is named by a path or as OWNER/NAME@REVISION; the main branch without a revision.

    A folder comes first. What the hub's cache does not have is fetched. Raises `DataError` that says what was tried.
    """
    folder = Path(place)
    if folder.is_dir():
        return folder
    named = _NAME.fullmatch(str(place))
    if named is None:
        raise DataError(f"{place}: no such folder, and no model on the hub, which would be OWNER/NAME@REVISION")
    try:
        return download(named["name"], named["revision"] or "main")
    except DataError as error:
        raise DataError(f"{place}: no such folder, and on the hub {error}") from None


def download(name: str, revision: str) -> Path:
    """The folder of a model on the hub at a revision, fetched unless it is in the hub's cache.

    Raises `DataError` with the hub's own words when it cannot be had.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except Exception as error:  # noqa: BLE001 - no network, no access, no such name: the hub's own words, in one line
        raise DataError(f"{name} cannot be fetched ({' '.join(str(error).split())[:300]})") from None
