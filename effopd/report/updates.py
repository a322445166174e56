"""How updates compare with the final one along training, and the table of their shapes beside the paper's."""

from __future__ import annotations

from effopd.findings import measures, words
from effopd.findings.estimates import measured, middle
from effopd.findings.evidence import Evidence
from effopd.findings.results import Results
from effopd.report.figures import Control, Drawing, Row, colours, label, medians

AT_A_RATE = (
    measures.UPDATE_NORM,
    measures.TABLE_1["effective_rank"],
    measures.TABLE_1["spectral_frobenius_ratio"],
    measures.aligned_at(0.1),
)
ALIGNMENTS = {"singular vectors, one by one": "top_k_cosine", "their subspaces": "principal_angle"}
"""The paper's measure, and one that swaps of near-equal singular values do not lower."""
PAPER_MODELS = ("1.5B", "4B", "8B", "14B")
NO_PAPER = ("–",) * len(PAPER_MODELS)
TABLE: tuple[tuple[measures.Measure, tuple[str, ...]], ...] = (
    (measures.TABLE_1["spectral_norm"], (".094 / .113", ".007 / .009", ".004 / .005", ".056 / .063")),
    (
        measures.TABLE_1["spectral_frobenius_ratio"],
        ("33.2 / 39.6 %", "19.7 / 25.7 %", "32.7 / 36.8 %", "24.4 / 28.1 %"),
    ),
    (measures.TABLE_1["effective_rank"], ("964 / 778", "1908 / 1587", "2754 / 2341", "3174 / 2937")),
    (measures.TABLE_1["top1_norm_ratio"], ("78.1 / 92.3 %", "79.2 / 93.4 %", "88.5 / 94.7 %", "81.2 / 94.5 %")),
    (measures.EMBEDDING_COSINE, (".9156 / .9412", ".9672 / .9851", ".9421 / .9752", ".8961 / .9512")),
    (measures.UPDATE_NORM, NO_PAPER),
    (measures.PATH_VARIANCE, NO_PAPER),
)
"""What is measured on an update, and the paper's Table 1 and embedding cosines: RL / OPD, for each of its models."""


def spectral_table(results: Results) -> list[tuple[str, list[str], tuple[str, ...]]]:
    """Of each measure the name, medians over replicates with their range by method, and the paper's numbers."""
    found = []
    for measure, paper in TABLE:
        runs = [measured(results.of(method), measure.of) for method in results.decomposed]
        found.append((measure.label, [words.spread(values, measure.form) for values in runs], paper))
    return found


def alignment(evidence: Evidence) -> Drawing:
    """The update at each checkpoint against the final one."""
    results = evidence.results
    rows = [
        {"run": run.name, "method": label(run), "measure": name, "progress": row.progress, "step": row.step}
        | {"alignment": value}
        for run in results.runs
        if run.spectral is not None and run.rate is None
        for row in run.spectral.alignment
        for name, field in ALIGNMENTS.items()
        if (value := getattr(row, field)) is not None
    ]
    said = []
    for method in results.decomposed:
        early = [(at, middle(measured(results.of(method), measures.aligned_at(at).of))) for at in (0.1, 0.2, 0.5)]
        found = [f"{value:.2f} at {at * 100:g} %" for at, value in early if value is not None]
        said.append(f"{measures.label_of(method)} {', '.join(found) if found else 'has no checkpoint that early'}")
    paper = {"progress": 0.1, "alignment": 0.72, "name": "paper, OPD", "measure": next(iter(ALIGNMENTS))}
    choice = Control("measure", "Compared", list(ALIGNMENTS))
    fills = {"methods": colours(results, results.decomposed)}
    return Drawing(rows, {"early": "; ".join(said)}, [choice], fills, {"paper": [paper]})


def rates(evidence: Evidence) -> Drawing | None:
    """What the learning rate does to the final update; None where a single rate was tried."""
    swept = {run.method for run in evidence.results.sweep if run.spectral is not None}
    rows: list[Row] = [
        {"run": run.name, "learning_rate": run.learning_rate, "quantity": measure.label, "value": value}
        for run in evidence.results.runs
        if run.method in swept
        for measure in AT_A_RATE
        if (value := measure.of(run)) is not None
    ]
    if not rows:
        return None
    tried = sorted({row["learning_rate"] for row in rows})
    middles = sorted(medians(rows, ("quantity", "learning_rate"), ("value",)), key=lambda row: row["learning_rate"])
    said = []
    for measure in AT_A_RATE:
        if ends := [row["value"] for row in middles if row["quantity"] == measure.label]:
            said.append(f"{measure.label} {' → '.join(words.written(ends[i], measure.form) for i in (0, -1))}")
    scale = {"type": "log", "domain": [tried[0] / 1.2, tried[-1] * 1.2], "nice": False}
    return Drawing(
        rows,
        {"lowest": f"{tried[0]:g}", "highest": f"{tried[-1]:g}", "ends": "; ".join(said)},
        [Control("quantity", "Show", list(dict.fromkeys(row["quantity"] for row in rows)))],
        {"x": scale, "rates": tried},
    )
