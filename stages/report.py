"""The report: a page to read, a summary for programs, and every figure with the numbers behind it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from effopd.files import atomic_path, write_json, write_text
from effopd.params.benchmark import BenchmarkParams
from effopd.params.effopd import EffOPDParams
from effopd.params.evaluate import EvaluateParams
from effopd.params.interventions import InterventionParams
from effopd.params.opd import OPDParams
from effopd.params.report import ReportParams
from effopd.params.rl import RLParams
from effopd.params.run import RunParams
from effopd.params.runs import planned_runs
from effopd.report.cards import write_cards
from effopd.report.claims import claims
from effopd.report.convergence import speedup
from effopd.report.datasets import read_benchmarked, read_described
from effopd.report.figures import save
from effopd.report.mechanism import parts
from effopd.report.page import SCRIPT, STYLE, TEMPLATE, render
from effopd.report.plots import plots
from effopd.report.provenance import revision
from effopd.report.reading import Sources, read_results
from effopd.report.story import chapters, figures
from effopd.report.summary import metrics, summary
from effopd.trajectory.layout import METRICS
from stages.harness import MODELS, PARAMS, Stage, environment, run

REPORTS = Path("reports")
ABOUT_DATA, BENCHMARKS, BENCHMARKED = Path("data/about.json"), Path("data/benchmarks"), REPORTS / "benchmarks"
_UNUSED = ("datasets", "samples", "limit", "max_new_tokens", "batch_size", "allow_unsandboxed", "url")
SOURCES = Sources(
    models=MODELS,
    evaluation=REPORTS / "evaluation",
    spectral=REPORTS / "spectral",
    interventions=REPORTS / "interventions",
    paths=REPORTS / "paths.json",
    timing=REPORTS / "timing.json",
)


def main() -> None:
    """Write reports/index.html, summary.json, metrics.json, figures/ and cards/."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("threads", "device"))
    rl = stage.params("rl", RLParams)
    opd = stage.params("opd", OPDParams)
    effopd = stage.params("effopd", EffOPDParams)
    taken_apart = stage.params("interventions", InterventionParams)
    evaluate = stage.params("evaluate", EvaluateParams, unused=("batch_size", "pass_at"))
    params = stage.params("report", ReportParams)
    benchmark = stage.params("benchmark", BenchmarkParams, unused=_UNUSED)
    names = planned_runs(shared.replicates, opd.sweep)
    trained = [MODELS / name.name / METRICS for name in names if (MODELS / name.name).is_dir()]
    for read in (*trained, *asdict(SOURCES).values(), TEMPLATE, STYLE, SCRIPT):
        if read != MODELS and (read in trained or read.exists()):
            stage.input(read)
    described = read_described(stage.input(ABOUT_DATA), stage.input(BENCHMARKS))
    benchmarked = read_benchmarked(BENCHMARKS, stage.input(BENCHMARKED), benchmark.runs)
    results = read_results(names, ("rl", *taken_apart.methods), SOURCES)

    gain = speedup(results, params.target_share)
    apart = parts(results, evaluate.confidence, evaluate.resamples, shared.seed)
    verdicts = claims(results, gain, params.target_share, apart, benchmarked, evaluate.confidence)
    story = chapters(results, gain, apart, benchmarked)
    provenance = {
        **asdict(revision()),
        "params": {
            "run": shared.model_dump(exclude={"threads", "device"}),
            "rl": rl.model_dump(),
            "opd": opd.model_dump(),
            "effopd": effopd.model_dump(),
            "interventions": taken_apart.model_dump(),
            "evaluate": evaluate.model_dump(exclude={"batch_size", "pass_at"}),
            "benchmark": {"runs": benchmark.runs},
            "report": params.model_dump(),
        },
        "versions": environment(),
    }
    page = render(
        title=params.title,
        results=results,
        speedup=gain,
        target_share=params.target_share,
        confidence=evaluate.confidence,
        apart=apart,
        claims=verdicts,
        chapters=story,
        datasets=described,
        provenance=provenance,
    )

    stage.check_unchanged()
    with atomic_path(REPORTS / "figures") as folder:
        save(figures(story), folder)
        plots(results, apart, folder / "dvc")
    with atomic_path(REPORTS / "cards") as folder:
        write_cards(results, provenance, folder)
    write_json(REPORTS / "summary.json", summary(results, gain, verdicts, apart, provenance, benchmarked))
    write_json(REPORTS / "metrics.json", metrics(results, gain, apart))
    write_text(REPORTS / "index.html", page)
    dropped = {file.parent for file in MODELS.glob(f"[!.]*/{METRICS}")} - {MODELS / name.name for name in names}
    for folder in sorted(dropped - {MODELS / "base"}):
        print(f"{folder} is of no run that {PARAMS} asks for: `make tidy` puts such results away, and DVC keeps them")
    print(f"{REPORTS / 'index.html'}: " + ", ".join(f"{claim.name} {claim.verdict}" for claim in verdicts))


if __name__ == "__main__":
    run(main)
