"""The page of studies: what each asked, what came of it, and every claim under every study."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import cycle
from pathlib import Path

from effopd.findings.claims import CLAIMS
from effopd.findings.measures import LABELS, label_of
from effopd.params.section import read_yaml
from effopd.report.figures import MORE_COLOURS, PALETTE, Control, Drawing, Figure, Row
from effopd.report.page import embedded, template
from effopd.report.story import Chapter
from effopd.studies.record import Record

TEMPLATE, CHARTS = (Path(__file__).with_name(name) for name in ("page.html", "charts.yaml"))
CHANCE = "#808080"


def page(records: Sequence[Record]) -> str:
    """The page as HTML, which asks the network for nothing. The same records give the same text."""
    chapters = [chapter(one) for one in records]
    asked = [claim for claim in CLAIMS if any(claim.name in one.claims for one in records)]
    figures = [figure for one in chapters for figure in one.figures]
    return template(TEMPLATE).render(
        records=records, chapters=chapters, claims=asked, statements=_statements(), **embedded(figures)
    )


def chapter(one: Record) -> Chapter:
    figures = [draw(one) for draw in (_numbers, _accuracy)]
    return Chapter(one.name, one.name.capitalize(), one.question, [figure for figure in figures if figure.drawing.rows])


def _numbers(one: Record) -> Figure:
    """The study's numbers, a measure at a time."""
    rows = [
        {"measure": row.measure, "label": row.label, "series": row.series}
        | {"value": row.value, "low": row.low, "high": row.high}
        for row in one.numbers
        if row.value is not None
    ]
    measures = list(dict.fromkeys(str(row["measure"]) for row in rows))
    spare = cycle(MORE_COLOURS)
    own = {label_of(method): PALETTE[method] for method in LABELS} | {"chance": CHANCE}
    series = list(dict.fromkeys(str(row["series"]) for row in rows))
    scale = {"domain": series, "range": [own.get(name) or next(spare) for name in series]}
    drawing = Drawing(rows, {}, [Control("measure", "Number", measures)], {"series": scale})
    caption = "Lines are intervals, where a number has one; replicates are averaged."
    description = "Points with intervals: the numbers of the study, by variant or place, in colour what is compared."
    return Figure(f"{one.name}-numbers", "What was measured", caption, description, drawing, True, _charts()["numbers"])


def _accuracy(one: Record) -> Figure:
    """Final accuracy over variants and runs."""
    rows = [
        {"variant": variant.name, "run": run, "accuracy": accuracy}
        for variant in one.variants
        for run, accuracy in {"base": variant.base, **{run: end.accuracy for run, end in variant.runs.items()}}.items()
    ]
    sizes = {end.n for variant in one.variants for end in variant.runs.values()}
    problems = ", ".join(map(str, sorted(sizes)))
    description = "Map of accuracy: a row for each variant, a column for each run."
    caption = "Accuracy of the last checkpoint at temperature 1 on {problems} problems."
    drawing = Drawing(rows, {"problems": problems})
    return Figure(f"{one.name}-accuracy", "Accuracy", caption, description, drawing, True, _charts()["accuracy"])


@cache
def _charts() -> Row:
    return read_yaml(CHARTS)


def _statements() -> dict[str, str]:
    return {claim.name: claim.statement.format(target="the target share in") for claim in CLAIMS}
