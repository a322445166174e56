"""What a profile needs, by the plan of its runs on the machine that it is meant for."""

from __future__ import annotations

from pathlib import Path

from effopd.planning.here import machine
from effopd.planning.plan import Plan, assumed_prompt, make_plan
from effopd.planning.published import student_shape, teaching
from effopd.planning.text import parse_size
from effopd.planning.work import ON_GPU
from effopd.profiles import read_profile, with_profile

MODELS = Path("data/models")


def profile_plan(name: str, folder: Path, file: Path) -> Plan:
    """The plan of the params `file` under a profile."""
    meant = read_profile(name, folder).machine
    _, params, _ = with_profile(name, folder, file)
    student = student_shape(params.model, MODELS)
    sizes = (parse_size(size) for size in (meant.gpu_memory, meant.memory, meant.disk))
    teachers = teaching(params.teacher, student)
    return make_plan(params, student, teachers, assumed_prompt(params), machine(meant.gpus, *sizes), ON_GPU)


def summary(name: str, folder: Path, file: Path) -> str:
    """A profile in two lines: what it is, and what it needs by our estimate."""
    profile, plan = read_profile(name, folder), profile_plan(name, folder, file)
    peak = max(needed.device for needed in plan.memory.values()) / 2**30
    disk = sum(plan.disk.values()) / 1e12
    hours = sum(work.seconds for work in plan.work.values()) / 3600
    meant = profile.machine
    needs = f"estimated: {peak:.0f} GiB of each, {disk:.1f} TB of disk, {hours:,.0f} hours"
    return f"{name:<24}{profile.about}\n{'':<24}{meant.gpus} GPUs of {meant.gpu_memory}; {needs}"
