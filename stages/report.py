"""The report: a page to read, a summary for programs, and every figure with the numbers behind it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from effopd.files import write_json, write_text
from effopd.findings.claims import judge_all
from effopd.findings.evidence import Evidence
from effopd.findings.reading import read_benchmarked, read_described, read_results, read_versions
from effopd.findings.summary import metrics, summary
from effopd.params.benchmark import BenchmarkParams
from effopd.params.effopd import EffOPDFreeParams, EffOPDParams
from effopd.params.evaluate import EvaluateParams
from effopd.params.interventions import InterventionParams
from effopd.params.opd import OPDParams
from effopd.params.report import ReportParams
from effopd.params.rl import RLParams
from effopd.params.run import RunParams
from effopd.params.runs import planned_runs
from effopd.report.cards import CARD, write_cards
from effopd.report.figures import CHARTS, save
from effopd.report.page import MACROS, SCRIPT, STYLE, TEMPLATE, render
from effopd.report.plots import plots
from effopd.report.story import STORY, chapters, figures
from effopd.trajectory.layout import ABOUT, METRICS
from stages.harness import MODELS, PARAMS, Stage, run
from stages.revision import revision

REPORTS = Path("reports")
ABOUT_DATA, BENCHMARKS, BENCHMARKED = Path("data/about.json"), Path("data/benchmarks"), REPORTS / "benchmarks"
_UNUSED = ("datasets", "samples", "limit", "max_new_tokens", "batch_size", "allow_unsandboxed", "url")
WORDS = (TEMPLATE, MACROS, STYLE, SCRIPT, STORY, CHARTS, CARD)
MEASURED = [REPORTS / name for name in ("evaluation", "spectral", "interventions", "paths.json", "timing.json")]


def main() -> None:
    """Write reports/index.html, summary.json, metrics.json, figures/ and cards/."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("threads", "device"))
    rl = stage.params("rl", RLParams)
    opd = stage.params("opd", OPDParams)
    effopd = stage.params("effopd", EffOPDParams)
    free = stage.params("effopd_free", EffOPDFreeParams)
    taken_apart = stage.params("interventions", InterventionParams)
    evaluate = stage.params("evaluate", EvaluateParams, unused=("batch_size", "pass_at"))
    params = stage.params("report", ReportParams)
    benchmark = stage.params("benchmark", BenchmarkParams, unused=_UNUSED)
    names = planned_runs(shared.replicates, opd.sweep)
    trained = [MODELS / name.name / METRICS for name in names if (MODELS / name.name).is_dir()]
    for read in (*trained, *MEASURED, *WORDS):
        if read in trained or read.exists():
            stage.input(read)
    described = read_described(stage.input(ABOUT_DATA), stage.input(BENCHMARKS))
    evidence = Evidence(
        results=read_results(names, ("rl", *taken_apart.methods), MODELS, REPORTS),
        target_share=params.target_share,
        confidence=evaluate.confidence,
        resamples=evaluate.resamples,
        seed=shared.seed,
        benchmarked=read_benchmarked(BENCHMARKS, stage.input(BENCHMARKED), benchmark.runs),
    )
    claims = judge_all(evidence)
    story = chapters(evidence)
    provenance = {
        **asdict(revision()),
        "params": {
            "run": shared.model_dump(exclude={"threads", "device"}),
            "rl": rl.model_dump(),
            "opd": opd.model_dump(),
            "effopd": effopd.model_dump(),
            "effopd_free": free.model_dump(),
            "interventions": taken_apart.model_dump(),
            "evaluate": evaluate.model_dump(exclude={"batch_size", "pass_at"}),
            "benchmark": {"runs": benchmark.runs},
            "report": params.model_dump(),
        },
        "versions": read_versions(names, MODELS),
    }
    page = render(params.title, evidence, claims, story, described, provenance)

    folder = stage.output(REPORTS / "figures")
    save(figures(story), folder)
    plots(evidence, folder / "dvc")
    write_cards(evidence.results, provenance, stage.output(REPORTS / "cards"))
    write_json(stage.output(REPORTS / "summary.json"), summary(evidence, claims, provenance))
    write_json(stage.output(REPORTS / "metrics.json"), metrics(evidence))
    write_text(stage.output(REPORTS / "index.html"), page)
    stage.publish()
    dropped = {file.parent for file in MODELS.glob(f"[!.]*/{ABOUT}")} - {MODELS / name.name for name in names}
    for folder in sorted(dropped):
        print(f"{folder} is of no run that {PARAMS} asks for: `make tidy` puts such results away, and DVC keeps them")
    print(f"{REPORTS / 'index.html'}: " + ", ".join(f"{claim.name} {claim.verdict}" for claim in claims))


if __name__ == "__main__":
    run(main)
