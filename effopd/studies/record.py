"""The record of a study, reports/studies/NAME.json: all that its chapter, the findings and the report say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from effopd.files import read_json, write_json
from effopd.findings.comparisons import Verdict
from effopd.findings.estimates import defined
from effopd.records import record
from effopd.studies.answers import Answer, claims_over
from effopd.studies.spec import Study, overrides
from effopd.studies.variants import Variant


@dataclass(frozen=True)
class Told:
    """A `Number` as it is written; None for what is not defined."""

    measure: str
    label: str
    series: str
    value: float | None
    low: float | None
    high: float | None
    smallest: float | None
    largest: float | None


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    finding: str


@dataclass(frozen=True)
class Ended:
    """A run at its last step, by its accuracy on n problems."""

    step: int
    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class ToldVariant:
    """params: by dotted key, where they differ from params.yaml. base: accuracy of what all runs start from."""

    name: str
    params: dict[str, Any]
    base: float
    runs: dict[str, Ended]
    claims: dict[str, Finding]


@dataclass(frozen=True)
class Provenance:
    """code, params, study: hashes of all code that has a part in it, of params.yaml, of the study's file."""

    commit: str | None
    is_modified: bool | None
    code: str
    params: str
    study: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Record:
    """claims: the verdict on each over all variants. targets: the stages that were asked for."""

    name: str
    question: str
    statement: str
    verdict: Verdict
    sentence: str
    claims: dict[str, Verdict]
    numbers: tuple[Told, ...]
    targets: tuple[str, ...]
    variants: tuple[ToldVariant, ...]
    provenance: Provenance


def recorded(
    name: str,
    study: Study,
    targets: Sequence[str],
    variants: Sequence[Variant],
    answer: Answer,
    provenance: Provenance,
) -> Record:
    numbers = tuple(
        Told(one.measure, one.label, one.series, **{key: defined(value) for key, value in asdict(one.value).items()})
        for one in answer.numbers
    )
    return Record(
        name=name,
        question=study.question,
        statement=study.statement,
        verdict=answer.verdict,
        sentence=answer.sentence,
        claims=claims_over(variants, study.claims),
        numbers=numbers,
        targets=tuple(targets),
        variants=tuple(_variant(study, variant) for variant in variants),
        provenance=provenance,
    )


def write_record(one: Record, folder: Path) -> None:
    write_json(folder / f"{one.name}.json", asdict(one))


def read_record(path: Path) -> Record:
    """Raises `DataError` that names the file, and the key at fault."""
    return record(path, Record, read_json(path))


def read_records(folder: Path) -> tuple[Record, ...]:
    """All studies that were recorded, by name."""
    return tuple(read_record(path) for path in sorted(folder.glob("*.json")))


def _variant(study: Study, variant: Variant) -> ToldVariant:
    results = variant.evidence.results
    return ToldVariant(
        name=variant.name,
        params=dict(overrides(study, variant.name)),
        base=results.base.accuracy,
        runs={
            run.name: Ended(run.final.step, run.final.accuracy, run.final.low, run.final.high, run.final.n)
            for run in results.runs
        },
        claims={name: Finding(variant.judged[name].verdict, variant.judged[name].finding) for name in study.claims},
    )
