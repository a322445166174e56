"""A pipeline's outputs with planted numbers, written as the stages write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from effopd.findings.claims import judge_all
from effopd.findings.comparisons import Judged
from effopd.findings.evidence import Evidence
from effopd.findings.interventions import SETTINGS
from effopd.findings.reading import read_results
from effopd.findings.results import Results
from effopd.params.runs import REPLICATED, planned_runs

RATES = (3e-4, 1e-3)
STEPS = (0, 1, 2, 4, 8, 16, 32, 64)
OPD = (0.4, 0.4, 0.4, 0.4, 0.4, 0.6, 0.8, 1.0)
"""Meets 0.95 three quarters of an octave past step 32: at 2^5.75."""
EFFOPD = (0.4, 0.5, 0.8, 0.9, 1.0)
"""Meets 0.95 half an octave past step 4: at 2^2.5, a speed-up of 2^3.25."""
FREE = (0.4, 0.9, 1.0)
"""Meets 0.95 half an octave past step 1: at 2^0.5, a speed-up of 2^5.25."""
SPECTRUM = {
    "total_update_norm": 2.0,
    "spectral_norm": 0.1,
    "spectral_frobenius_ratio": 0.5,
    "effective_rank": 20.0,
    "top1_norm_ratio": 0.5,
}
LAYERS = 4
BETAS = (0.5, 0.75, 0.9, 1.1, 1.25, 1.5)
PROBLEMS = 100  # that interventions are scored on: accuracies in whole per cent have exact scores

LENGTHS = {"observed": 0.25, "linear": 2.0, "relex": 1.5, "alpha_opd": 0.5}  # of updates, the final one's being 1

Row = dict[str, Any]
Accuracy = Callable[[Row], float]


def plan() -> list[Row]:
    """Settings of the interventions on one run, as the stage writes them."""
    rows: list[Row] = [
        *({"experiment": "alpha", "alpha": a} for a in (0.0, 1.0, 0.5)),
        *({"experiment": "rescaling", "progress": 0.1, "step": 8, "beta": b} for b in (0.0, 1.0, *BETAS)),
        *({"experiment": "rescaling", "progress": 0.5, "step": 32, "beta": b} for b in (0.0, 1.0)),
        *(
            {"experiment": "extrapolated", "progress": 0.1, "step": 8, "extrapolation": method}
            for method in ("observed", "linear", "relex", "alpha_opd")
        ),
        *({"experiment": "modules", "kind": kind} for kind in ("attention", "mlp")),
        *(
            {"experiment": "window", "kind": kind, "centre": layer, "half_width": 0}
            for kind in ("attention", "mlp")
            for layer in range(LAYERS)
        ),
        {"experiment": "embedding"},
        {"experiment": "top", "percent": 10.0},
        {"experiment": "bottom", "percent": 90.0},
    ]
    return [{"experiment": row["experiment"], **{name: row.get(name) for name in SETTINGS}} for row in rows]


def document(row: Row) -> float:
    """Accuracies that bear out what the document says; the base has 0.4 and the trained model 1."""
    is_middle = row["centre"] in (1, 2)
    match row["experiment"]:
        case "alpha":
            return 0.4 + 0.6 * float(row["alpha"])
        case "rescaling":
            reached = {0.0: 0.5, 0.5: 0.7, 0.75: 0.8, 0.9: 0.86, 1.0: 0.88, 1.1: 0.84, 1.25: 0.7, 1.5: 0.6}[row["beta"]]
            return reached + (0.1 if row["progress"] == 0.5 else 0.0)
        case "extrapolated":
            return {"observed": 0.5, "linear": 0.2, "relex": 0.7, "alpha_opd": 0.45}[row["extrapolation"]]
        case "modules":
            return 0.8 if row["kind"] == "mlp" else 0.5
        case "window":
            return (0.6 if is_middle else 0.44) if row["kind"] == "mlp" else (0.46 if is_middle else 0.42)
        case "bottom":
            return 0.4
        case _:
            return 1.0


def write_json(path: Path, value: Any) -> None:
    """Not as the stages do, which wait for the disk: some hundred worlds are made."""
    write_jsonl(path, [value])


def write_jsonl(path: Path, rows: Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def costs(step: int, tokens: int) -> Row:
    """Of a run after `step` steps that sample `tokens` each: half as many are read, all are judged and learnt from."""
    sampled = tokens * step
    student = {
        "sampled_tokens": sampled,
        "read_tokens": sampled // 2,
        "forward_tokens": sampled,
        "backward_tokens": sampled,
    }
    return {"batches": step, **student, "teacher_tokens": sampled, "student_flops": 100 * (4 * sampled + sampled // 2)}


class World:
    """Folders data/, models/ and reports/ under `root`."""

    def __init__(self, root: Path, replicates: Sequence[int] = (0, 1, 2), rates: Sequence[float] = RATES) -> None:
        self.root, self.replicates, self.rates = root, replicates, rates
        self.timing: dict[str, list[dict[str, float]] | None] = {}
        self.run("rl", OPD, spectral=True, outer_norm=2.0)
        self.intervene("rl", update_norm=4.0)
        for replicate in replicates:
            self.run(f"opd-{replicate}", OPD, spectral=True)
            self.intervene(f"opd-{replicate}")
            self.run(f"effopd-{replicate}", EFFOPD, seconds=3.0, spectral=True, triggers=True)
            self.run(f"effopd-free-{replicate}", FREE, rate=1e-5, seconds=4.0, spectral=True, triggers=True)
        for rate in rates:
            self.run(f"opd-lr-{rate}", OPD, rate=rate, spectral=True)
        self.place()
        about = {"title": "Chains", "licence": "", "source": "built in", "revision": "", "rejected": []}
        write_json(self.root / "data/about.json", about | {"splits": {"train": 8}, "first_prompt": "1+2?"})
        write_json(self.root / "data/benchmarks/contamination.json", {})
        (self.root / "reports/benchmarks").mkdir()

    def place(self) -> None:
        """Paths along straight lines, a direction for each run."""
        names = ["rl", *(f"{method}-{r}" for method in REPLICATED for r in self.replicates)]
        points = [
            {"run": name, "step": step, "x": 0.1 * step, "y": 0.02 * step * i, "update_norm": 0.1 * step}
            for i, name in enumerate(names)
            for step in (0, 1, 2, 4, 8)
        ]
        write_json(self.root / "reports/paths.json", {"parameters": 1234, "explained": [0.75, 0.2], "points": points})

    def intervene(self, name: str, accuracy: Accuracy = document, update_norm: float = 2.0) -> None:
        """Write the interventions on one run; a model of accuracy a is right on the first a · PROBLEMS problems."""
        rows = []
        for row in plan():
            right = round(accuracy(row) * PROBLEMS)
            scores = [1.0] * right + [0.0] * (PROBLEMS - right)
            value = right / PROBLEMS
            length = update_norm * LENGTHS.get(row["extrapolation"], 1.0 if row["alpha"] is None else row["alpha"])
            measured = {"accuracy": value, "low": value, "high": value, "n": PROBLEMS, "scores": scores}
            rows.append(row | {"update_norm": length} | measured)
        path = self.root / "reports/interventions" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)

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
        alignment: Sequence[tuple[float, float | None]] = ((8, 0.7), (16, 0.8), (32, 0.9), (64, 1.0)),
        embedding_cosine: float = 0.9,
        outer_norm: float = 1.0,
        matrix_norm: Callable[[Row], float] = lambda _: 1.0,
        matrix_spread: float = 0.0,
        tokens: int = 10,
        searching: float = 0.0,
    ) -> None:
        """Write one run, in place of an earlier one of this name; `seconds` and `tokens` for each step.

        update: in place of SPECTRUM, for the average and for each weight matrix. matrix_spread: what a matrix has more
        of everything than one of the layer before. searching: processor seconds of the first step's.
        """
        steps = steps[: len(curve)]
        folder = self.root / "models" / name
        log = {"reverse_kl": 0.1, "entropy": 1.0, "completion_length": 10.0, "truncated": 0.0}
        rows = [{"step": s, **log, **costs(s, tokens)} for s in range(1, steps[-1] + 1)]
        write_jsonl(folder / "metrics.jsonl", rows)
        write_json(folder / "run.json", {"learning_rate": rate, "run": name, "versions": {"torch": "2.13.0"}})
        if triggers:
            best = 0.6 + 0.1 * int(name[-1])
            scores = [{"k": 1, "multiplier": 2.0, "score": best}, {"k": 2, "multiplier": 4.0, "score": None}]
            trigger = {"step": 1, "update": 1, "learning_rate": 3 * rate, "score": 0.5, "by_problem": [0.5] * 3}
            write_jsonl(folder / "triggers.jsonl", [trigger | {"candidates": scores, "accepted": 1}])
        points = [
            {"step": s, "accuracy": a, "low": a - half_width, "high": a + half_width, "n": 256, "greedy": greedy}
            for s, a in zip(steps, curve, strict=True)
        ]
        write_json(self.root / "reports/evaluation" / name / "curve.json", points)
        if spectral:
            summary = {
                "steps": {"2": SPECTRUM | {"effective_rank": -1.0}, "64": SPECTRUM | (update or {})},
                "alignment": [
                    {
                        "step": round(s),
                        "progress": s / 64,
                        "top_k_cosine": value,
                        "principal_angle": value and value / 2,
                    }
                    for s, value in alignment
                ],
                "layers": [
                    {
                        "layer": layer,
                        "kind": kind,
                        "update_norm": (1.0 if layer in (1, 2) else outer_norm) * (2.0 if kind == "mlp" else 1.0),
                        "relative_update_norm": 0.1,
                    }
                    for layer in range(LAYERS)
                    for kind in ("attention", "mlp")
                ],
                "embedding_cosine": {"mean": embedding_cosine, "rows": 18, "zero_rows": 0},
                "explained_variance": 0.9,
            }
            spectral_folder = self.root / "reports/spectral" / name
            write_json(spectral_folder / "summary.json", summary)
            matrices = [
                {"layer": layer, "kind": kind, "part": part}
                for layer in range(LAYERS)
                for kind, part in (("attention", "q_proj"), ("mlp", "up_proj"))
            ]
            norms = [
                m
                | {
                    "step": s,
                    "update_norm": 0.1
                    * s
                    * (1.0 if m["layer"] in (1, 2) else outer_norm)
                    * matrix_norm(m | {"step": s}),
                    "relative_update_norm": 0.01 * s,
                }
                | {
                    key: value + matrix_spread * (m["layer"] - (LAYERS - 1) / 2)
                    for key, value in (SPECTRUM | (update or {})).items()
                    if key != "total_update_norm"
                }
                for s in steps[1:]
                for m in matrices
            ]
            pq.write_table(pa.Table.from_pylist(norms), spectral_folder / "matrices.parquet")
            spectra = [m | {"singular_values": [1.0, 0.5 if m["kind"] == "mlp" else 0.4, 0.25]} for m in matrices]
            pq.write_table(pa.Table.from_pylist(spectra), spectral_folder / "spectra.parquet")
        spent = (
            None if seconds is None else {"seconds": 2 * seconds, "cpu_seconds": seconds, "teacher_cpu_seconds": 0.1}
        )
        self.timing[name] = spent and [{"step": row["step"], **spent} for row in rows]
        if self.timing[name]:
            self.timing[name][0]["search_cpu_seconds"] = searching
        write_json(self.root / "reports/timing.json", self.timing)

    def read(self) -> Results:
        names = planned_runs(self.replicates, self.rates)
        return read_results(names, ("rl", "opd"), self.root / "models", self.root / "reports")

    def evidence(self) -> Evidence:
        return evidence(self.read())


def evidence(results: Results) -> Evidence:
    """With few resamples."""
    return Evidence(results, target_share=0.95, confidence=0.95, resamples=200, seed=42)


def judged(evidence: Evidence, name: str) -> Judged:
    return next(one for one in judge_all(evidence) if one.name == name)


def claim(world: World, name: str) -> Judged:
    """What is claimed of a world as it is now."""
    return judged(world.evidence(), name)
