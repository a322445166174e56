"""The page: one HTML file that holds its figures, its scripts and its words, and asks the network for nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import vl_convert as vlc
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from effopd.report.convergence import Speedup
from effopd.report.datasets import Described
from effopd.report.estimates import final_accuracy, top1_is_spectral
from effopd.report.figures import DARK, LABELS, LIGHT, Choice, Figure, Slider, theme
from effopd.report.interventions import defined
from effopd.report.mechanism import Parts
from effopd.report.ratios import NEVER, UNMEASURED, median_in_words, range_in_words
from effopd.report.results import Results
from effopd.report.updates import PAPER_MODELS, spectral_methods, spectral_table
from effopd.report.verdicts import Claim, Verdict

TABLED = "lock-in"
"""The chapter that ends with the spectral table."""
TEMPLATE, STYLE, SCRIPT = (Path(__file__).with_name(f"page.{kind}") for kind in ("html", "css", "js"))


@dataclass(frozen=True)
class Headline:
    """One number in large type, and what it is."""

    value: str
    label: str


@dataclass(frozen=True)
class Chapter:
    """A heading, what to know before its figures, and the figures."""

    name: str
    title: str
    text: str
    figures: Sequence[Figure]


def render(
    *,
    title: str,
    results: Results,
    speedup: Speedup,
    target_share: float,
    confidence: float,
    apart: Parts,
    claims: Sequence[Claim],
    chapters: Sequence[Chapter],
    datasets: Sequence[Described],
    provenance: Mapping[str, Any],
) -> str:
    """The page as HTML. The same arguments give the same text."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = [figure for chapter in chapters for figure in chapter.figures]
    table_methods = spectral_methods(results)
    placed = place(claims, chapters, has_table=bool(table_methods))
    drawn = {
        "specs": {figure.name: figure.spec for figure in figures},
        "controls": {figure.name: {one.param: _control(one) for one in figure.controls} for figure in figures},
        "light": theme(LIGHT),
        "dark": theme(DARK),
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        zip=zip,
        tabled=TABLED,
        tally=tally(claims),
        control_data=_control_data,
        confidence=f"{confidence * 100:g}",
        headlines=headlines(results, speedup, apart),
        claims=claims,
        placed=placed,
        undrawn=[claim for claim in claims if not any(claim in others for others in placed.values())],
        chapters=chapters,
        datasets=datasets,
        limits=limits(results, target_share, apart),
        table=spectral_table(results),
        table_methods=table_methods,
        paper_models=PAPER_MODELS,
        top1_is_spectral=top1_is_spectral(results),
        provenance=provenance,
        params=_flat(provenance.get("params", {})),
        css=_inline(STYLE.read_text(encoding="utf-8")),
        js=_inline(SCRIPT.read_text(encoding="utf-8")),
        figures_json=_script(drawn),
        vega=_vega(),
    )


def place(claims: Sequence[Claim], chapters: Sequence[Chapter], has_table: bool) -> dict[str, list[Claim]]:
    """The claims that each chapter's figures, or its table, speak to, by the name of the chapter."""
    found = {}
    for chapter in chapters:
        drawn = {figure.name for figure in chapter.figures}
        drawn |= {"spectral_table"} if has_table and chapter.name == TABLED else set()
        found[chapter.name] = [claim for claim in claims if claim.figure in drawn]
    return found


def headlines(results: Results, speedup: Speedup, apart: Parts) -> list[Headline]:
    """Accuracies and speed-ups, medians with their range over replicates; what was not measured says so."""
    found = [Headline(f"{results.base.accuracy:.2f}", "accuracy of the base")]
    for method in results.methods:
        if estimate := final_accuracy(results.of(method)):
            found.append(Headline(f"{estimate.mean:.2f}", f"accuracy of {LABELS.get(method, method)}"))
    for name, words in (
        ("steps", "EffOPD's speed-up over OPD, in steps"),
        ("wall", "its speed-up in wall time, validation included"),
        ("best_lr_steps", "its speed-up in steps over OPD's best rate"),
    ):
        if speedup.replicates:
            found.append(_speedup(speedup, name, words))
    if "opd" in apart:
        early = apart["opd"].rows("rescaling", beta=1.0)[0]
        kept = defined(apart["opd"].kept(early).value)
        words = f"of OPD's final accuracy from its update at {(early.progress or 0) * 100:g} % of training, stretched"
        found.append(Headline("–" if kept is None else f"{kept * 100:.0f} %", words))
    return found


def _speedup(speedup: Speedup, name: str, words: str) -> Headline:
    """A median speed-up; beside it what became of every replicate."""
    value = {NEVER: "never", UNMEASURED: "–"}.get(median_in_words(speedup, name))
    each = range_in_words(speedup, name, ".1f")
    return Headline(value or f"{getattr(speedup, name):.1f}×", words + (f" ({each})" if each else ""))


def tally(claims: Sequence[Claim]) -> str:
    """How many claims got each verdict."""
    counts = Counter(claim.verdict for claim in claims)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict])


def limits(results: Results, target_share: float, apart: Parts) -> list[str]:
    """What a reader should know before believing the page; each sentence only where it holds."""
    trained = ", ".join(f"{len(results.of(method))} of {LABELS.get(method, method)}" for method in results.methods)
    said = [
        f"Accuracies are measured on {results.base.n} problems; their intervals tell of the problems drawn, "
        f"not of the training seed. Replicates: {trained}. Of a method with one nothing is known of its spread.",
        f"Convergence means: the first time that the learning curve crosses {target_share * 100:g} % of the final "
        "accuracy of OPD in the same replicate, interpolated in the logarithm of the cost between checkpoints. The "
        "curve is noisy, so a lucky checkpoint counts.",
        "Wall time is that of the machine that trained the runs, and comparable only if nothing else ran beside them.",
        "Alignment is with a run's own last checkpoint: a run that is stopped earlier is aligned sooner.",
    ]
    if results.missing:
        said.insert(0, f"Looked for, not found, and left out: {', '.join(results.missing)}.")
    if results.sweep:
        said.append(
            "The best learning rate is chosen after the fact, by the fewest steps to the target, which favours OPD. "
            "Each rate of the sweep was trained once."
        )
    if apart:
        samples = next(iter(apart.values()))
        said.append(
            f"Interventions are scored on the same {samples.ends[0].n} problems with common random numbers, so "
            "differences are compared in pairs. Parts of an update are shorter than the whole, so a window that gains "
            "little may be short rather than unimportant."
        )
        said.append(
            "Recovered shares are of the final accuracy, as in the paper, which a base that is right by itself makes "
            "large, and of the gain over the base, which is the stricter one."
        )
    if top1_is_spectral(results):
        said.append(
            "The weight matrices have ranks of 100 or less, so their leading 1 % is one component, and the top-1 % "
            "norm ratio is the spectral/Frobenius ratio."
        )
    return said


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested params as (dotted key, JSON) in order."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", json.dumps(value, ensure_ascii=False)))
    return rows


def _control(control: Choice | Slider) -> dict[str, Sequence[str] | Sequence[float]]:
    """What the script needs to know of a control."""
    if isinstance(control, Slider):
        return {"values": control.values, "words": control.words}
    return {"values": control.options}


def _control_data(figure: str, param: str) -> Markup:
    """The attributes by which the script finds what a radio button sets."""
    return Markup('data-chart="{}" data-param="{}"').format(figure, param)


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
