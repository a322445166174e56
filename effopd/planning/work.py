"""How long runs take and how much disk they fill, from a stated throughput."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from effopd.params.runs import planned_runs
from effopd.params.schema import Params
from effopd.planning.memory import MASTER, Stage, compute_bytes, sampled_at_once, search_of, updates_of
from effopd.planning.shapes import Shape
from effopd.trajectory.schedule import checkpoint_steps


@dataclass(frozen=True)
class Throughput:
    """What one rank achieves, not its maximum: floating-point operations and bytes read from memory, a second.

    length: mean length of a completion as a share of `rollout.max_new_tokens`.
    """

    flops: float
    bytes: float
    length: float


ON_GPU, ON_CPU = Throughput(3e14, 2e12, 0.5), Throughput(5e10, 1e10, 0.5)
"""Assumed where nothing better is said: a third of a large GPU's arithmetic and some 60 % of its bandwidth."""


@dataclass(frozen=True)
class Work:
    """Of one run: tokens sampled on all ranks, and seconds of sampling and of training."""

    sampled_tokens: float
    sampling_seconds: float
    training_seconds: float

    @property
    def seconds(self) -> float:
        return self.sampling_seconds + self.training_seconds


def run_work(
    stage: Stage,
    steps: int,
    params: Params,
    student: Shape,
    teacher: Shape | None,
    prompt_tokens: int,
    speed: Throughput,
    cache_bytes: float,
) -> Work:
    """A run of `steps` steps. teacher: of those held by each rank; one elsewhere costs this machine nothing.

    cache_bytes: memory for keys and values on one rank, which bounds how many completions are drawn together. Each
    trigger is counted with all of its candidates; graders and checkpoints are not counted.
    """
    ranks = params.engine.ranks
    length = speed.length * params.rollout.max_new_tokens
    context = prompt_tokens + length / 2
    sequences = sampled_at_once("rl" if stage == "rl" else "opd", params)

    def drawing(count: float) -> float:
        """Seconds to draw `count` completions on one rank: each step reads the weights and every cached token."""
        number = compute_bytes(params)
        each = context * student.cached_values * number
        together = min(count, max(1.0, cache_bytes // each))
        step_bytes = number * student.parameters + together * each
        step = max(step_bytes / speed.bytes, together * student.forward_flops(context) / speed.flops)
        prefill = count * prompt_tokens * student.forward_flops(prompt_tokens / 2) / speed.flops
        return count / together * length * step + prefill

    passes = 4 if params.engine.activation_checkpointing else 3  # backward is twice forward
    updates = updates_of(stage, params)
    token = updates * passes * student.forward_flops(context) + (teacher.forward_flops(context) if teacher else 0)
    if stage == "rl" and params.rl.algorithm == "ppo":  # its critic's head costs nothing; a pass comes before updates
        critic = student.forward_flops(context) - 2 * student.embeddings
        token += (1 + passes * updates) * critic
    training = steps * sequences * (prompt_tokens + length) * token / speed.flops
    drawn, sampling = float(steps * sequences), steps * drawing(sequences)
    if search := search_of(stage, params):
        made = steps * updates
        searches = made.bit_length() if search.triggers == "exponential" else made // search.triggers  # 1, 2, 4, 8, …
        scores = searches * (1 + len(search.multipliers))
        if search.score == "accuracy":
            scored = params.data.validation * search.samples / ranks
            drawn, sampling = drawn + scores * scored, sampling + scores * drawing(scored)
        else:
            scored = search.score_share * sequences * (prompt_tokens + length)
            training += scores * scored * student.forward_flops(context) / speed.flops
    return Work(drawn * length * ranks, sampling, training)


def checkpoint_bytes(shape: Shape) -> int:
    """The tensors of a checkpoint; its file has a header of some kilobytes besides."""
    return MASTER * shape.parameters


def run_steps(params: Params) -> dict[str, tuple[Stage, int]]:
    """The stage and the steps of every run of the pipeline, by its folder's name."""
    steps: dict[Stage, int] = {
        "rl": params.rl.steps,
        "opd": params.opd.steps,
        "effopd": params.effopd.steps,
        "effopd-free": params.effopd_free.steps,
    }
    runs: dict[str, tuple[Stage, int]] = {}
    for run in planned_runs(params.run.replicates, params.opd.sweep):
        stage = next(stage for stage in steps if stage == run.method)
        runs[run.name] = (stage, steps[stage] if run.rate is None else params.opd.sweep_steps)
    return runs


def disk_bytes(params: Params, student: Shape) -> Mapping[str, float]:
    """Bytes by what they are: DVC keeps a copy of every output in its cache unless the file system can share them.

    resume: the scratch state of one run, weights, moments, EffOPD's anchor or PPO's critic, twice while a new one is
    written.
    """
    one = checkpoint_bytes(student)
    critic = MASTER * student.critic if params.rl.algorithm == "ppo" else 0
    kept = sum(len(checkpoint_steps(steps, params.trajectory.per_octave)) for _, steps in run_steps(params).values())
    return {
        "base": one,
        "checkpoints": kept * one,
        "DVC's cache of both": (kept + 1) * one,
        "state of a run under way": 2 * max(4 * one, 3 * (one + critic)),
    }
