"""What the callback is worth under TRL's DistillationTrainer, in the built-in world: after `make repro`,

    make .venv-peers/.ready && .venv-peers/bin/python benchmarks/callback.py

Every run starts from models/base and distils from models/teacher, on the prompts and with the batch of section `opd`.
The target is 95 % of the final accuracy that the plain runs reach. Processor seconds are those of training, imports,
loading and testing left out.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1"}

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from trl import DistillationConfig, DistillationTrainer

from effopd.callback import EffOPDCallback, TeacherKL
from effopd.evaluation.accuracy import grade
from effopd.files import write_json
from effopd.findings.convergence import first_crossing
from effopd.models.store import load_model, load_tokenizer
from effopd.params.schema import Params, check_file
from effopd.rollout.policy import ModelPolicy
from effopd.tasks.problems import read_problems

LONGEST = 80


@dataclass(frozen=True)
class World:
    """A workspace in which the pipeline has made base, teacher and data."""

    root: Path
    params: Params

    def model(self, name: str) -> PreTrainedModel:
        return load_model(self.root / "models" / name)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.root / "models/base")

    def prompts(self) -> list[str]:
        return [problem.prompt for problem in read_problems(self.root / "data/train.parquet")]


@dataclass
class Examiner(TrainerCallback):
    """Tests the model behind every step, and keeps the time of the steps alone; ends a run behind its target."""

    here: World
    target: float | None
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: PreTrainedModel, **_: Any) -> None:
        self._test(model)
        self._began = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, *, model: PreTrainedModel, **_: Any) -> None:
        before = self.seconds[-1] if self.seconds else 0.0
        self.seconds.append(before + time.process_time() - self._began)
        self._test(model)
        control.should_training_stop |= self.target is not None and self.accuracies[-1] >= self.target
        self._began = time.process_time()

    def _test(self, model: PreTrainedModel) -> None:
        training = model.training
        graded = grade(
            ModelPolicy(model.eval(), self.here.tokenizer()),
            read_problems(self.here.root / "data/test.parquet"),
            samples=self.here.params.evaluate.samples,
            greedy=False,
            seed=self.here.params.run.seed,
            max_new_tokens=self.here.params.rollout.max_new_tokens,
            batch_size=self.here.params.evaluate.batch_size,
        )
        model.train(training)
        self.accuracies.append(float(graded.scores_NS.mean()))


def train(here: World, rate: float, replicate: int, search: Callback | None, target: float | None) -> Examiner:
    """One run of TRL's own trainer. search: makes the callback, from a teacher and prompts."""
    opd, optimizer = here.params.opd, here.params.optimizer
    teacher, examiner = here.model("teacher"), Examiner(here, target)
    with TemporaryDirectory() as folder:
        DistillationTrainer(
            model=here.model("base"),
            teacher_model=teacher,
            args=DistillationConfig(
                output_dir=folder,
                max_steps=LONGEST,
                per_device_train_batch_size=opd.prompts_per_step,
                max_completion_length=here.params.rollout.max_new_tokens,
                learning_rate=rate,
                lr_scheduler_type="constant",
                weight_decay=optimizer.weight_decay,
                max_grad_norm=optimizer.max_grad_norm,
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                seed=here.params.run.seed + replicate,
            ),
            train_dataset=Dataset.from_dict({"prompt": here.prompts()}),
            processing_class=here.tokenizer(),
            callbacks=[*([search(TeacherKL(teacher, here.prompts()))] if search else []), examiner],
        ).train()
    return examiner


Callback = Callable[[TeacherKL], EffOPDCallback]
SEARCHES: dict[str, tuple[float, Callback | None]] = {
    "plain": (1e-4, None),
    "EffOPDCallback": (1e-4, EffOPDCallback),
    **{f"EffOPDCallback.rate_free from {rate}": (rate, EffOPDCallback.rate_free) for rate in (1e-5, 1e-4, 1e-3)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace whose models and data are used")
    parser.add_argument("--replicates", type=int, default=3)
    parser.add_argument("--out", type=Path, help="where to write every curve as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here = World(options.root, check_file(options.root / "params.yaml"))
    replicates = range(options.replicates)
    found: dict[str, list[Examiner]] = {"plain": [train(here, 1e-4, r, None, None) for r in replicates]}
    target = here.params.report.target_share * fmean(run.accuracies[-1] for run in found["plain"])
    print(f"target: {target:.3f}, of finally {', '.join(f'{run.accuracies[-1]:.3f}' for run in found['plain'])}")
    for name, (rate, search) in SEARCHES.items():
        if search:
            found[name] = [train(here, rate, r, search, target) for r in replicates]
        steps, seconds = (at_target(found[name], target, costs) for costs in ("steps", "seconds"))
        line = f"{name}: steps {spread(steps)}, processor seconds {spread(seconds)}"
        if search:
            fewer = [a / b for a, b in zip(at_target(found["plain"], target, "steps"), steps, strict=True)]
            less = [a / b for a, b in zip(at_target(found["plain"], target, "seconds"), seconds, strict=True)]
            line += f"; {spread(fewer)} times fewer and {spread(less)} times less than plain"
        print(line, flush=True)
    if options.out:
        runs = {n: [{"accuracies": r.accuracies, "seconds": r.seconds} for r in runs] for n, runs in found.items()}
        write_json(options.out, {"target": target, "runs": runs})


def at_target(runs: Sequence[Examiner], target: float, costs: str) -> list[float]:
    """Steps or seconds of each replicate at the target, infinite where it was not reached."""
    reached = []
    for run in runs:
        spent = range(1, len(run.seconds) + 1) if costs == "steps" else run.seconds
        found = first_crossing([0.0, *map(float, spent)], run.accuracies, target)
        reached.append(float("inf") if found is None else found)
    return reached


def spread(values: Sequence[float]) -> str:
    """The median, and all of them."""
    return f"{median(values):.1f} ({', '.join(f'{value:.1f}' for value in values)})"


if __name__ == "__main__":
    main()
