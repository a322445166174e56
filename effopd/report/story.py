"""The order in which the page tells its story."""

from __future__ import annotations

from collections.abc import Sequence

from effopd.report import geometry, learning, updates
from effopd.report.convergence import Speedup
from effopd.report.datasets import Benchmarked, benchmarks
from effopd.report.extrapolation import extrapolation
from effopd.report.figures import Figure
from effopd.report.leaps import leaps
from effopd.report.mechanism import Parts, mechanism
from effopd.report.page import Chapter
from effopd.report.results import Results


def chapters(
    results: Results, speedup: Speedup, apart: Parts, benchmarked: Sequence[Benchmarked] = ()
) -> tuple[Chapter, ...]:
    """Runs, convergence, redundancy avoidance, lock-in, EffOPD step by step, results."""
    parts = mechanism(results, apart)
    told: tuple[tuple[str, str, str, Sequence[Figure | None]], ...] = (
        (
            "runs",
            "The runs",
            "All runs start from the same base. "
            + ("Reinforcement learning (RL) rewards its own right answers. " if results.of("rl") else "")
            + "In on-policy distillation (OPD) the student samples and a teacher scores each token. EffOPD is OPD "
            "that leaps along its last update at steps 1, 2, 4, 8, …",
            (geometry.paths(results), learning.training_curves(results)),
        ),
        (
            "convergence",
            "Convergence",
            "Steps hide what validation costs, so the same curves are shown against sampled tokens and wall time, both "
            "of which contain it.",
            (learning.learning_curves(results, speedup),),
        ),
        (
            "redundancy",
            "Redundancy avoidance: which parts of the update matter",
            "Parts of a trained update are put on the base, everything else stays as it was, and the result is "
            "evaluated. Does accuracy come with length? Which modules and layers carry it? And does the update go "
            "there?",
            (
                parts.get("alpha"),
                parts.get("modules"),
                parts.get("windows"),
                geometry.layer_norms(results),
                geometry.norm_map(results),
            ),
        ),
        (
            "lock-in",
            "Lock-in: how early the direction is found",
            "If the direction is right early and only the length is missing, then an early update, stretched, should "
            "do what the final one does, and its leading singular vectors should be the final ones already.",
            (
                parts.get("rescaling"),
                parts.get("beta"),
                updates.alignment(results),
                geometry.spectra(results),
                updates.rates(results),
                parts.get("truncation"),
            ),
        ),
        (
            "leaps",
            "Leaps: checked candidate by candidate, or fixed",
            "At each trigger EffOPD scores the trained weights W on validation problems, then W + m · Δ for one "
            "multiplier m after another until one falls behind the best so far. The last one that did not is kept. "
            "Fixed extrapolation scores nothing: it predicts the final weights from the first checkpoints, by a line "
            "through the base (linear), the leading direction of each update over time (RELEX) or a regression with "
            "accuracy (AlphaOPD).",
            (leaps(results), extrapolation(results, apart)),
        ),
        (
            "results",
            "Results",
            "How much sooner, in which cost, and on which problems. "
            + (
                "A speed-up over one learning rate proves little, so it is also given against the best of a sweep."
                if results.sweep
                else "No other learning rate was tried, so a tuned one may be faster."
            ),
            (learning.speedups(speedup), benchmarks(benchmarked)),
        ),
    )
    found = (
        Chapter(name, title, text, [figure for figure in drawn if figure is not None and figure.rows])
        for name, title, text, drawn in told
    )
    return tuple(chapter for chapter in found if chapter.figures)


def figures(chapters: Sequence[Chapter]) -> list[Figure]:
    """The figures of all chapters, in order."""
    return [figure for chapter in chapters for figure in chapter.figures]
