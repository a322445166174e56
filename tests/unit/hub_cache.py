"""A cache of the hub on this machine, as its client lays it out: blobs, snapshots of links to them, branches."""

from __future__ import annotations

import hashlib
from pathlib import Path


def put(cache: Path, name: str, revision: str, folder: Path) -> str:
    """Put a model into the cache as the branch `revision` of `name`; the commit that it is."""
    repository = cache / f"models--{name.replace('/', '--')}"
    commit = hashlib.sha1(f"{name}@{revision}".encode(), usedforsecurity=False).hexdigest()
    snapshot, blobs = repository / "snapshots" / commit, repository / "blobs"
    for made in (snapshot, blobs, repository / "refs"):
        made.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        content = file.read_bytes()
        blob = blobs / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / file.name).symlink_to(f"../../blobs/{blob.name}")
    (repository / "refs" / revision).write_text(commit)
    return commit
