"""The DVC remote, where machines share results."""

# mypy: disable-error-code="import-untyped"

import contextlib
import threading
from pathlib import Path

from pipeline.commands import dvc
from pipeline.errors import PipelineError


def check_remote(root: Path) -> None:
    """Look into the remote now, since what a run makes is sent there at its end. Raises PipelineError with DVC's own
    line where there is none or it does not answer."""
    from pipeline.project import opened  # late: most runs share nothing

    with opened(root) as repo:
        try:
            remote = repo.cloud.get_remote(command="push")
            with contextlib.suppress(FileNotFoundError):  # made by the first push
                remote.fs.ls(remote.path)
        except Exception as error:  # whatever the kind of remote raises
            said = " ".join(str(error).split()) or type(error).__name__
            raise PipelineError(f"share: the DVC remote cannot be used: {said}") from error


def fetch_results(root: Path, cancelled: threading.Event) -> None:
    """Get the history of runs and the recorded outputs from the DVC remote, as far as it has them."""
    dvc(root, "pull", "--quiet", "--run-cache", "--allow-missing", cancelled=cancelled)


def push_results(root: Path, cancelled: threading.Event) -> None:
    """Send the history of runs and the outputs to the DVC remote."""
    dvc(root, "push", "--quiet", "--run-cache", cancelled=cancelled)
