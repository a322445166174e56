"""A look at the DVC remote, where machines share results."""

import contextlib
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.project.repository import opened


def check_remote(root: Path) -> None:
    """Look into the remote now, since what a run makes is sent there at its end. Raises PipelineError with DVC's own
    line where there is none or it does not answer."""
    with opened(root) as repo:
        try:
            remote = repo.cloud.get_remote(command="push")
            with contextlib.suppress(FileNotFoundError):  # made by the first push
                remote.fs.ls(remote.path)
        except Exception as error:  # whatever the kind of remote raises
            said = " ".join(str(error).split()) or type(error).__name__
            raise PipelineError(f"share: the DVC remote cannot be used: {said}") from error
