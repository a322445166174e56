"""How much the validation set D_v matters: `python benchmarks/validation_set.py`, after `make repro`.

EffOPD trains as the paper has it, but each search tries every candidate on 1,000 prompts, and decides by all of them.
Afterwards smaller sets decide on the same scores: random ones of 10 to 200 prompts, and 50 of the easiest, middle and
hardest third by the base's own success. How often do they keep another leap, and what does this cost on the 1,000?
Writes reports/validation_set.json and prints a table.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from leaderboard import SCRATCH, changed, world
from torch import Tensor

from effopd.extrapolation.line import Line, copies
from effopd.extrapolation.scores import sampled_accuracy
from effopd.files import write_json
from effopd.models.store import load_model, load_tokenizer
from effopd.rollout.sampler import ModelSampler
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.problems import Problem, read_problems
from effopd.teachers.local import LocalTeacher
from effopd.train.distill import distill
from effopd.train.engine import Engine, TorchEngine
from effopd.train.objective import Judged
from effopd.train.session import Session
from effopd.train.training import Training
from effopd.trajectory.schedule import is_trigger
from effopd.trajectory.workspace import Workspace

REPORT = Path("reports/validation_set.json")
PROMPTS, SAMPLES, STEPS, DRAWS = 1000, 4, 16, 500
SIZES = (10, 25, 50, 100, 200)
THIRDS = ("easiest third", "middle third", "hardest third")


class Exhaustive:
    """EffOPD that scores all candidates of a trigger on all `problems`; scores_TMN keeps them, m = 0 first."""

    looks_back, scale = False, 1.0
    state: Mapping[str, Tensor] = {}

    def __init__(
        self,
        engine: Engine,
        sampler: ModelSampler,
        problems: Sequence[Problem],
        multipliers: Sequence[float],
        seed: int,
    ) -> None:
        self._engine, self._sampler, self._problems, self._seed = engine, sampler, problems, seed
        self._multipliers, self._anchor, self._updates = (0.0, *multipliers), copies(engine.parameters), 0
        self.base_N = self._score(0)
        self.scores_TMN: list[np.ndarray] = []

    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        self._updates += 1
        if not is_trigger(self._updates):
            return
        line, scores = Line(self._engine.parameters, None, self._anchor), []
        for multiplier in self._multipliers:
            line.go(multiplier)
            self._engine.weights_changed()
            scores.append(self._score(self._updates))
        self.scores_TMN.append(np.array(scores))
        line.go(self._multipliers[decide(self.scores_TMN[-1])])
        self._engine.weights_changed()
        self._anchor = copies(self._engine.parameters)

    def _score(self, trigger: int) -> np.ndarray:
        rows = range(len(self._problems) * SAMPLES)
        numbers_BT = uniforms(derive_seed(self._seed, "validation", trigger), rows, self._sampler.max_new_tokens)
        score, _ = sampled_accuracy(self._engine, self._sampler, self._problems, SAMPLES, numbers_BT)
        return np.array(score.by_problem)


def decide(scores_MN: np.ndarray) -> int:
    """The row that the search keeps: forward until one is worse than the best so far."""
    kept, means_M = 0, scores_MN.mean(axis=1)
    for k in range(1, len(means_M)):
        if means_M[k] < means_M[kept]:
            break
        kept = k
    return kept


def sets(base_N: np.ndarray, draws: np.random.Generator) -> Iterator[tuple[str, int, list[np.ndarray]]]:
    """Each kind of validation set: its name, its size, and draws of it."""
    everyone = np.arange(len(base_N))
    for size in SIZES:
        yield "random", size, [draws.choice(everyone, size, replace=False) for _ in range(DRAWS)]
    ranked = draws.permutation(everyone)
    ranked = ranked[np.argsort(-base_N[ranked], kind="stable")]
    for name, third in zip(THIRDS, np.array_split(ranked, 3), strict=True):
        yield name, 50, [draws.choice(third, 50, replace=False) for _ in range(DRAWS)]


def study(root: Path) -> dict[str, Any]:
    here = world(root)
    params = here.params
    found: dict[tuple[str, int], list[tuple[int, bool, float]]] = {}
    for replicate in params.run.replicates:
        seed = derive_seed(params.run.seed, "replicate", replicate)
        model, tokenizer = load_model(root / "models/base"), load_tokenizer(root / "models/base")
        engine = TorchEngine(model, params.optimizer, params.opd.learning_rate)
        sampler = ModelSampler(model, tokenizer, params.rollout.max_new_tokens)
        train = read_problems(root / "data/train.parquet")
        search = Exhaustive(engine, sampler, train[-PROMPTS:], params.effopd.multipliers, seed)
        folder = SCRATCH / f"validation-{replicate}"
        shutil.rmtree(folder, ignore_errors=True)
        session = Session(
            engine=engine, tokenizer=tokenizer, workspace=Workspace(folder, "study", "0" * 16), live=folder / "live",
            last_step=STEPS, kept_steps=(),
        )  # fmt: skip
        teacher = LocalTeacher(load_model(root / "models/teacher"))
        training = Training(engine, sampler, train[:-PROMPTS], session, seed, params.optimizer.micro_batch)
        distill(training, teacher, changed(params.opd, steps=STEPS), params.opd.learning_rate, search=search)
        shutil.rmtree(folder)
        draws = np.random.default_rng(derive_seed(seed, "sets"))
        for name, size, chosen in sets(search.base_N, draws):
            for scores_MN in search.scores_TMN:
                right, means_M = decide(scores_MN), scores_MN.mean(axis=1)
                for some in chosen:
                    kept = decide(scores_MN[:, some])
                    lost = float(means_M[right] - means_M[kept])
                    found.setdefault((name, size), []).append((kept, kept != right, lost))
    searches = len(params.run.replicates) * len(search.scores_TMN)
    rows = [
        {"set": name, "size": size, "flips": float(np.mean([flip for _, flip, _ in each]))}
        | {"accuracy_lost": float(np.mean([lost for *_, lost in each]))}
        | {"completions_a_candidate": size * SAMPLES}
        for (name, size), each in found.items()
    ]
    return {"prompts": PROMPTS, "samples": SAMPLES, "searches": searches, "draws": DRAWS, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace whose models and data are used")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = study(options.root)
    write_json(REPORT, found)
    print(f"{found['searches']} searches, {found['samples']} completions of each of {found['prompts']} prompts\n")
    print("| D_v | prompts | keeps another leap | accuracy lost by it | completions a candidate |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in found["rows"]:
        lost = f"{row['accuracy_lost']:+.3f}"
        print(f"| {row['set']} | {row['size']} | {row['flips']:.0%} | {lost} | {row['completions_a_candidate']} |")


if __name__ == "__main__":
    main()
