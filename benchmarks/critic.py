"""What a teacher's KL and sampled accuracy say of the same leaps: `python benchmarks/critic.py --root WORKSPACE`.

The measurement of the study `critic`, in a workspace whose base and teacher are made. EffOPD trains as the document has
it, but each search tries every candidate, scores it by the teacher on the step's own completions, and samples thousands
of prompts with it; these decide. Writes reports/probes/critic.json in the workspace, unless it is there for the same
code and inputs.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

import effopd
from effopd.extrapolation.line import Line, copies
from effopd.extrapolation.scores import sampled_accuracy, teacher_kl
from effopd.files import canonical_json, hash_path, read_json, sha256, write_json
from effopd.models.store import load_model, load_tokenizer
from effopd.params.opd import OPDParams
from effopd.params.schema import Params, check_file
from effopd.rollout.sampler import ModelSampler
from effopd.seeding import derive_seed, uniforms
from effopd.studies.critic import kept
from effopd.studies.variants import PROBES
from effopd.tasks.problems import Problem, read_problems
from effopd.teachers.local import LocalTeacher
from effopd.train.distill import distill
from effopd.train.engine import TorchEngine
from effopd.train.objective import Judged
from effopd.train.session import Session
from effopd.train.training import Training
from effopd.trajectory.schedule import is_trigger
from effopd.trajectory.workspace import Workspace

SCRATCH = Path(".scratch/critic")
MOST_PROMPTS, SAMPLES, STEPS = 2000, 1, 16


class Probe:
    """EffOPD that scores all candidates of a trigger in both ways, and keeps the one that the sampled accuracy does."""

    looks_back, scale = True, 1.0
    state: Mapping[str, Tensor] = {}

    def __init__(
        self, engine: TorchEngine, sampler: ModelSampler, problems: Sequence[Problem], params: Params, seed: int
    ) -> None:
        self._engine, self._sampler, self._problems, self._params = engine, sampler, problems, params
        self._seed, self._anchor, self._updates = seed, copies(engine.parameters), 0
        self.rows: list[dict[str, Any]] = []

    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        self._updates += 1
        if not is_trigger(self._updates):
            return
        some = [piece.first(self._params.effopd.score_share) for piece in pieces]
        numbers = range(len(self._problems) * SAMPLES)
        uniforms_BT = uniforms(derive_seed(self._seed, "critic", self._updates), numbers, self._sampler.max_new_tokens)
        line, candidates = Line(self._engine.parameters, None, self._anchor), []
        for multiplier in (0.0, *self._params.effopd.multipliers):
            line.go(multiplier)
            self._engine.weights_changed()
            judged, read = teacher_kl(self._engine, some, 0, self._params.opd.log_ratio_cap)
            sampled, spent = sampled_accuracy(self._engine, self._sampler, self._problems, SAMPLES, uniforms_BT)
            candidates.append(
                {"multiplier": multiplier, "teacher_kl": judged.value, "effective": judged.effective}
                | {"by_prompt": list(sampled.by_problem), "sampled_tokens": spent.sampled_tokens}
                | {"read_tokens": read.forward_tokens}
            )
        accuracies = [sum(one["by_prompt"]) / len(one["by_prompt"]) for one in candidates]
        line.go(candidates[kept(accuracies)]["multiplier"])
        self._engine.weights_changed()
        self._anchor = copies(self._engine.parameters)
        self.rows.append({"seed": self._seed, "update": self._updates, "candidates": candidates})


def probe(root: Path, params: Params, replicate: int) -> list[dict[str, Any]]:
    """The searches of one replicate."""
    seed = derive_seed(params.run.seed, "replicate", replicate)
    model, tokenizer = load_model(root / "models/base"), load_tokenizer(root / "models/base")
    engine = TorchEngine(model, params.optimizer, params.opd.learning_rate)
    sampler = ModelSampler(model, tokenizer, params.rollout.max_new_tokens)
    train = read_problems(root / "data/train.parquet")
    held_out = min(MOST_PROMPTS, len(train) // 2)
    search = Probe(engine, sampler, train[-held_out:], params, seed)
    folder = SCRATCH / str(replicate)
    shutil.rmtree(folder, ignore_errors=True)
    session = Session(
        engine=engine, tokenizer=tokenizer, workspace=Workspace(folder, "critic", "0" * 16), live=folder / "live",
        last_step=STEPS, kept_steps=(),
    )  # fmt: skip
    teacher = LocalTeacher(load_model(root / "models/teacher"))
    training = Training(engine, sampler, train[:-held_out], session, seed, params.optimizer.micro_batch)
    opd = OPDParams.model_validate(params.opd.model_dump() | {"steps": STEPS})
    distill(training, teacher, opd, params.opd.learning_rate, search=search)
    shutil.rmtree(folder)
    return search.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace whose models and data are used")
    root = parser.parse_args().root
    torch.set_num_threads(1)
    params = check_file(root / "params.yaml")
    places = [
        Path(effopd.__file__).parent,
        *(root / place for place in ("models/base", "models/teacher", "data/train.parquet")),
    ]
    key = sha256(canonical_json(params.model_dump()), hash_path(Path(__file__)), *map(hash_path, places))
    file = root / PROBES / "critic.json"
    if file.exists() and read_json(file)["key"] == key:
        print(f"{file} is up to date")
        return
    replicates = tqdm(params.run.replicates, desc="critic", unit="replicate")
    write_json(
        file, {"key": key, "searches": [row for replicate in replicates for row in probe(root, params, replicate)]}
    )


if __name__ == "__main__":
    main()
