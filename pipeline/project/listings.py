"""Remember what was inside each folder that a stage depends on, so that a later change can be named file by file.

dvc.lock keeps one hash for a whole folder. The listing behind each hash is kept under `.dvc/tmp`: a convenience that
may be deleted at any time, after which a change is reported for the folder as a whole.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.atomic import replacing


class Listings:
    """Listings by folder hash: `{file inside the folder: its hash}`, one small JSON file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._new: dict[str, Mapping[str, str]] = {}

    def add(self, folder_hash: str, files: Mapping[str, str]) -> None:
        self._new[folder_hash] = files

    def changes(self, old_hash: str, new_hash: str) -> list[tuple[str, str]]:
        """(file, "added" | "removed" | "changed"), sorted by file; empty where either listing is unknown."""
        old, new = self._read(old_hash), self._read(new_hash)
        if old is None or new is None:
            return []
        found = []
        for file in sorted({*old, *new}):
            if file not in old:
                found.append((file, "added"))
            elif file not in new:
                found.append((file, "removed"))
            elif old[file] != new[file]:
                found.append((file, "changed"))
        return found

    def save(self) -> None:
        """Write the listings that are not on disk yet."""
        for folder_hash, files in self._new.items():
            path = self._path(folder_hash)
            if path.exists():
                continue
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(files, sort_keys=True), encoding="utf-8")

    def _read(self, folder_hash: str) -> Mapping[str, str] | None:
        if folder_hash in self._new:
            return self._new[folder_hash]
        try:
            listing = json.loads(self._path(folder_hash).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return listing if isinstance(listing, dict) else None

    def _path(self, folder_hash: str) -> Path:
        return self._folder / f"{folder_hash.removesuffix('.dir')}.json"
