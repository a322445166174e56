"""The page: one HTML file that holds its figures, its scripts and its words, and asks the network for nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import vl_convert as vlc
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from effopd.findings import words
from effopd.findings.comparisons import Judged, Verdict
from effopd.findings.estimates import defined, final_accuracy, top1_is_spectral
from effopd.findings.evidence import Evidence
from effopd.findings.measures import label_of
from effopd.findings.results import Described
from effopd.report.figures import DARK, LIGHT, Figure, theme
from effopd.report.geometry import PAPER_MODELS, spectral_table
from effopd.report.story import Chapter

TABLED = "lock-in"
"""The chapter that ends with the spectral table."""
BESIDE = {"beta": "rescaling", "benchmarks": "spectral_table"}
"""Where the claims of a figure stand when there is nothing to draw in it."""
TEMPLATE, STYLE, SCRIPT = (Path(__file__).with_name(f"page.{kind}") for kind in ("html", "css", "js"))
MACROS = TEMPLATE.with_name("macros.html")


def render(
    title: str,
    evidence: Evidence,
    claims: Sequence[Judged],
    chapters: Sequence[Chapter],
    datasets: Sequence[Described],
    provenance: Mapping[str, Any],
) -> str:
    """The page as HTML. The same arguments give the same text."""
    figures = [figure for chapter in chapters for figure in chapter.figures]
    results = evidence.results
    placed = place(claims, chapters, has_table=bool(results.decomposed))
    told = [claim.name for others in placed.values() for claim in others]
    return template(TEMPLATE).render(
        title=title,
        label_of=label_of,
        tabled=TABLED,
        tally=tally(claims),
        headlines=headlines(evidence),
        claims=claims,
        placed=placed,
        undrawn=[claim for claim in claims if claim.name not in told],
        chapters=chapters,
        datasets=datasets,
        evidence=evidence,
        results=results,
        table=spectral_table(results),
        table_methods=[label_of(method) for method in results.decomposed],
        paper_models=PAPER_MODELS,
        top1_is_spectral=top1_is_spectral(results),
        provenance=provenance,
        params=_flat(provenance.get("params", {})),
        **embedded(figures),
    )


def template(path: Path) -> Template:
    """A page's template, which may use macros.html. What it is not given is an error."""
    return Environment(
        loader=FileSystemLoader([path.parent, MACROS.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(path.name)


def embedded(figures: Sequence[Figure]) -> dict[str, Markup]:
    """What every page holds: style sheet, scripts, and its figures as data."""
    drawn = {
        "specs": {figure.name: figure.spec for figure in figures},
        "controls": {figure.name: {one.param: asdict(one) for one in figure.drawing.controls} for figure in figures},
        "light": theme(LIGHT),
        "dark": theme(DARK),
    }
    return {
        "css": _inline(STYLE.read_text(encoding="utf-8")),
        "js": _inline(SCRIPT.read_text(encoding="utf-8")),
        "figures_json": _script(drawn),
        "vega": _vega(),
    }


def place(claims: Sequence[Judged], chapters: Sequence[Chapter], has_table: bool) -> dict[str, list[Judged]]:
    """The claims that each chapter's figures, or its table, speak to, by the name of the chapter."""
    chapter_of = {figure.name: chapter.name for chapter in chapters for figure in chapter.figures}
    if has_table:
        chapter_of["spectral_table"] = TABLED
    found: dict[str, list[Judged]] = {chapter.name: [] for chapter in chapters}
    for claim in claims:
        figure = claim.figure if claim.figure in chapter_of else BESIDE.get(claim.figure)
        if figure is not None and chapter_of.get(figure) in found:
            found[chapter_of[figure]].append(replace(claim, figure=figure))
    return found


def headlines(evidence: Evidence) -> list[tuple[str, str]]:
    """In large type, with what it is: accuracies, and medians of speed-ups with what became of every replicate."""
    results = evidence.results
    found = [(f"{results.base.accuracy:.2f}", "accuracy of the base")]
    for method in results.methods:
        if end := final_accuracy(results.of(method)):
            found.append((f"{end.value:.2f}", f"accuracy of {label_of(method)}"))
    for speedup, name, about in (
        (evidence.speedup, "steps", "EffOPD's speed-up over OPD at the same rate, in steps"),
        (evidence.speedup, "best_lr_cpu", "its speed-up over OPD's best rate, in processor time"),
        (evidence.speedup_free, "best_lr_cpu", "EffOPD-free's over OPD's best rate, in processor time"),
        (evidence.speedup_free, "with_sweep_cpu", "EffOPD-free's over all rates tried, in processor time"),
    ):
        if speedup.replicates:
            median = words.median_ratio(speedup, name, ".1f")
            each = words.range_of_ratios(speedup, name, ".1f")
            value = {words.NEVER: "never", words.UNMEASURED: "–"}.get(median, f"{median}×")
            found.append((value, about + (f" ({each})" if each else "")))
    if one := evidence.apart.get("opd"):
        kept = defined(one.kept(one.stretched).value)
        progress = f"{(one.stretched.progress or 0) * 100:g} %"
        about = f"of OPD's final accuracy from its update at {progress} of training, stretched"
        found.append(("–" if kept is None else f"{kept * 100:.0f} %", about))
    return found


def tally(claims: Sequence[Judged]) -> str:
    """How many claims got each verdict."""
    counts = Counter(claim.verdict for claim in claims)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict])


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested params as (dotted key, JSON) in order."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", json.dumps(value, ensure_ascii=False)))
    return rows


def _script(value: object) -> Markup:
    """JSON that can stand in a script element: nothing in it can close the element."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


@cache
def _vega() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return _inline(vlc.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _inline(script: str) -> Markup:
    """A script or style sheet, checked to stay inside its element."""
    if any(end in script.lower() for end in ("</script", "</style", "<!--")):
        raise ValueError("a script cannot be inlined: it would close its own element")
    return Markup(script)  # noqa: S704
