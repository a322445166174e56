"""Figures of interventions: what is left with parts of an update, with fewer directions, or with a guess of its end."""

from __future__ import annotations

import math

from effopd.findings import words
from effopd.findings.estimates import as_accuracy, as_columns, defined
from effopd.findings.evidence import Evidence
from effopd.findings.extrapolation import LEAPING, OBSERVED, Extrapolated, extrapolated
from effopd.findings.interventions import Apart
from effopd.findings.measures import label_of
from effopd.findings.results import Intervened
from effopd.report.figures import PALETTE, Control, Drawing, Row, colours

KINDS = {"mlp": "MLP", "attention": "attention"}
AS_IS, STRETCHED = "checkpoint as it is", "rescaled to the final norms"
WEIGHTS = {
    AS_IS: "#808080",
    STRETCHED: "#cc79a7",
    OBSERVED: "#808080",
    "linear": "#cc79a7",
    "RELEX": "#b8860b",
    "AlphaOPD": "#8c6bb1",
    LEAPING: PALETTE["effopd"],
}
"""What stands side by side, each in its colour."""


def alpha(evidence: Evidence) -> Drawing:
    rows = [
        _row(label, one, row, {"alpha": row.alpha})
        for label, one in _labelled(evidence)
        for row in sorted(one.rows("alpha"), key=lambda row: row.alpha or 0)
    ]
    gaps = evidence.told("opd_minus_rl_at_equal_length")
    shortest = min((one.reach for one in evidence.apart.values()), default=0.0)
    gains = [(label, one.gain_per_length()) for label, one in _labelled(evidence)]
    dense = ", ".join(f"{label} {words.interval(gain)}" for label, gain in gains if not math.isnan(gain.value))
    said = {
        "gaps": gaps and f"OPD's accuracy minus RL's is {gaps} ({shortest:.3g}), linear between the α measured. ",
        "densities": dense and f"Accuracy gained per unit of ‖ΔW‖, at full length: {dense}. ",
    }
    axis = Control("axis", "Against", ["length of the update", "α"])
    return Drawing(rows, said, [axis], _methods(evidence))


def windows(evidence: Evidence) -> Drawing:
    rows, best = [], []
    for label, one in _labelled(evidence):
        found = one.rows("window")
        for row in found:
            settings = {"kind": KINDS[str(row.kind)], "layer": row.centre}
            rows.append(_row(label, one, row, settings) | as_columns("gain", one.difference(row, one.base)))
        most = max(found, key=lambda row: one.accuracy(row).value)
        share = words.interval(one.gained(most), ".0%")
        best.append(f"{label}: layer {most.centre}'s {KINDS[str(most.kind)]} gains most, {share} of the whole gain")
    half = max((row.half_width or 0 for one in evidence.apart.values() for row in one.rows("window")), default=0)
    width = f"up to {2 * half + 1} layers" if half else "one layer"
    return Drawing(rows, {"width": width, "best": "; ".join(best)}, [_choice(evidence)])


def modules(evidence: Evidence) -> Drawing:
    rows = []
    for label, one in _labelled(evidence):
        models = {
            "base": one.base,
            "attention alone": one.attention,
            "MLP alone": one.mlp,
            "whole update": one.trained,
            "all but embeddings": one.row("embedding"),
        }
        rows += [_row(label, one, row, {"weights": name}) for name, row in models.items()]
    said = {"kinds": evidence.told("mlp_minus_attention"), "embeddings": evidence.told("base_embeddings")}
    return Drawing(rows, said, fills=_methods(evidence))


def rescaling(evidence: Evidence) -> Drawing:
    rows, lines = [], []
    for label, one in _labelled(evidence):
        for row in one.rows("rescaling"):
            if row.beta in (0.0, 1.0):
                settings = {"progress": row.progress, "step": row.step, "weights": STRETCHED if row.beta else AS_IS}
                shares = as_columns("gained", one.gained(row)) | {"kept": defined(one.kept(row).value)}
                rows.append(_row(label, one, row, settings) | shares)
        final = one.accuracy(one.trained).value
        lines.append({"method": label, "accuracy": final, "name": "final"})
        lines.append({"method": label, "accuracy": 0.8 * final, "name": "paper"})
    said = {"kept": evidence.told("stretched_recovers"), "gained": evidence.told("stretched_gains")}
    return Drawing(rows, said, [_choice(evidence)], _weights(rows, 1), {"lines": lines})


def beta(evidence: Evidence) -> Drawing:
    rows, best = [], []
    for label, one in _labelled(evidence):
        if len(one.beta_line) > 2:  # the two ends alone are in the figure of the rescaling
            rows += [_row(label, one, row, {"beta": row.beta}) for row in one.beta_line]
            most = max(one.beta_line, key=lambda row: one.accuracy(row).value)
            best.append(f"{label} best at β = {most.beta:g} ({one.accuracy(most).value:.3f})")
    return Drawing(rows, {"best": "; ".join(best)}, fills=_methods(evidence))


def truncation(evidence: Evidence) -> Drawing:
    rows, said = [], []
    for label, one in _labelled(evidence):
        for row in (*one.rows("top"), *one.rows("bottom")):
            name = f"{'leading' if row.experiment == 'top' else 'trailing'} {row.percent:g} %"
            kept = one.kept(row)
            rows.append(_row(label, one, row, {"kept_components": name}) | {"kept": defined(kept.value)})
            said.append(f"{label} {name}: {words.interval(kept, '.0%')}")
    return Drawing(rows, {"kept": "; ".join(said)}, fills=_methods(evidence))


def extrapolation(evidence: Evidence) -> Drawing:
    found = [one for method, taken in evidence.apart.items() for one in extrapolated(evidence.results, method, taken)]
    rows = [one.row for one in found]
    lines = [
        {"method": label, "accuracy": one.accuracy(end).value, "name": name}
        for label, one in _labelled(evidence)
        for name, end in (("base", one.base), ("final", one.trained))
    ]
    said = []
    for method in reversed(evidence.apart):
        mine = [one for one in found if one.method == method]
        said += [
            _predicted([one for one in mine if one.step == step]) for step in dict.fromkeys(one.step for one in mine)
        ]
    taken = [label for label, _ in reversed(_labelled(evidence)) if any(row["method"] == label for row in rows)]
    controls = [Control("method", "Run", taken)]
    return Drawing(rows, {"predicted": " ".join(said)}, controls, _weights(rows, 2), {"lines": lines})


def _predicted(found: list[Extrapolated]) -> str:
    """A sentence on what stands side by side."""
    seen, *others = found
    each = [
        f"{one.weights} {one.accuracy.value:.3f}" + ("" if math.isnan(one.length) else f" ({one.length:.1f})")
        for one in others
        if one.weights != LEAPING
    ]
    leaps = [f"; EffOPD after as many steps {one.accuracy.value:.3f}" for one in others if one.weights == LEAPING]
    return (
        f"{label_of(seen.method)} from {seen.progress * 100:g} % of training, where step {seen.step} has "
        f"{seen.accuracy.value:.3f}: {', '.join(each)}{''.join(leaps)}."
    )


def _labelled(evidence: Evidence) -> list[tuple[str, Apart]]:
    return [(label_of(method), one) for method, one in evidence.apart.items()]


def _choice(evidence: Evidence) -> Control:
    """One method at a time, the last one first."""
    return Control("method", "Run", [label for label, _ in reversed(_labelled(evidence))])


def _methods(evidence: Evidence) -> Row:
    return {"methods": colours(evidence.results, evidence.apart)}


def _weights(rows: list[Row], columns: int) -> Row:
    """columns: of their legend."""
    shown = [name for name in WEIGHTS if any(row["weights"] == name for row in rows)]
    return {"weights": {"domain": shown, "range": [WEIGHTS[name] for name in shown]}, "columns": columns}


def _row(label: str, one: Apart, row: Intervened, settings: Row) -> Row:
    return {"method": label, **settings, "update_norm": one.update_norm(row)} | as_accuracy(one.accuracy(row))
