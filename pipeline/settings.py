"""What a project tells the bridge about itself, and where in it the bridge keeps what is its own.

The settings are a flat `pipeline:` section in prefect.yaml, which Prefect ignores.
"""

import os
import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import PipelineError

SECTION = "pipeline"


@dataclass(frozen=True)
class Settings:
    """check: a command that exits non-zero, with a one-line reason, when the parameters are invalid; empty is no check.
    report: the page that a finished run links to; empty is no link.
    python: the interpreter that runs DVC and the stages, from the project's folder; empty is the one that runs this.
    """

    check: str = ""
    report: str = ""
    python: str = ""

    @property
    def check_command(self) -> list[str]:
        try:
            return shlex.split(self.check)
        except ValueError as error:
            raise PipelineError(f"prefect.yaml: {SECTION}.check: {error} in {self.check!r}") from error


def read_settings(root: Path) -> Settings:
    """The settings of the project at `root`; a project without prefect.yaml has none."""
    path = root / "prefect.yaml"
    if not path.exists():
        return Settings()
    try:
        document = YAML(typ="safe", pure=True).load(path)
    except YAMLError as error:
        raise PipelineError(f"{path}: {' '.join(str(error).split())}") from error
    section = (document.get(SECTION) if isinstance(document, dict) else None) or {}
    if not isinstance(section, dict):
        raise PipelineError(f"prefect.yaml: {SECTION}: expected keys with text, got {section!r}")
    for key, value in section.items():
        if key not in {field.name for field in fields(Settings)} or not isinstance(value, str):
            raise PipelineError(f"prefect.yaml: {SECTION}.{key}: unknown, or not text")
    return Settings(**section)


def interpreter(root: Path) -> str:
    """The Python that runs DVC and the stages of the project at `root`. Raises PipelineError where there is none."""
    named = read_settings(root).python
    if not named:
        return sys.executable
    path = root / Path(named).expanduser()  # not resolved: an environment is found by the link in it
    if not os.access(path, os.X_OK) or path.is_dir():
        raise PipelineError(f"prefect.yaml: {SECTION}.python: {path} is no program")
    return str(path)


def folder(root: Path) -> Path:
    """Where the bridge keeps what is its own in a workspace; DVC keeps git away from it."""
    return root / ".dvc" / "tmp" / "prefect"
