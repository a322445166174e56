"""The order in which the page tells its story, and its words: story.yaml, with the numbers of each figure filled in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from effopd.findings.evidence import Evidence
from effopd.params.section import read_yaml
from effopd.report import geometry, learning, parts
from effopd.report.figures import Drawing, Figure

STORY = Path(__file__).with_name("story.yaml")
DRAWN: dict[str, Callable[[Evidence], Drawing | None]] = {
    "paths": geometry.paths,
    "training": learning.training_curves,
    "learning_curves": learning.learning_curves,
    "alpha": parts.alpha,
    "modules": parts.modules,
    "windows": parts.windows,
    "norms": geometry.layer_norms,
    "norm_map": geometry.norm_map,
    "rescaling": parts.rescaling,
    "beta": parts.beta,
    "alignment": geometry.alignment,
    "spectra": geometry.spectra,
    "rates": geometry.rates,
    "truncation": parts.truncation,
    "candidates": learning.leaps,
    "extrapolation": parts.extrapolation,
    "found_rates": learning.found_rates,
    "speedup": learning.speedups,
    "benchmarks": learning.benchmarks,
}
"""What draws each figure of story.yaml; None, or no rows, where there is nothing to draw."""


@dataclass(frozen=True)
class Chapter:
    """A heading, what to know before its figures, and the figures."""

    name: str
    title: str
    text: str
    figures: Sequence[Figure]


def chapters(evidence: Evidence) -> tuple[Chapter, ...]:
    """All chapters that have a figure, with those figures that have data."""
    drawings = {name: drawing for name, draw in DRAWN.items() if (drawing := draw(evidence)) and drawing.rows}
    told = []
    for chapter in read_yaml(STORY)["chapters"]:
        shown = [words for words in chapter.pop("figures") if words["name"] in drawings]
        figures = tuple(Figure(**words, drawing=drawings[words["name"]]) for words in shown)
        told.append(Chapter(**chapter, figures=figures))
    return tuple(chapter for chapter in told if chapter.figures)


def figures(chapters: Sequence[Chapter]) -> list[Figure]:
    """The figures of all chapters, in order."""
    return [figure for chapter in chapters for figure in chapter.figures]
