"""A dataset's spec file: source, revision, licence, columns, verifier and prompt, in a small YAML file each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from effopd.files import DataError
from effopd.params.section import Pin, Section, parse, read_yaml

SPECS = Path(__file__).parent / "specs"

Verifier = Literal["math", "math-approximate", "choice", "exact", "code"]


class Source(Section):
    """A dataset repository on the Hugging Face hub.

    revision: a commit; empty in a spec that is not fetched, see `load.load_rows`.
    config, split: as `datasets.load_dataset` takes them. files: a pattern of data files, for repositories whose own
    loading script is not run.
    """

    repository: str
    revision: Pin = ""
    config: str | None = None
    split: str
    files: str | None = None


class Shot(Section):
    """A worked example that stands before the question."""

    question: str
    answer: str


class Prompt(Section):
    """How a question is put: `instruction` holds ``{question}``, and for choices ``{choices}``."""

    instruction: str
    system: str = ""
    shots: list[Shot] = Field(default_factory=list)

    @field_validator("instruction")
    @classmethod
    def _asks(cls, instruction: str) -> str:
        if "{question}" not in instruction:
            raise ValueError("must hold {question}")
        return instruction


class DatasetSpec(Section):
    """One dataset.

    rows: what a row is: `plain` has a question and an answer; `gpqa`, `taco`, `codeforces` and `verl` have layouts of
    their own, see `rows`.
    columns: for each part of a plain row the columns that may hold it, the first present counts; a dot descends. A
    `solution`, where rows have one, is what a model without pre-training imitates.
    samples: completions of each prompt that the benchmark's custom asks for.
    """

    title: str
    source: Source
    licence: str
    rows: Literal["plain", "gpqa", "taco", "codeforces", "verl"]
    columns: dict[Literal["question", "answer", "solution"], list[str]] = Field(default_factory=dict)
    verifier: Verifier
    prompt: Prompt
    samples: int = Field(default=1, ge=1)


def read_spec(path: Path) -> DatasetSpec:
    """Read a spec file. Raises `ParamsError` naming the file and the key at fault."""
    return parse(DatasetSpec, "", read_yaml(path), path)


def spec_file(name: str) -> Path:
    """The file of a published dataset's spec. Raises `DataError` listing the known ones."""
    path = SPECS / f"{name}.yaml"
    if not path.is_file():
        raise DataError(f"no dataset named {name!r}; known: {', '.join(spec_names())}, or a file of your own")
    return path


def spec_names() -> list[str]:
    return sorted(path.stem for path in SPECS.glob("*.yaml"))
