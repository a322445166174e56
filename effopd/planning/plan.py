"""The plan of all runs on a machine, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from effopd.params.schema import Params
from effopd.planning.memory import Memory, Stage, Teaching, compute_bytes, reference, stage_memory
from effopd.planning.shapes import Shape
from effopd.planning.work import Throughput, Work, disk_bytes, run_steps, run_work
from effopd.tasks.arithmetic import TASK

STAGES: tuple[Stage, ...] = ("rl", "opd", "effopd", "effopd-free")


@dataclass(frozen=True)
class Machine:
    """gpus: 0 when ranks compute in the machine's own memory. Memory and free disk in bytes; gpu_memory of each."""

    gpus: int
    gpu_memory: float
    memory: float
    disk: float


@dataclass(frozen=True)
class Plan:
    """memory: of one rank of each training stage. work: of each run. disk: bytes by what they are.

    problems: why it cannot run on the machine, each with its numbers; none when it can.
    """

    student: Shape
    teaching: Teaching
    memory: Mapping[Stage, Memory]
    work: Mapping[str, Work]
    disk: Mapping[str, float]
    problems: tuple[str, ...]


def make_plan(
    params: Params,
    student: Shape,
    teaching: Teaching,
    prompt_tokens: int,
    machine: Machine,
    speed: Throughput,
) -> Plan:
    """teaching: of all stages but rl. prompt_tokens: of the longest prompt."""
    ranks = params.engine.ranks
    device = machine.gpu_memory if machine.gpus else machine.memory / ranks
    memory = {
        stage: stage_memory(stage, params, student, _judge(stage, student, teaching), prompt_tokens, device)
        for stage in STAGES
    }
    number = compute_bytes(params)
    work = {}
    for run, (stage, steps) in run_steps(params).items():
        cache = device  # transformers draws all of them together
        if params.rollout.engine == "vllm":
            cache = params.rollout.gpu_memory * device - number * student.parameters
        judge = _judge(stage, student, teaching)
        work[run] = run_work(stage, steps, params, student, judge.scoring, prompt_tokens, speed, cache)
    disk = disk_bytes(params, student)
    problems = [
        *_devices(params, machine),
        *_vllm(params, student, prompt_tokens, device),
        *(line for stage, needed in memory.items() for line in _memory(stage, needed, ranks, machine)),
    ]
    if (total := sum(disk.values())) > machine.disk:
        problems.append(f"disk: checkpoints and their copies need {_size(total)}, {_size(machine.disk)} are free")
    return Plan(student, teaching, memory, work, disk, tuple(problems))


def assumed_prompt(params: Params) -> int:
    """Tokens of the longest prompt: those of the built-in world, or 512."""
    return 2 * params.data.operations + 2 if params.data.source == TASK else 512


def _judge(stage: Stage, student: Shape, teaching: Teaching) -> Teaching:
    return reference(student) if stage == "rl" else teaching


def _devices(params: Params, machine: Machine) -> list[str]:
    if params.run.device == "cuda" and not machine.gpus:
        return ["run.device is cuda, and there is no GPU"]
    if machine.gpus and params.engine.ranks > machine.gpus:
        return [f"engine.ranks is {params.engine.ranks}, there are {machine.gpus} GPUs"]
    return []


def _vllm(params: Params, student: Shape, prompt_tokens: int, device: float) -> list[str]:
    """vLLM must hold the weights and the keys and values of one longest sequence."""
    if params.rollout.engine != "vllm":
        return []
    number = compute_bytes(params)
    tokens = prompt_tokens + params.rollout.max_new_tokens
    needed = number * (student.parameters + tokens * student.cached_values)
    share = params.rollout.gpu_memory * device
    if needed <= share:
        return []
    return [f"rollout.gpu_memory gives vLLM {_size(share)}, weights and {tokens:,} tokens need {_size(needed)}"]


def _memory(stage: Stage, needed: Memory, ranks: int, machine: Machine) -> list[str]:
    if machine.gpus == 0:
        total = ranks * (needed.device + needed.host)
        if total <= machine.memory:
            return []
        return [f"{stage}: {ranks} ranks need {_size(total)}, this machine has {_size(machine.memory)} of memory"]
    found = []
    if needed.device > machine.gpu_memory:
        found.append(f"{stage}: needs {_size(needed.device)} on each GPU, which has {_size(machine.gpu_memory)}")
    if ranks * needed.host > machine.memory:
        have = _size(machine.memory)
        found.append(f"{stage}: {ranks} ranks offload {_size(ranks * needed.host)}, the machine has {have} of memory")
    return found


def _size(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"
