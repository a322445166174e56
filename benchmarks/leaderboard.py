"""What the target takes in a world: `make leaderboard`, after `make repro`.

Every policy trains from models/base towards models/teacher until its accuracy on the test problems has reached 95 % of
OPD's final accuracy, and is counted in what that cost; testing itself counts for nothing. Policies are the rows of
`policies`. Finished replicates are kept in .scratch until code, world or policy change.

A second world shows what was not tuned there: `python -m pipeline run --experiment NAME -S model.layers=8 …` makes one,
then `python benchmarks/leaderboard.py --root .dvc/tmp/prefect/runs/NAME --world "what it is"` adds its table.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rivals import Averaging, Nesterov
from standings import CONSTANT_RATE, FOUND_RATE, LOSSES, PUBLISHED, RATIOS, draw, page, table
from tqdm import tqdm

import effopd
from effopd.evaluation.accuracy import grade
from effopd.extrapolation.leaps import Leaps
from effopd.files import canonical_json, hash_path, read_json, sha256, write_json, write_text
from effopd.findings.convergence import first_crossing
from effopd.models.store import load_model, load_tokenizer
from effopd.params.schema import Params, check_file
from effopd.params.section import Section
from effopd.rollout.policy import ModelPolicy
from effopd.rollout.sampler import ModelSampler
from effopd.seeding import derive_seed
from effopd.tasks.problems import read_problems
from effopd.teachers.local import LocalTeacher
from effopd.train.costs import computing_parameters
from effopd.train.distill import distill
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.train.training import Training
from effopd.trajectory.workspace import Workspace

REPORT, PAGE = Path("reports/leaderboard.json"), Path("docs/leaderboard.md")
PICTURE = Path("docs/images/leaderboard.svg")
SCRATCH = Path(".scratch/leaderboard")
WITH_EVERY_LOSS = (CONSTANT_RATE, PUBLISHED, FOUND_RATE)
BUILT_IN = "the built-in world"
CONSTANT = (1e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3)
STARTS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
MOST_BATCHES = 64
"""A policy that has not arrived by then does not."""
FREE: Mapping[str, Any] = {
    "triggers": 1,
    "multipliers": [1, 3, 7, 15, 31, 63, -0.5],
    "score": "teacher_kl",
    "rate": "follow",
}


@dataclass(frozen=True)
class Policy:
    """search: values of section `effopd` that differ from the paper's; None: no search. decay: batches to rate zero.

    rival: another method between updates, "averaging" or "nesterov".
    """

    name: str
    learning_rate: float
    updates_per_batch: int = 1
    search: Mapping[str, Any] | None = None
    decay: int = 0
    rival: str = ""


def policies(loss: str) -> Iterator[Policy]:
    """All of them under the first loss; under the others what a sweep is compared with: constant rates and searches."""
    yield from (one for one in every_policy() if loss == LOSSES[0] or one.name in WITH_EVERY_LOSS)


def every_policy() -> Iterator[Policy]:
    for rate in CONSTANT:
        yield Policy(CONSTANT_RATE, rate)
    for rate in (1e-3, 2e-3):
        yield Policy("linear decay over 12 batches", rate, decay=12)
    for rate in (1e-4, 3e-4, 5e-4, 1e-3, 2e-3):
        yield Policy(CONSTANT_RATE, rate, updates_per_batch=4)
    for rate in (1e-3, 2e-3):
        yield Policy("linear decay over 4 batches", rate, updates_per_batch=4, decay=4)
    yield Policy("averaging the last 4", 2e-3, rival="averaging")
    yield Policy("Nesterov on every 2", 5e-4, rival="nesterov")

    yield Policy(PUBLISHED, 1e-4, search={})
    yield Policy("EffOPD, multipliers 2k", 1e-4, search={"multipliers": [2, 4, 6, 8, 10]})
    yield Policy("EffOPD, anchor before the leap", 1e-4, search={"anchor": "trained"})
    yield Policy("EffOPD, only better is accepted", 1e-4, search={"accept": ">"})
    yield Policy("EffOPD, attention and MLP alone", 1e-4, search={"scope": "blocks"})
    yield Policy("EffOPD, one sample a validation prompt", 1e-4, search={"samples": 1})
    yield Policy("EffOPD, random direction", 1e-4, search={"direction": "random"})
    yield Policy(PUBLISHED, 1e-3, search={})
    yield Policy("EffOPD, scored by the teacher", 1e-4, search={"score": "teacher_kl"})
    yield Policy("… after every update", 1e-4, search={"score": "teacher_kl", "triggers": 1, "score_share": 0.125})
    yield Policy("EffOPD, the rate follows", 1e-4, search={"rate": "follow"})

    for updates in (1, 4):
        for rate in STARTS:
            yield Policy(FOUND_RATE, rate, updates, FREE)
    for name, values in (
        ("the rate stays", {"rate": "keep"}),
        ("search after updates 1, 2, 4, …", {"triggers": "exponential"}),
        ("no way back", {"multipliers": [1, 3, 7, 15, 31, 63]}),
        ("scored by accuracy", {"score": "accuracy"}),
        ("scored on the whole batch", {"score_share": 1.0}),
        ("the rate falls by a fifth", {"lower": 0.8}),
        ("random direction", {"direction": "random"}),
    ):
        yield Policy(f"effopd-free, but {name}", 1e-5, 4, {**FREE, **values})


class Arrived(Exception):  # noqa: N818 - no error
    """Ends a race at its target."""


@dataclass(frozen=True)
class World:
    """Where a race is run: a workspace in which the pipeline has made base, teacher and data."""

    root: Path
    params: Params
    target: float

    def key(self, policy: Policy, loss: str, replicate: int) -> str:
        code = hash_path(Path(effopd.__file__).parent)
        places = (self.root / "models/base", self.root / "models/teacher", self.root / "data/train.parquet")
        what = [asdict(policy), loss, replicate, self.params.model_dump(), self.target]
        return sha256(canonical_json(what), code, *(hash_path(place) for place in places))[:32]


def world(root: Path) -> World:
    """The target is `report.target_share` of the mean final accuracy of OPD's replicates there."""
    params = check_file(root / "params.yaml")
    names = [root / "reports/evaluation" / f"opd-{r}" / "metrics.json" for r in params.run.replicates]
    accuracies = [read_json(name)["accuracy"] for name in names]
    return World(root, params, params.report.target_share * sum(accuracies) / len(accuracies))


def race(here: World, policy: Policy, loss: str, replicate: int) -> dict[str, Any]:
    """One replicate until it arrives: its accuracy and costs after each batch."""
    params, root = here.params, here.root
    decay = {"decay": "linear"} if policy.decay else {}
    opd = changed(params.opd, loss=loss, updates_per_batch=policy.updates_per_batch, **decay)
    seed = derive_seed(params.run.seed, "replicate", replicate)
    model, tokenizer = load_model(root / "models/base"), load_tokenizer(root / "models/base")
    engine = TorchEngine(model, params.optimizer, policy.learning_rate)
    sampler = ModelSampler(model, tokenizer, params.rollout.max_new_tokens)
    validation, tested = (read_problems(root / "data" / f"{name}.parquet") for name in ("validation", "test"))
    search: Any = None
    match policy.rival:
        case "averaging":
            search = Averaging(engine.parameters, window=4)
        case "nesterov":
            search = Nesterov(engine.parameters, every=2)
    if policy.search is not None:
        values = changed(params.effopd, **policy.search)
        search = Leaps(values, engine, sampler, validation, seed=seed, learning_rate=policy.learning_rate)

    accuracies: list[float] = []

    def test(step: int) -> None:
        with search.tested() if isinstance(search, Averaging) else nullcontext():
            graded = grade(
                ModelPolicy(model, tokenizer),
                tested,
                samples=params.evaluate.samples,
                greedy=False,
                seed=params.run.seed,
                max_new_tokens=params.rollout.max_new_tokens,
                batch_size=params.evaluate.batch_size,
            )
        accuracies.append(float(graded.scores_NS.mean()))
        if step and accuracies[-1] >= here.target:
            raise Arrived

    folder = SCRATCH / f"race-{policy.learning_rate}-{replicate}"
    shutil.rmtree(folder, ignore_errors=True)  # of a race that was interrupted: none is resumed
    last = policy.decay or MOST_BATCHES
    session = Session(
        engine=engine,
        tokenizer=tokenizer,
        workspace=Workspace(folder, "race", "0" * 16),
        live=folder / "live",
        last_step=last,
        kept_steps=range(last + 1),
        extra_state=search.state if search else None,
        keep=test,
    )
    train, teacher = read_problems(root / "data/train.parquet"), LocalTeacher(load_model(root / "models/teacher"))
    training = Training(engine, sampler, train, session, seed, params.optimizer.micro_batch)
    with suppress(Arrived):
        distill(training, teacher, opd, policy.learning_rate, search=search)
    shutil.rmtree(folder)
    return {"accuracies": accuracies, "costs": costs(session), "parameters": computing_parameters(model)}


def costs(session: Session) -> list[dict[str, float]]:
    """What the run had cost after each batch."""
    rows, seconds = [], {"cpu_seconds": 0.0, "search_cpu_seconds": 0.0, "teacher_cpu_seconds": 0.0}
    for logged, times in zip(session.state.metrics, session.state.timing, strict=True):
        seconds = {name: total + times.get(name, 0.0) for name, total in seconds.items()}
        counted = {name: logged[name] for name in ("sampled_tokens", "teacher_tokens", "student_flops")}
        rows.append({"steps": logged["step"], **counted, **seconds})
    return rows


def at_target(run: Mapping[str, Any], target: float) -> dict[str, float | None]:
    """Every cost at the target, interpolated in its logarithm between batches; null when the run does not arrive."""
    rows = [with_teacher(row, run["parameters"]) for row in run["costs"]]
    return {name: first_crossing([0.0, *(row[name] for row in rows)], run["accuracies"], target) for name in rows[0]}


def with_teacher(costs: Mapping[str, float], parameters: int) -> dict[str, float]:
    """Costs, and the arithmetic of student and teacher together, for each of `RATIOS`."""
    forward = 2 * parameters * costs["teacher_tokens"]
    return {**costs, **{f"flops_{ratio}": costs["student_flops"] + ratio * forward for ratio in RATIOS}}


def changed(section: Any, **values: Any) -> Any:
    """A section with other values, checked like the first."""
    assert isinstance(section, Section)
    return type(section).model_validate(section.model_dump() | values)


def row(here: World, policy: Policy, loss: str, replicates: Sequence[int]) -> dict[str, Any]:
    """The leaderboard's row of a policy."""
    runs = []
    for replicate in replicates:
        kept = SCRATCH / f"{here.key(policy, loss, replicate)}.json"
        if not kept.exists():
            write_json(kept, race(here, policy, loss, replicate))
        run = read_json(kept)
        runs.append(at_target(run, here.target) | {"spent": with_teacher(run["costs"][-1], run["parameters"])})
    searching = policy.search or {}
    searches = policy.search is not None
    return {
        "name": policy.name,
        "loss": loss,
        "learning_rate": policy.learning_rate,
        "updates_per_batch": policy.updates_per_batch,
        "score": searching.get("score", "accuracy") if searches else None,
        "rate": searching.get("rate", "keep") if searches else None,
        "replicates": runs,
    }


def swept(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What trying every constant rate takes, one update a batch: the sum over them, each to its arrival or its end."""
    tried = [one for one in rows if one["name"] == CONSTANT_RATE and one["updates_per_batch"] == 1]
    runs = [
        {name: sum(one["replicates"][r]["spent"][name] for one in tried) for name in tried[0]["replicates"][0]["spent"]}
        for r in range(len(tried[0]["replicates"]))
    ]
    name = f"the sweep: all {len(tried)} constant rates"
    return {**tried[0], "name": name, "learning_rate": None, "replicates": [run | {"spent": run} for run in runs]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace whose models and data are raced in")
    parser.add_argument("--world", default=BUILT_IN, help="what another workspace is: a sweep and searches race there")
    parser.add_argument("--only", default="", help="policies whose name contains this; writes nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here = world(options.root)
    replicates = here.params.run.replicates
    losses = LOSSES if options.world == BUILT_IN else LOSSES[:1]
    races = [(policy, loss) for loss in losses for policy in policies(loss) if options.only in policy.name]
    if options.world != BUILT_IN:
        races = [(policy, loss) for policy, loss in races if policy.name in WITH_EVERY_LOSS]
    rows = []
    for policy, loss in tqdm(races, desc="leaderboard", unit="policy"):
        rows.append(row(here, policy, loss, replicates))
        tqdm.write(f"{loss}: {table(rows[-1:])[-1]}")
    if options.only:
        return
    rows += [swept([one for one in rows if one["loss"] == loss]) for loss in losses]
    found: dict[str, Any] = {
        "world": options.world,
        "model": here.params.model.model_dump(),
        "target": here.target,
        "problems": len(read_problems(here.root / "data/test.parquet")),
        "rows": rows,
    }
    kept = read_json(REPORT) if REPORT.exists() else {}
    others = kept.get("other_worlds", [])
    if options.world == BUILT_IN:
        kept = {**found, "share": here.params.report.target_share, "other_worlds": others}
    else:
        kept["other_worlds"] = [*(other for other in others if other["world"] != options.world), found]
    write_json(REPORT, kept)
    heading = "## What was learned"
    learned = PAGE.read_text(encoding="utf-8") if PAGE.exists() else heading
    write_text(PICTURE, draw(kept))
    write_text(PAGE, page(kept, learned[learned.index(heading) :]))


if __name__ == "__main__":
    main()
