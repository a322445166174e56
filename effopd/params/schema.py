"""All sections of params.yaml together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import model_validator

from effopd.params.base import BaseParams
from effopd.params.benchmark import BenchmarkParams
from effopd.params.data import DataParams
from effopd.params.effopd import EffOPDFreeParams, EffOPDParams
from effopd.params.engine import EngineParams
from effopd.params.evaluate import EvaluateParams
from effopd.params.interventions import InterventionParams
from effopd.params.live import LiveParams
from effopd.params.model import ModelParams
from effopd.params.opd import OPDParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.prompt import PromptParams
from effopd.params.report import ReportParams
from effopd.params.rl import RLParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.params.runs import planned_runs
from effopd.params.section import Section, parse, read_yaml
from effopd.params.spectral import SpectralParams
from effopd.params.teacher import SAMPLED, TeacherParams
from effopd.params.trajectory import TrajectoryParams


class Params(Section):
    run: RunParams
    data: DataParams
    prompt: PromptParams
    model: ModelParams
    base: BaseParams
    optimizer: OptimizerParams
    engine: EngineParams
    rollout: RolloutParams
    trajectory: TrajectoryParams
    live: LiveParams
    rl: RLParams
    teacher: TeacherParams
    opd: OPDParams
    effopd: EffOPDParams
    effopd_free: EffOPDFreeParams
    evaluate: EvaluateParams
    benchmark: BenchmarkParams
    spectral: SpectralParams
    interventions: InterventionParams
    report: ReportParams

    @model_validator(mode="after")
    def _pass_at_needs_samples(self) -> Params:
        if max(self.evaluate.pass_at) > self.evaluate.samples:
            raise ValueError("evaluate.pass_at asks for more completions than evaluate.samples draws")
        return self

    @model_validator(mode="after")
    def _divergences_need_more_than_the_sampled_token(self) -> Params:
        if self.teacher.top_k == SAMPLED and self.opd.loss not in ("sampled", "exopd"):
            raise ValueError(
                f"opd.loss is {self.opd.loss}, for which the sampled token alone (teacher.top_k) is too little"
            )
        return self

    @model_validator(mode="after")
    def _benchmarked_runs_are_trained(self) -> Params:
        planned = [run.name for run in planned_runs(self.run.replicates, self.opd.sweep)]
        if self.benchmark.datasets and (unknown := set(self.benchmark.runs).difference(planned)):
            raise ValueError(f"benchmark.runs: {min(unknown)} is none of the runs here: {', '.join(planned)}")
        return self


def check_file(path: Path) -> Params:
    """Check every section of a params file. Raises `ParamsError` with one line that names the first wrong key."""
    return check(read_yaml(path), path)


def check(values: dict[str, Any], path: Path) -> Params:
    """As `check_file`, for the values that were read of it."""
    return parse(Params, "", values, path)
