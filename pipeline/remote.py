"""The DVC remote, where machines share results."""

import threading
from pathlib import Path

from pipeline.commands import dvc


def fetch_results(root: Path, cancelled: threading.Event) -> None:
    """Get the history of runs and the recorded outputs from the DVC remote, as far as it has them."""
    dvc(root, "pull", "--quiet", "--run-cache", "--allow-missing", cancelled=cancelled)


def push_results(root: Path, cancelled: threading.Event) -> None:
    """Send the history of runs and the outputs to the DVC remote."""
    dvc(root, "push", "--quiet", "--run-cache", cancelled=cancelled)
