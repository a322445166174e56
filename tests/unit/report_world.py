"""A pipeline's outputs with planted numbers, written as the stages write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from effopd.files import write_json, write_jsonl
from effopd.report.results import Results, planned_runs, read_results

RATES = (3e-4, 1e-3)
STEPS = (0, 1, 2, 4, 8, 16, 32, 64)
OPD = (0.4, 0.4, 0.4, 0.4, 0.4, 0.6, 0.8, 1.0)
"""Meets 0.95 three quarters of an octave past step 32: at 2^5.75."""
EFFOPD = (0.4, 0.5, 0.8, 0.9, 1.0)
"""Meets 0.95 half an octave past step 4: at 2^2.5, a speed-up of 2^3.25."""
SPECTRUM = {
    "total_update_norm": 2.0,
    "spectral_norm": 0.1,
    "spectral_frobenius_ratio": 0.5,
    "effective_rank": 20.0,
    "top1_norm_ratio": 0.5,
}


class World:
    """Folders models/ and reports/ under `root`."""

    def __init__(self, root: Path, replicates: Sequence[int] = (0, 1, 2), rates: Sequence[float] = RATES) -> None:
        self.root, self.replicates, self.rates = root, replicates, rates
        self.timing: dict[str, list[dict[str, float]] | None] = {}
        self.run("rl", OPD, spectral=True)
        for replicate in replicates:
            self.run(f"opd-{replicate}", OPD, spectral=True)
            self.run(f"effopd-{replicate}", EFFOPD, seconds=3.0, spectral=True, triggers=True)
        for rate in rates:
            self.run(f"opd-lr-{rate}", OPD, rate=rate)

    def run(
        self,
        name: str,
        curve: Sequence[float],
        *,
        steps: Sequence[int] = STEPS,
        rate: float = 1e-4,
        seconds: float | None = 1.0,
        half_width: float = 0.02,
        greedy: float = 0.99,
        spectral: bool = False,
        triggers: bool = False,
        update: dict[str, float] | None = None,
        alignment: Sequence[tuple[int, float]] = ((8, 0.7), (16, 0.8), (32, 0.9), (64, 1.0)),
        embedding_cosine: float = 0.9,
    ) -> None:
        """Write one run, in place of an earlier one of this name; `seconds` and 10 tokens for each step."""
        steps = steps[: len(curve)]
        folder = self.root / "models" / name
        log = {"reverse_kl": 0.1, "entropy": 1.0, "completion_length": 10.0, "truncated": 0.0}
        rows = [{"step": s, "sampled_tokens": 10 * s, **log} for s in range(1, steps[-1] + 1)]
        write_jsonl(folder / "metrics.jsonl", rows)
        write_json(folder / "run.json", {"learning_rate": rate, "run": name})
        if triggers:
            scores = [{"k": 1, "multiplier": 2.0, "score": 0.6}, {"k": 2, "multiplier": 4.0, "score": None}]
            write_jsonl(folder / "triggers.jsonl", [{"step": 1, "score": 0.5, "candidates": scores, "accepted": 1}])
        points = [
            {"step": s, "accuracy": a, "low": a - half_width, "high": a + half_width, "n": 256, "greedy": greedy}
            for s, a in zip(steps, curve, strict=True)
        ]
        write_json(self.root / "reports/evaluation" / name / "curve.json", points)
        if spectral:
            summary = {
                "steps": {"2": SPECTRUM | {"effective_rank": -1.0}, "64": SPECTRUM | (update or {})},
                "alignment": [
                    {"step": s, "progress": s / 64, "top_k_cosine": value, "principal_angle": value}
                    for s, value in alignment
                ],
                "layers": [
                    {"layer": layer, "kind": kind, "update_norm": 1.0, "relative_update_norm": 0.1}
                    for layer in (0, 1)
                    for kind in ("attention", "mlp")
                ],
                "embedding_cosine": {"mean": embedding_cosine, "rows": 18, "zero_rows": 0},
                "explained_variance": 0.9,
            }
            write_json(self.root / "reports/spectral" / name / "summary.json", summary)
        self.timing[name] = None if seconds is None else [{"step": r["step"], "seconds": seconds} for r in rows]
        write_json(self.root / "reports/timing.json", self.timing)

    def read(self) -> Results:
        reports = self.root / "reports"
        return read_results(
            planned_runs(("rl",), ("opd", "effopd"), self.replicates, "opd", self.rates),
            self.root / "models",
            reports / "evaluation",
            reports / "spectral",
            reports / "timing.json",
        )
