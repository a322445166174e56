"""How a stage that looks at one run is told which: by options, as DVC quotes the values of a matrix for them alone."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from effopd.params.runs import run_name
from effopd.params.section import ParamsError, is_name

Method = Annotated[str, Option(help="How the run was trained, rl, opd or effopd; or its folder under models/.")]
Replicate = Annotated[int | None, Option(min=0, help="Which replicate.")]
Rate = Annotated[float | None, Option(help="Which rate of the sweep.")]


def named(method: str, replicate: int | None, rate: float | None) -> str:
    """The run's folder under models/. Raises `ParamsError` for what cannot be the name of one."""
    name = run_name(method, replicate, rate)
    if not is_name(name):
        raise ParamsError(f"--method: {method!r} is no name of a run")
    return name
