"""Results as tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from effopd.checkpoints.align import Aligned
from effopd.checkpoints.compare import Comparison, TensorDifference
from effopd.checkpoints.spectrum import Spectrum
from effopd.spectral.metrics import AverageMetrics, MatrixMetrics
from effopd.spectral.modules import left_out_line

_GROUPS = {
    "all": "attention+MLP", "attention": "attention", "mlp": "MLP", "embedding": "embedding", "head": "head",
    "other": "other",
}  # fmt: skip
_SHOWN = 10
"""Tensors of a comparison that are listed unless all are asked for."""


@dataclass(frozen=True)
class Measure:
    """A line of the spectrum's table: what it is called, the field it shows, and how."""

    title: str
    field: str
    form: str


_MEASURES = (
    Measure("update norm", "total_update_norm", ".6g"),
    Measure("  of a matrix, mean", "update_norm", ".6g"),
    Measure("  relative to the base's", "relative_update_norm", ".3%"),
    Measure("spectral norm", "spectral_norm", ".6g"),
    Measure("spectral / Frobenius", "spectral_frobenius_ratio", ".4f"),
    Measure("effective rank", "effective_rank", ".1f"),
    Measure("stable rank", "stable_rank", ".2f"),
    Measure("top-1 % norm ratio", "top1_norm_ratio", ".4f"),
    Measure("energy in principal space, left", "principal_energy_left", ".3%"),
    Measure("energy in principal space, right", "principal_energy_right", ".3%"),
    Measure("rotation of it, left (degrees)", "rotation_left", "angle"),
    Measure("rotation of it, right (degrees)", "rotation_right", "angle"),
    Measure("drift of singular values", "spectral_drift", ".3e"),
    Measure("unchanged in bfloat16", "unchanged_bf16", ".2%"),
    Measure("energy in the top 1 % of entries", "top1_coordinate_energy", ".2%"),
)


def spectrum_lines(found: Spectrum, top_k: int, matrices: bool) -> list[str]:
    """Averages by kind of module, what was left out, and with `matrices` a line for each matrix."""
    lines = [f"base     {_named(found.base, found.commits.get('base'))}"]
    lines += [f"trained  {_named(found.trained, found.commits.get('trained'))}", ""]
    groups = [kind for kind in _GROUPS if kind in found.averages]
    rows = [["", *(_GROUPS[kind] for kind in groups)]]
    averages = [found.averages[kind] for kind in groups]
    rows.append(["matrices that moved", *(f"{one.matrices} of {one.matrices + one.zero_updates}" for one in averages)])
    rows += [[m.title, *(_measured(one, m) for one in averages)] for m in _MEASURES]
    lines += table(rows)
    cosine = found.embedding_cosine.mean
    lines += ["", f"embedding rows, mean cosine with the base's  {_form(cosine, '.6f')}"]
    lines += [f"principal: the {top_k} leading singular directions of the base's matrix; by chance {_chance(found)}"]
    lines += [left_out_line(found.left_out, found.numbers)]
    if matrices:
        lines += ["", *table([_MATRIX_HEAD, *(_matrix_row(row) for row in found.matrices)])]
    return lines


def align_lines(found: Aligned, top_k: int) -> list[str]:
    """A line for each checkpoint, then what is said of all of them."""
    lines = [f"base  {_named(found.base, found.commits.get('base'))}", ""]
    rows = [_STEP_HEAD]
    for left, right in zip(found.alignment["left"], found.alignment["right"], strict=True):
        average = found.averages[left.step]
        rows.append([
            str(left.step),
            f"{left.progress:.1%}" if found.steps_are_named else "",
            f"{average.total_update_norm:.6g}",
            _form(average.effective_rank, ".1f"),
            *(_form(value, ".3f") for side in (left, right) for value in (side.top_k_cosine, side.principal_angle)),
            f"{average.unchanged_bf16:.1%}",
            found.checkpoints[left.step],
        ])  # fmt: skip
    lines += table(rows, left_last=True)
    lines += [
        "",
        f"|cos u|, |cos v|: k-th left and right singular vectors against the last checkpoint's, mean over k ≤ {top_k}",
        "subspace u, v: mean cosine of the principal angles between the subspaces that they span",
        f"path of u_1 and v_1 in a plane: {', '.join(_form(v, '.1%') for v in found.explained_variance.values())}"
        f"   R² of weights on t: {_form(found.r_squared, '.4f')}",
    ]
    if not found.steps_are_named:
        lines.append("steps are the order given: no number ends every name")
    return [*lines, left_out_line(found.left_out, found.numbers)]


def compare_lines(found: Comparison, tensors: bool) -> list[str]:
    """What differs, by kind of module, and the tensors that moved most; all of them with `tensors`."""
    lines = [f"a  {_named(found.a, found.commits.get('a'))}", f"b  {_named(found.b, found.commits.get('b'))}", ""]
    if found.identical:
        return [*lines, f"identical: {len(found.tensors)} tensors, configuration and other files"]
    lines += [f"only in {m}: {_first(names)}" for m, names in (("a", found.only_in_a), ("b", found.only_in_b)) if names]
    for name, (ours, theirs) in found.shapes.items():
        lines.append(f"shapes differ: {name} {list(ours)} and {list(theirs)}")
    for key, (ours, theirs) in found.config.items():
        lines.append(f"config.json: {key} {_short(ours)} and {_short(theirs)}")
    if found.files:
        lines.append(f"other files that differ: {_first(found.files)}")
    if not found.tensors:
        return lines
    kinds = sorted({row.kind for row in found.tensors})
    rows = [["", "tensors", "changed", "entries the same", "the same in bf16"]]
    for kind in kinds:
        group = [row for row in found.tensors if row.kind == kind]
        size = sum(row.numbers for row in group)
        same = math.fsum(row.unchanged * row.numbers for row in group) / size
        same_bf16 = math.fsum(row.unchanged_bf16 * row.numbers for row in group) / size
        changed = sum(row.unchanged < 1 for row in group)
        rows.append([kind, str(len(group)), str(changed), f"{same:.2%}", f"{same_bf16:.2%}"])
    lines += ["", *table(rows)]
    moved = sorted((row for row in found.tensors if row.unchanged < 1), key=_moved_most)
    shown = list(found.tensors) if tensors else moved[:_SHOWN]
    if shown:
        lines += ["", *table([_TENSOR_HEAD, *(_tensor_row(row) for row in shown)])]
    if len(moved) > _SHOWN and not tensors:
        lines.append(f"and {len(moved) - _SHOWN} more that changed less; --tensors lists all")
    return lines


def table(rows: Sequence[Sequence[str]], left_last: bool = False) -> list[str]:
    """Columns under each other: the first to the left, the others to the right, the last as asked."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        if left_last:
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return lines


_STEP_HEAD = [
    "step", "of the last", "update norm", "eff. rank", "|cos u|", "subspace u", "|cos v|", "subspace v", "bf16 same",
    "checkpoint",
]  # fmt: skip
_MATRIX_HEAD = [
    "matrix",
    "norm",
    "relative",
    "σ₁",
    "σ₁/F",
    "eff. rank",
    "stable",
    "in U_k",
    "in V_k",
    "drift",
    "bf16 same",
]


def _matrix_row(row: MatrixMetrics) -> list[str]:
    return [
        row.name,
        f"{row.update_norm:.4g}",
        _form(row.relative_update_norm, ".2%"),
        f"{row.spectral_norm:.4g}",
        _form(row.spectral_frobenius_ratio, ".3f"),
        _form(row.effective_rank, ".1f"),
        _form(row.stable_rank, ".2f"),
        _form(row.principal_energy_left, ".2%"),
        _form(row.principal_energy_right, ".2%"),
        _form(row.spectral_drift, ".1e"),
        f"{row.unchanged_bf16:.1%}",
    ]


_TENSOR_HEAD = ["tensor", "relative", "largest", "cosine", "the same", "dtypes"]


def _moved_most(row: TensorDifference) -> float:
    return -math.inf if row.relative is None else -row.relative  # a tensor of zeros that moved comes first


def _tensor_row(row: TensorDifference) -> list[str]:
    dtypes = row.dtypes[0] if row.dtypes[0] == row.dtypes[1] else " ".join(row.dtypes)
    cosine = _form(row.cosine, ".6f")
    return [row.name, _form(row.relative, ".3%"), f"{row.largest:.4g}", cosine, f"{row.unchanged:.1%}", dtypes]


def _measured(average: AverageMetrics, measure: Measure) -> str:
    value = getattr(average, measure.field)
    if measure.form == "angle":
        return "–" if value is None else f"{math.degrees(value):.2f}"
    return _form(value, measure.form)


def _form(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _chance(found: Spectrum) -> str:
    inner = [row for row in found.matrices if row.layer is not None]
    left = math.fsum(row.principal_k / row.rows for row in inner) / len(inner)
    right = math.fsum(row.principal_k / row.columns for row in inner) / len(inner)
    return f"{left:.2%} of the energy is in it on the left and {right:.2%} on the right"


def _named(name: str, commit: str | None) -> str:
    return f"{name} ({commit})" if commit else name


def _first(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _short(value: object) -> str:
    said = "absent" if value is None else str(value)
    return said if len(said) <= 60 else f"{said[:57]}…"
