"""Verdicts on the document's account of why distillation works, from interventions with paired intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from effopd.report.figures import LABELS
from effopd.report.interventions import Apart, Interval, Intervened, density_gap, norm_matched, share_in_words
from effopd.report.mechanism import NORM_SHARES, Parts, common_norms
from effopd.report.results import Results
from effopd.report.update_claims import shares_against_rl
from effopd.report.verdicts import Check, Claim, Verdict, verdict

COMPARED = ("opd", "rl")
FEWEST_LAYERS = 4  # with fewer there is no middle to tell from the periphery
SAME_PATTERN = 0.9  # correlation
NEGLIGIBLE = 0.02  # of accuracy
RECOVERED = 0.8
BEST_BETA, NEAR = (0.8, 1.2), 0.1
LEADING_PERCENT, LEADING_KEEP = 10.0, 0.95


def mechanism_claims(results: Results, apart: Parts) -> tuple[Claim, ...]:
    """In the order of the document: signal density twice, modules, layers, embeddings, early direction, rank."""
    return (
        _denser(apart),
        _steeper(apart),
        _mlp(apart),
        _middle_layers(apart),
        _same_pattern(apart),
        _periphery(results),
        _embeddings(apart),
        _early_direction(apart),
        _beta(apart),
        _leading_rank(apart),
    )


def _claim(
    name: str, statement: str, checks: list[Check], said: list[str], figure: str, untestable: str | None = None
) -> Claim:
    """`untestable`: why this run cannot speak to the claim; None when it can."""
    if untestable is not None:
        return Claim(name, statement, "not testable at this scale", untestable, figure)
    found: Verdict = verdict(checks)
    sentence = "; ".join(said)
    finding = f"{sentence[0].upper()}{sentence[1:]}." if said else "No run was taken apart."
    return Claim(name, statement, found, finding, figure)


def _denser(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    if {"rl", "opd"} <= apart.keys():
        for share, norm in zip(NORM_SHARES, common_norms(apart), strict=True):
            gap = norm_matched(apart["opd"], apart["rl"], norm)
            checks.append(gap.low > 0)
            said.append(f"{_signed(gap)} at {share * 100:g} % of the shorter update's length")
        said[0] = f"OPD's accuracy minus RL's is {said[0]}"
    return _claim(
        "signal_density",
        "At equal length of the update OPD is more accurate than RL.",
        checks,
        said,
        "alpha",
    )


def _steeper(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    if {"rl", "opd"} <= apart.keys():
        mine, other = ({row.alpha: row for row in apart[method].rows("alpha")} for method in ("opd", "rl"))
        for alpha in sorted(alpha for alpha in mine.keys() & other.keys() if alpha):
            gap = density_gap(apart["opd"], mine[alpha], apart["rl"], other[alpha])
            checks.append(_above(gap.low, 0))
            said.append(f"{_signed(gap)} at α = {alpha:g}")
        said[0] = f"accuracy gained per unit of ‖α ΔW‖, OPD's minus RL's, is {said[0]}"
    return _claim(
        "steeper",
        "Scaled by α, OPD's update gains more per unit of its length than RL's, at each α.",
        checks,
        said,
        "alpha",
    )


def _mlp(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    for method, one in _compared(apart):
        mlp, attention = (one.rows("modules", kind=kind)[0] for kind in ("mlp", "attention"))
        gap = one.difference(mlp, attention)
        checks.append(gap.low > 0)
        said.append(
            f"{method}: MLP minus attention {_signed(gap)}, at lengths {one.update_norm(mlp):.3g} and "
            f"{one.update_norm(attention):.3g}"
        )
    return _claim(
        "mlp_over_attention", "The MLPs' updates alone gain more than the attention's alone.", checks, said, "modules"
    )


def _middle_layers(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    layers = _layers(apart)
    for method, one in _compared(apart):
        windows = one.rows("window", kind="mlp")
        inner = [row.centre in _middle(layers) for row in windows]
        if not any(inner) or all(inner):
            continue
        weights = [1 / sum(inner) if is_inner else -1 / (len(inner) - sum(inner)) for is_inner in inner]
        gap = one.contrast(windows, weights)
        best = max(windows, key=lambda row: one.accuracy(row).value)
        checks.append(gap.low > 0)
        said.append(f"{method}: middle half minus the rest {_signed(gap)}, most at layer {best.centre} of {layers}")
    return _claim(
        "middle_layers",
        "The middle layers' MLP updates gain more than the bottom and top layers'.",
        checks,
        said,
        "windows",
        _no_middle(layers),
    )


def _same_pattern(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    if {"rl", "opd"} <= apart.keys():
        profiles = []
        for method in COMPARED:
            one = apart[method]
            windows = one.rows("window")
            profiles.append(([one.accuracy(row).value for row in windows], one.profile(windows)))
        (mine, resampled_mine), (other, resampled_other) = profiles
        value = float(_correlation(np.array([mine]), np.array([other]))[0])
        low, high = apart["opd"].bounds(_correlation(resampled_mine, resampled_other))
        if math.isnan(value):
            checks.append(None)
            said.append("the windows' accuracies do not vary")
        else:
            checks += [value >= SAME_PATTERN, _above(low, 0)]
            interval = "no interval" if math.isnan(low) else f"interval {low:.2f} to {high:.2f}"
            said.append(f"over windows the accuracies correlate at {value:.2f} ({interval})")
    return _claim(
        "same_sensitivity",
        f"RL and OPD are sensitive in the same places: their windows' accuracies correlate at {SAME_PATTERN} or more.",
        checks,
        said,
        "windows",
    )


def _periphery(results: Results) -> Claim:
    layers = max(
        (1 + row.layer for run in results.runs if run.spectral for row in run.spectral.matrices),
        default=0,
    )
    checks, said = shares_against_rl(results, lambda matrix: matrix.layer not in _middle(layers))
    return _claim(
        "periphery",
        "RL spends more of its update on the bottom and top layers than OPD does, early and at the end.",
        checks,
        [f"of the squared length of the update, the outer half of the layers holds {said}"] if said else [],
        "norms",
        _no_middle(layers),
    )


def _embeddings(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    for method, one in _compared(apart):
        gap = one.difference(one.rows("embedding")[0], one.ends[1])
        checks.append(gap.low > -NEGLIGIBLE and gap.high < NEGLIGIBLE)
        said.append(f"{method}: {_signed(gap)} with the base's embeddings")
    return _claim(
        "embeddings",
        f"Embeddings hardly matter: putting the base's back changes accuracy by less than {NEGLIGIBLE}.",
        checks,
        said,
        "modules",
    )


def _early_direction(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    for method, one in _compared(apart):
        row = one.rows("rescaling", beta=1.0)[0]
        as_it_is = one.rows("rescaling", beta=0.0)[0]
        kept, gained, gap = one.kept(row), one.gained(row), one.difference(row, as_it_is)
        if method == "OPD":
            checks += [None if math.isnan(kept.value) else kept.value >= RECOVERED, gap.low > 0]
        said.append(
            f"{method}'s update at {(row.progress or 0) * 100:g} % of training recovers {share_in_words(kept)} of the "
            f"final accuracy and {share_in_words(gained)} of the gain over the base, {_signed(gap)} against the "
            "checkpoint as it is"
        )
    return _claim(
        "early_direction",
        f"An early OPD update, stretched to the final norms, recovers {RECOVERED * 100:g} % of the final performance, "
        "and more than the checkpoint as it is.",
        checks,
        said,
        "rescaling",
    )


def _beta(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    line: list[Intervened] = []
    if "opd" in apart:
        one = apart["opd"]
        line = sorted(one.rows("rescaling", progress=one.rows("rescaling")[0].progress), key=lambda row: row.beta or 0)
        tried = ", ".join(f"{row.beta:g}: {one.accuracy(row).value:.3f}" for row in line)
        said.append(f"OPD's accuracy by β is {tried}")
        low, high = BEST_BETA
        if is_bracketed([row.beta or 0 for row in line], BEST_BETA):
            inside = [low <= (row.beta or 0) <= high for row in line]
            gap = one.best_of(
                [row for row, is_in in zip(line, inside, strict=True) if is_in],
                [row for row, is_in in zip(line, inside, strict=True) if not is_in],
            )
            checks += [gap.value > 0, gap.low > 0]
            said.append(f"the best of β between {low:g} and {high:g} against the best outside: {_signed(gap)}")
        else:
            said.append(
                f"these values cannot tell where the best one lies: that takes some within {NEAR:g} of {low:g} and of "
                f"{high:g}, on both sides of each"
            )
    return _claim(
        "beta",
        f"Stretching is best near the final norm: β between {BEST_BETA[0]:g} and {BEST_BETA[1]:g}.",
        checks,
        said,
        "beta" if len(line) > 2 else "rescaling",
    )


def is_bracketed(values: Sequence[float], ends: tuple[float, float]) -> bool:
    """Whether values lie close to each end of a range, on both sides: only these can tell where the best one is."""
    low, high = ends
    slack = NEAR + 1e-9
    outside = any(low - slack <= value < low for value in values), any(high < value <= high + slack for value in values)
    inside = (
        any(low <= value <= low + slack for value in values),
        any(high - slack <= value <= high for value in values),
    )
    return all((*outside, *inside))


def _leading_rank(apart: Parts) -> Claim:
    checks: list[Check] = []
    said = []
    for method, one in _compared(apart):
        for row in one.rows("top"):
            if (row.percent or 100) > LEADING_PERCENT:
                continue
            kept = one.kept(row)
            if row.percent == LEADING_PERCENT:  # fewer may keep less
                checks += [_above(kept.value, LEADING_KEEP), _above(kept.low, LEADING_KEEP)]
            said.append(f"{method}: the leading {row.percent:g} % keep {share_in_words(kept)} of the final accuracy")
    return _claim(
        "leading_rank",
        f"The leading {LEADING_PERCENT:g} % of the update's components, at equal norm, keep more than "
        f"{LEADING_KEEP * 100:g} % of the final accuracy.",
        checks,
        said,
        "truncation",
    )


def _compared(apart: Parts) -> list[tuple[str, Apart]]:
    return [(LABELS[method], apart[method]) for method in COMPARED if method in apart]


def _no_middle(layers: int) -> str | None:
    """Why nothing can be said of the middle layers, or None."""
    return f"A model of {layers} layers has no middle to tell from the rest." if 0 < layers < FEWEST_LAYERS else None


def _layers(apart: Parts) -> int:
    return max((1 + (row.centre or 0) for one in apart.values() for row in one.rows("window")), default=0)


def _middle(layers: int) -> range:
    """The middle half of the layers, counted from 0."""
    return range(layers // 4, layers - layers // 4)


def _correlation(first_RW: np.ndarray, second_RW: np.ndarray) -> np.ndarray:
    """Pearson's r of each row; NaN where a row does not vary."""
    first_RW, second_RW = (x - x.mean(axis=-1, keepdims=True) for x in (first_RW, second_RW))
    norms_R = np.linalg.norm(first_RW, axis=-1) * np.linalg.norm(second_RW, axis=-1)
    return np.where(norms_R > 0, (first_RW * second_RW).sum(axis=-1) / np.where(norms_R > 0, norms_R, 1.0), np.nan)


def _above(value: float, goal: float) -> Check:
    """Whether a number is above its goal; None for one that is not defined."""
    return None if math.isnan(value) else value > goal


def _signed(found: Interval) -> str:
    return f"{found.value:+.3f} (interval {found.low:+.3f} to {found.high:+.3f})"
