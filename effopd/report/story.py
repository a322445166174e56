"""The order in which the page tells its story."""

from __future__ import annotations

from collections.abc import Sequence

from effopd.report import learning, updates
from effopd.report.convergence import Speedup
from effopd.report.figures import Figure
from effopd.report.page import Chapter
from effopd.report.results import Results


def chapters(results: Results, speedup: Speedup) -> tuple[Chapter, ...]:
    """Runs, convergence, EffOPD step by step, the updates' spectra, their alignment, their place in the network."""
    curves = learning.learning_curves(results, speedup)
    told = (
        Chapter(
            "runs",
            "The runs",
            "All runs start from the same base. Reinforcement learning makes the teacher; OPD lets the student sample "
            "and the teacher score each token; EffOPD is OPD that leaps along its last update at steps 1, 2, 4, 8, …",
            [*curves[:1], *learning.training_curves(results)],
        ),
        Chapter(
            "convergence",
            "Convergence",
            "Steps hide what validation costs, so the same curves are shown against wall time and sampled tokens, both "
            "of which contain it. A speed-up over one learning rate proves little: it is also given against the best "
            "of a sweep.",
            [*curves[1:], learning.speedups(speedup)],
        ),
        Chapter(
            "leaps",
            "EffOPD, candidate by candidate",
            "At each trigger EffOPD scores the trained weights W on validation problems, then W + m · Δ for one "
            "multiplier m after another until one falls behind the best so far. The last one that did not is kept.",
            [learning.triggers(run) for run in results.runs if run.triggers],
        ),
        Chapter(
            "spectra",
            "The shape of the updates",
            "The update is what training added to the base's weights. Its singular values tell how many directions "
            "it uses.",
            updates.layer_norms(results),
        ),
        Chapter(
            "lock-in",
            "How early the direction is found",
            "The leading singular vectors of the update at each checkpoint, compared with those of the run's last one.",
            updates.alignment(results),
        ),
    )
    return tuple(chapter for chapter in told if chapter.figures)


def figures(chapters: Sequence[Chapter]) -> list[Figure]:
    """The figures of all chapters, in order."""
    return [figure for chapter in chapters for figure in chapter.figures]
