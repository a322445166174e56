"""Verdicts on the shape of updates: the rows of the paper's Table 1, alignment with the final update, and length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from effopd.report.estimates import (
    alignment_at,
    measured,
    middle,
    progress_at,
    share_of_update,
    top1_is_spectral,
)
from effopd.report.interventions import per_cent
from effopd.report.results import MatrixUpdate, Results, Run, Spectral
from effopd.report.updates import PAPER_ALIGNMENT
from effopd.report.verdicts import Check, Claim, verdict

EARLY = (0.1, 0.2)
RL_ALIGNED_AT = 0.6
"""The share of training before which the document's RL is not as aligned as OPD at PAPER_ALIGNMENT's: 60–70 %."""

Row = tuple[str, Callable[[Spectral], float | None], bool, str]
"""A number of the update: its name, where it is, whether OPD's should be the higher one, and its format."""


@dataclass(frozen=True)
class TableClaim:
    """A row of Table 1. of: the average, and the number of one matrix."""

    name: str
    statement: str
    label: str
    of: Callable[[Spectral | MatrixUpdate], float | None]
    is_higher: bool
    form: str


TABLE = (
    TableClaim(
        "spectral_norm",
        "The largest singular value of OPD's update is larger than that of RL's.",
        "spectral norm",
        lambda update: update.spectral_norm,
        True,
        ".4f",
    ),
    TableClaim(
        "spectral_ratio",
        "OPD's dominant directions carry more of its update: a higher spectral/Frobenius ratio than RL's.",
        "spectral/Frobenius ratio",
        lambda update: update.spectral_frobenius_ratio,
        True,
        ".3f",
    ),
    TableClaim(
        "effective_rank",
        "Fewer dimensions carry OPD's update: a lower effective rank than RL's.",
        "effective rank",
        lambda update: update.effective_rank,
        False,
        ".1f",
    ),
    TableClaim(
        "top1_ratio",
        "The leading 1 % of directions hold more of OPD's update: a higher top-1 % norm ratio than RL's.",
        "top-1 % norm ratio",
        lambda update: update.top1_norm_ratio,
        True,
        ".3f",
    ),
)


def table_claims(results: Results, confidence: float) -> tuple[Claim, ...]:
    """One for each row of Table 1: OPD against RL in every replicate, and beyond an interval over weight matrices."""
    return tuple(_table_row(results, row, confidence) for row in TABLE)


def alignment_claims(results: Results) -> tuple[Claim, ...]:
    """How early OPD's update points where it will end, and how late RL's does."""
    return _early_alignment(results), _early_level(results), _rl_aligned_late(results)


def small_update(results: Results) -> Claim:
    rows: tuple[Row, ...] = (
        ("update norm", lambda s: s.total_update_norm, False, ".3g"),
        ("cosine of embeddings to the base", lambda s: s.embedding_cosine, True, ".5f"),
    )
    checks, said = _against_rl(results, rows)
    return Claim(
        "small_update",
        "OPD moves the weights less than RL: smaller update norm, embeddings closer to the base's.",
        verdict(checks),
        said,
        "norms",
    )


def spared_attention(results: Results) -> Claim:
    """The half of redundancy avoidance that needs no middle layers."""
    checks, said = shares_against_rl(results, lambda matrix: matrix.kind == "attention")
    return Claim(
        "spared_attention",
        "OPD concentrates on the MLPs: attention holds less of its update than of RL's, early and at the end.",
        verdict(checks),
        f"Of the squared length of the update, attention holds {said}." if said else "Updates were not decomposed.",
        "norm_map",
    )


def shares_against_rl(results: Results, is_counted: Callable[[MatrixUpdate], bool]) -> tuple[list[Check], str]:
    """Whether some matrices hold less of OPD's ‖ΔW‖² than of RL's, early and at the end, and the shares in words."""
    checks: list[Check] = []
    said = []
    for progress, when in ((EARLY[0], f"at {EARLY[0] * 100:g} % of training"), (1.0, "at the end")):
        mine, other = (
            [share for run in results.of(method) if (share := share_of_update(run, progress, is_counted)) is not None]
            for method in ("opd", "rl")
        )
        if (against := middle(other)) is None or not mine:
            checks.append(None)
            continue
        checks += [share < against for share in mine]
        said.append(
            f"{(middle(mine) or 0) * 100:.1f} % in OPD ({min(mine) * 100:.1f} to {max(mine) * 100:.1f} %) and "
            f"{against * 100:.1f} % in RL {when}"
        )
    return checks, ", ".join(said)


def _table_row(results: Results, row: TableClaim, confidence: float) -> Claim:
    mine, other = (measured(results.of(method), row.of) for method in ("opd", "rl"))
    against = middle(other)
    if not mine or against is None:
        return Claim(row.name, row.statement, verdict([]), f"{row.label} was not measured.", "spectral_table")
    checks: list[Check] = [(one > against) if row.is_higher else (one < against) for one in mine]
    found = _paired(results.of("opd"), results.of("rl"), row.of, confidence)
    if found is None:
        checks.append(None)
        gap = "there are too few weight matrices for an interval"
    else:
        mean, low, high, matrices = found
        checks.append(low > 0 if row.is_higher else high < 0)
        gap = (
            f"the difference is {mean:+{row.form}} (interval {low:+{row.form}} to {high:+{row.form}} over {matrices} "
            "weight matrices, in pairs)"
        )
    same = row.name == "top1_ratio" and top1_is_spectral(results)
    return Claim(
        row.name,
        row.statement,
        verdict(checks),
        f"{row.label[0].upper()}{row.label[1:]}: OPD {_spread(mine, row.form)}, RL {against:{row.form}}; {gap}."
        + (" Here this is the spectral/Frobenius ratio: 1 % of the ranks of these matrices is one." if same else ""),
        "spectral_table",
    )


def _paired(
    mine: Sequence[Run], other: Sequence[Run], of: Callable[[MatrixUpdate], float | None], confidence: float
) -> tuple[float, float, float, int] | None:
    """OPD's number minus RL's, matrix by matrix: the mean, its normal interval, and how many matrices there are.

    Replicates are averaged first. A matrix that one of the runs did not move is left out. None for fewer than two.
    """
    first, second = (_by_matrix(runs, of) for runs in (mine, other))
    gaps = [value - second[place] for place, value in first.items() if place in second]
    if len(gaps) < 2:
        return None
    mean = fmean(gaps)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * stdev(gaps) / len(gaps) ** 0.5
    return mean, mean - reach, mean + reach, len(gaps)


def _by_matrix(runs: Sequence[Run], of: Callable[[MatrixUpdate], float | None]) -> dict[tuple[int, str], float]:
    """A number of the final update of each weight matrix that all runs moved, averaged over them."""
    found: dict[tuple[int, str], list[float | None]] = {}
    analysed = [run.spectral for run in runs if run.spectral is not None]
    for spectral in analysed:
        last = max((matrix.step for matrix in spectral.matrices), default=0)
        for matrix in spectral.matrices:
            if matrix.step == last:
                found.setdefault((matrix.layer, matrix.part), []).append(of(matrix))
    numbers = {place: [value for value in values if value is not None] for place, values in found.items()}
    return {place: fmean(values) for place, values in numbers.items() if len(values) == len(analysed)}


def _early_alignment(results: Results) -> Claim:
    checks: list[Check] = []
    said = []
    for progress in EARLY:
        mine, other = _at(results.of("opd"), progress), middle(_at(results.of("rl"), progress))
        if not mine or other is None:
            checks.append(None)
            said.append(f"At {progress * 100:g} % of training there is no checkpoint to compare")
            continue
        checks += [value > other for value in mine]
        said.append(
            f"At {progress * 100:g} % of training OPD's alignment is {_spread(mine, '.3f')} and RL's {other:.3f}"
        )
    return Claim(
        "early_alignment",
        "OPD's update points where it will end sooner than RL's does: alignment ahead at 10 % and at 20 % of training.",
        verdict(checks),
        ". ".join(said) + ". Each replicate of OPD counts.",
        "alignment",
    )


def _early_level(results: Results) -> Claim:
    progress, level = PAPER_ALIGNMENT["progress"], PAPER_ALIGNMENT["alignment"]
    mine = _at(results.of("opd"), progress)
    reached = [_progress(run, level) for run in results.of("opd")]
    known = [share for share in reached if share is not None]
    when = f", and {level:g} is reached at {_per_cent(known)} of training" if known else ""
    return Claim(
        "early_level",
        f"At {progress * 100:g} % of training OPD's alignment with its final update is {level:g} or more.",
        verdict([value >= level for value in mine]),
        f"OPD's alignment is {_spread(mine, '.3f')} there{when}. Each replicate counts."
        if mine
        else "There is no checkpoint that early.",
        "alignment",
    )


def _rl_aligned_late(results: Results) -> Claim:
    progress = PAPER_ALIGNMENT["progress"]
    rl = [run for run in results.of("rl") if run.spectral is not None]
    mine = _at(results.of("opd"), progress)
    shares = [middle([share for run in rl if (share := _progress(run, level)) is not None]) for level in mine]
    known = [share for share in shares if share is not None]
    said = "There is nothing to compare."
    if mine and rl:
        level = f"{_spread(mine, '.3f')}, OPD's at {progress * 100:g} % of training"
        said = (
            f"RL's alignment reaches {level}, at {_per_cent(known)} of its own."
            if known
            else f"RL's first checkpoint is more aligned than {level}, already."
        )
    return Claim(
        "rl_aligned_late",
        f"RL is not as aligned as OPD at {progress * 100:g} % before {RL_ALIGNED_AT * 100:g} % of training.",
        verdict([_not_before(rl, share) for share in shares]),
        said + (" Each replicate of OPD counts." if known else ""),
        "alignment",
    )


def _not_before(rl: Sequence[Run], share: float | None) -> Check:
    """Whether `share` of training is late; without it RL was there by its first checkpoint: False if that is early."""
    if share is not None:
        return share >= RL_ALIGNED_AT
    first = [
        row.progress for run in rl if run.spectral for row in run.spectral.alignment if row.top_k_cosine is not None
    ]
    return False if first and min(first) < RL_ALIGNED_AT else None


def _progress(run: Run, level: float) -> float | None:
    return None if run.spectral is None else progress_at(run.spectral, level, "top_k_cosine")


def _against_rl(results: Results, rows: Sequence[Row]) -> tuple[list[Check], str]:
    """A check for each row and replicate of OPD: above (True) or below (False) RL's number."""
    checks: list[Check] = []
    said = []
    for label, value, is_higher, form in rows:
        mine, other = measured(results.of("opd"), value), middle(measured(results.of("rl"), value))
        if not mine or other is None:
            checks.append(None)
            said.append(f"{label} was not measured")
            continue
        checks += [(one > other) if is_higher else (one < other) for one in mine]
        said.append(f"{label} {_spread(mine, form)} against {other:{form}}")
    return checks, f"OPD against RL: {'; '.join(said)}."


def _at(runs: Sequence[Run], progress: float) -> list[float]:
    return measured(runs, lambda spectral: alignment_at(spectral, progress, "top_k_cosine"))


def _spread(values: Sequence[float], form: str) -> str:
    """Median and range over replicates."""
    extremes = f" ({min(values):{form}}–{max(values):{form}})" if len(values) > 1 else ""
    return f"{middle(values):{form}}{extremes}"


def _per_cent(shares: Sequence[float]) -> str:
    """As `_spread`, for shares of training."""
    extremes = f" ({min(shares) * 100:.0f}–{max(shares) * 100:.0f} %)" if len(shares) > 1 else ""
    return per_cent(middle(shares) or 0) + extremes
