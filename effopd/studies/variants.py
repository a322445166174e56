"""What a variant's runs left in its workspace, read and judged like those of the pipeline itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from effopd.files import read_json
from effopd.findings.claims import CLAIMS
from effopd.findings.comparisons import Judged, judge
from effopd.findings.estimates import interpolated
from effopd.findings.evidence import Evidence
from effopd.findings.reading import Measured, read_results, read_versions
from effopd.params.schema import Params
from effopd.records import read_table, records, value_of
from effopd.studies.spec import Study, wanted
from effopd.trajectory.store import open_checkpoint, stored_steps

PROBES = Path("reports/probes")
SIDE = "left"  # whose singular vectors the document compares


@dataclass(frozen=True)
class Aligned:
    """One weight matrix at one checkpoint: agreement of its update's k leading singular vectors with the final ones.

    See `effopd.spectral.alignment`; k can be less than was asked for.
    """

    step: int
    name: str
    side: str
    k: int
    top_k_cosine: float | None
    principal_angle: float | None


@dataclass(frozen=True)
class Scored:
    """A candidate leap, by the teacher and by sampling. by_prompt: mean accuracy on each of many prompts.

    read_tokens, sampled_tokens: what the two scores cost.
    """

    multiplier: float
    teacher_kl: float
    by_prompt: tuple[float, ...]
    read_tokens: int
    sampled_tokens: int


@dataclass(frozen=True)
class Searched:
    """One search of which every candidate was scored, the weights without a leap first."""

    update: int
    candidates: tuple[Scored, ...]


@dataclass(frozen=True)
class Variant:
    """evidence: of the study's runs alone. alignment: by run, of the left vectors. lengths: of these, by matrix.

    searches: those of the probe `critic`.
    """

    name: str
    params: Params
    evidence: Evidence
    alignment: Mapping[str, tuple[Aligned, ...]]
    lengths: Mapping[str, int]
    versions: Mapping[str, str]
    searches: tuple[Searched, ...] = ()

    @cached_property
    def judged(self) -> Mapping[str, Judged]:
        """Every claim of the report, by name, asked of this variant."""
        return {claim.name: judge(claim, self.evidence) for claim in CLAIMS}

    def aligned_at(self, run: str, measure: str, progress: float) -> dict[str, float]:
        """`measure` of a run's matrices at a share of training, linear between checkpoints, by name."""
        rows = self.alignment[run]
        last = max(row.step for row in rows)
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in sorted(rows, key=lambda row: row.step):
            if (value := getattr(row, measure)) is not None:
                lines.setdefault(row.name, []).append((row.step / last, value))
        found = {name: interpolated(line, progress) for name, line in lines.items()}
        return {name: value for name, value in found.items() if value is not None}


def read_variant(name: str, study: Study, params: Params, root: Path) -> Variant:
    """The variant whose workspace is at `root`. Raises `DataError` that names the file at fault.

    The workspace may hold results of other runs, and of these runs with other params: what the study does not ask for
    is not looked at.
    """
    models, reports = root / "models", root / "reports"
    runs = wanted(study, params)
    apart = ("rl", *params.interventions.methods) if "interventions" in study.measures else ()
    left_out: list[Measured] = ["paths", "timing"] if "spectral" in study.measures else ["paths", "timing", "spectral"]
    evidence = Evidence(
        results=read_results(runs, apart, models, reports, left_out),
        target_share=params.report.target_share,
        confidence=params.evaluate.confidence,
        resamples=params.evaluate.resamples,
        seed=params.run.seed,
    )
    alignment: dict[str, tuple[Aligned, ...]] = {}
    lengths: dict[str, int] = {}
    for run in runs if "spectral" in study.measures else ():
        rows = read_table(reports / "spectral" / run.name / "alignment.parquet", Aligned)
        alignment[run.name] = tuple(row for row in rows if row.side == SIDE)
        base = open_checkpoint(models / run.name, stored_steps(models / run.name)[0])
        lengths |= {row.name: base.stored[row.name].shape[0] for row in alignment[run.name]}
    searches: tuple[Searched, ...] = ()
    if "critic" in study.probes:
        file = root / PROBES / "critic.json"
        searches = records(file, Searched, value_of(file, read_json(file), "searches"))
    return Variant(name, params, evidence, alignment, lengths, read_versions(runs, models), searches)
