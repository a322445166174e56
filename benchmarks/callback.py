"""What the callback is worth under TRL's DistillationTrainer, in the built-in world: after `make repro`,

    make peers && .venv-peers/bin/python benchmarks/callback.py

Every run starts from models/base and distils from models/teacher, on the prompts and with the batch of section `opd`.
The target is `report.target_share` of the final accuracy of the plain run at `opd.learning_rate` in the same replicate;
the others end there. Processor seconds are those of training, searches included, imports, loading and tests left out.
Writes reports/callback.json and the table of docs/callback.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"}

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from trl import DistillationConfig, DistillationTrainer

from effopd.callback import EffOPDCallback, TeacherKL
from effopd.evaluation.accuracy import grade
from effopd.files import write_json, write_text
from effopd.findings.convergence import first_crossing
from effopd.models.store import load_model, load_tokenizer
from effopd.params.schema import Params, check_file
from effopd.rollout.policy import ModelPolicy
from effopd.tasks.problems import read_problems

REPORT, PAGE = Path("reports/callback.json"), Path("docs/callback.md")
PLAIN = "TRL alone"
BEGINS, ENDS = "<!-- benchmarks/callback.py -->", "<!-- end -->"
Callback = Callable[[TeacherKL], EffOPDCallback]


@dataclass(frozen=True)
class Way:
    """search: makes the callback. longest: its most steps, in times `opd.steps`. tested: after every so many."""

    name: str
    learning_rate: float
    search: Callback | None = None
    longest: int = 1
    tested: int = 1


def ways(rate: float) -> Iterator[Way]:
    """rate: `opd.learning_rate`, whose plain run comes first and sets the target."""
    yield Way(PLAIN, rate)
    yield Way("`EffOPDCallback`", rate, EffOPDCallback)
    yield Way(PLAIN, rate / 10, longest=12, tested=10)
    yield Way(PLAIN, rate * 10)
    for start in (rate / 10, rate, rate * 10):
        yield Way("`EffOPDCallback.rate_free`", start, EffOPDCallback.rate_free)


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
    """Tests the model after `every` so many steps, and keeps the time of the steps alone; ends a run at its target."""

    here: World
    target: float | None
    every: int
    steps: list[int] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: PreTrainedModel, **_: Any) -> None:
        self._test(0, 0.0, model)
        self._began = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, *, model: PreTrainedModel, **_: Any) -> None:
        if state.global_step % self.every:
            return
        self._test(state.global_step, self.seconds[-1] + time.process_time() - self._began, model)
        control.should_training_stop |= self.target is not None and self.accuracies[-1] >= self.target
        self._began = time.process_time()

    def _test(self, step: int, seconds: float, model: PreTrainedModel) -> None:
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
        self.steps.append(step)
        self.seconds.append(seconds)
        self.accuracies.append(float(graded.scores_NS.mean()))


def train(here: World, way: Way, replicate: int, target: float | None) -> dict[str, Any]:
    """One run of TRL's own trainer: its curve, and the shares of the seconds that the callback took."""
    opd, optimizer = here.params.opd, here.params.optimizer
    teacher, examiner = here.model("teacher"), Examiner(here, target, way.tested)
    search = [way.search(TeacherKL(teacher, here.prompts()))] if way.search else []
    with TemporaryDirectory() as folder:
        trainer = DistillationTrainer(
            model=here.model("base"),
            teacher_model=teacher,
            args=DistillationConfig(
                output_dir=folder,
                max_steps=opd.steps * way.longest,
                per_device_train_batch_size=opd.prompts_per_step,
                max_completion_length=here.params.rollout.max_new_tokens,
                learning_rate=way.learning_rate,
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
            callbacks=[*search, examiner],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    took = {
        name: sum(row.get(f"effopd/{key}", 0.0) for row in trainer.state.log_history) / examiner.seconds[-1]
        for name, key in (("searching", "cpu_seconds"), ("foresight", "foresight/cpu_seconds"))
    }
    return {
        "steps": examiner.steps,
        "accuracies": examiner.accuracies,
        "cpu_seconds": examiner.seconds,
        **took,
    }


def at_target(run: Mapping[str, Any], target: float) -> dict[str, float | None]:
    """Steps and processor seconds, interpolated; null where the target was not reached."""
    return {cost: first_crossing(run[cost], run["accuracies"], target) for cost in ("steps", "cpu_seconds")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace whose models and data are used")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here = World(options.root, check_file(options.root / "params.yaml"))
    share, tried = here.params.report.target_share, list(ways(here.params.opd.learning_rate))
    rows: list[dict[str, Any]] = [
        {"name": way.name, "learning_rate": way.learning_rate, "replicates": []} for way in tried
    ]
    for replicate in here.params.run.replicates:  # in turns, so that a busy hour of the machine is everybody's
        target: float | None = None
        for way, row in zip(tried, rows, strict=True):
            run = train(here, way, replicate, target)
            target = target or share * run["accuracies"][-1]
            row["replicates"].append({"target": target, "at_target": at_target(run, target)} | run)
            print(way.name, way.learning_rate, row["replicates"][-1]["at_target"], flush=True)
    write_json(REPORT, {"share": share, "rows": rows})
    before, after = PAGE.read_text(encoding="utf-8").split(BEGINS)[0], PAGE.read_text(encoding="utf-8").split(ENDS)[1]
    write_text(PAGE, before + BEGINS + "\n" + "\n".join(table(rows)) + "\n" + ENDS + after)


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Markdown: what each takes in each replicate, and the medians of how many times less than TRL alone."""
    alone = {row["learning_rate"]: row for row in rows if row["name"] == PLAIN}
    first = rows[0]
    lines = [
        "| | starts at | steps | processor seconds | of these searching | fewer steps, less time than TRL alone at "
        f"{first['learning_rate']:g} | … than TRL alone at the same rate |",
        "| --- | ---: | --- | --- | ---: | --- | --- |",
    ]
    for row in rows:
        cells = [row["name"], f"{row['learning_rate']:g}", *(each(row, cost) for cost in ("steps", "cpu_seconds"))]
        if row["name"] == PLAIN:
            cells += ["", "", ""]
        else:
            cells.append(f"{median(run['searching'] for run in row['replicates']):.0%}")
            cells += [", ".join(times(one, row)) for one in (first, alone[row["learning_rate"]])]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def each(row: Mapping[str, Any], cost: str) -> str:
    found = [run["at_target"][cost] for run in row["replicates"]]
    return ", ".join("never" if value is None else f"{value:.1f}" for value in found)


def times(slow: Mapping[str, Any], fast: Mapping[str, Any]) -> Iterator[str]:
    """How many times less the second takes, in steps and in seconds: medians over replicates, which share a target."""
    for cost in ("steps", "cpu_seconds"):
        pairs = [
            (one["at_target"][cost], other["at_target"][cost])
            for one, other in zip(slow["replicates"], fast["replicates"], strict=True)
        ]
        yield f"{median(one / other for one, other in pairs):.1f}×" if all(map(all, pairs)) else "–"


if __name__ == "__main__":
    main()
