"""The project's own check of its parameters."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.held import project_environment
from pipeline.settings import read_settings


def check_params(root: Path, python: str = sys.executable) -> None:
    """Run the project's own check of its parameters, if it has one, in `root`, with the programs of its `python`;
    raises PipelineError with its reason."""
    with params_checked(root, python):
        pass


@contextlib.contextmanager
def params_checked(root: Path, python: str = sys.executable) -> Iterator[None]:
    """The check of `check_params` beside the block, which may only read. What the check says comes before any error of
    the block, since bad parameters explain it."""
    command = read_settings(root).check_command
    if not command:
        yield
        return
    try:
        check = subprocess.Popen(
            command,
            cwd=root,
            env=project_environment(python),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise PipelineError(f"prefect.yaml: pipeline.check: {error}") from error
    with check:
        try:
            yield
        except Exception:
            _heed(check, command[0])
            raise
        except BaseException:
            check.kill()
            raise
        _heed(check, command[0])


def _heed(check: "subprocess.Popen[str]", name: str) -> None:
    """Wait for the check and raise what it complains of."""
    out, err = check.communicate()
    if check.returncode != 0:
        said = (err.strip() or out.strip() or f"exited with {check.returncode}").splitlines()
        raise PipelineError(f"{name}: {said[-1].removeprefix('error: ')}")
