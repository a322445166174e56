"""The page: one HTML file that holds its figures, its scripts and its words, and asks the network for nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert as vlc
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from effopd.report.claims import Claim
from effopd.report.convergence import Speedup
from effopd.report.estimates import final_accuracy, top1_is_spectral
from effopd.report.figures import DARK, LABELS, LIGHT, Figure, theme
from effopd.report.results import Results
from effopd.report.updates import PAPER_MODELS, spectral_methods, spectral_table

TEMPLATE = Path(__file__).with_name("page.html")


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
    claims: Sequence[Claim],
    chapters: Sequence[Chapter],
    provenance: Mapping[str, Any],
) -> str:
    """The page as HTML. The same arguments give the same text."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    specs = {figure.name: figure.spec() for chapter in chapters for figure in chapter.figures}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        headlines=headlines(results, speedup),
        claims=claims,
        chapters=chapters,
        limits=limits(results, target_share),
        table=spectral_table(results),
        table_methods=spectral_methods(results),
        paper_models=PAPER_MODELS,
        top1_is_spectral=top1_is_spectral(results),
        provenance=provenance,
        params=_flat(provenance.get("params", {})),
        figures_json=_script({"specs": specs, "light": theme(LIGHT), "dark": theme(DARK)}),
        vega=_inline(vlc.javascript_bundle("window.vegaEmbed = vegaEmbed;")),
    )


def headlines(results: Results, speedup: Speedup) -> list[Headline]:
    """Accuracies and speed-ups; what was not measured says so."""
    found = [Headline(f"{results.base.accuracy:.2f}", "accuracy of the base")]
    for method in results.methods:
        if estimate := final_accuracy(results.of(method)):
            found.append(Headline(f"{estimate.mean:.2f}", f"accuracy of {LABELS.get(method, method)}"))
    for value, words in (
        (speedup.steps, "EffOPD's speed-up over OPD, in steps"),
        (speedup.wall, "its speed-up in wall time, validation included"),
        (speedup.best_lr_steps, "its speed-up in steps over OPD's best rate"),
    ):
        found.append(Headline("–" if value is None else f"{value:.1f}×", words))
    return found


def limits(results: Results, target_share: float) -> list[str]:
    """What a reader should know before believing the page; each sentence only where it holds."""
    replicates = min((len(results.of(method)) for method in results.methods if method != "rl"), default=0)
    said = [
        f"Accuracies are measured on {results.base.n} problems; their intervals tell of the problems drawn, "
        f"not of the training seed. There are {replicates} replicates of each distillation and "
        f"{len(results.of('rl'))} of reinforcement learning.",
        f"Convergence means: the first time that the learning curve crosses {target_share * 100:g} % of the final "
        "accuracy of OPD in the same replicate, interpolated in the logarithm of the cost between checkpoints. The "
        "curve is noisy, so a lucky checkpoint counts.",
        "The best learning rate is chosen after the fact, by the fewest steps to the target, which favours OPD. "
        "The sweep was trained for one replicate only.",
        "Wall time is that of the machine that trained the runs, and comparable only if nothing else ran beside them.",
        "Alignment is with a run's own last checkpoint: a run that is stopped earlier is aligned sooner.",
    ]
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


def _script(value: object) -> Markup:
    """JSON that can stand in a script element: nothing in it can close the element."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def _inline(script: str) -> Markup:
    """A script of ours, checked to stay inside its element."""
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("the chart library's script cannot be inlined: it would close its own element")
    return Markup(script)  # noqa: S704
