"""Model cards: for each exported model a README.md in Hugging Face's form, made of measurements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from effopd.files import write_text
from effopd.report.figures import LABELS
from effopd.report.results import Checkpoint, Results, Run

TRAINED = {
    "rl": "Reinforcement learning from the base.",
    "opd": "On-policy distillation: the student samples, the teacher scores each sampled token.",
    "effopd": "EffOPD (arXiv 2605.11739): on-policy distillation that leaps along its last update at steps 1, 2, 4, …, "
    "as long as a leap does not lose accuracy on validation problems.",
}
LOAD = """from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{folder}")
tokenizer = AutoTokenizer.from_pretrained("{folder}")
"""


def write_cards(results: Results, provenance: Mapping[str, Any], folder: Path) -> None:
    """Write NAME.md for the base, the teacher and every run: what it is, how good, how made, how to load it."""
    first = results.runs[0]
    base = "The model that every run starts from."
    write_text(folder / "base.md", _card("base", "models/base", base, first.curve[0], [], results, provenance, {}))
    for run in results.runs:
        about = TRAINED.get(run.method, f"Trained by {run.method}.")
        last = f"models/{run.name}/step-{run.final.step:06d}"
        text = _card(run.name, last, about, run.final, _curve(run), results, provenance, _settings(run, provenance))
        write_text(folder / f"{run.name}.md", text)
        if run.method == "rl":
            about = "The last checkpoint of reinforcement learning: the teacher, unless `teacher.source` names another."
            text = _card("teacher", "models/teacher", about, run.final, [], results, provenance, {})
            write_text(folder / "teacher.md", text)


def _card(
    name: str,
    folder: str,
    about: str,
    point: Checkpoint,
    curve: list[str],
    results: Results,
    provenance: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> str:
    commit = provenance.get("commit") or "not recorded"
    dirty = ", with uncommitted changes" if provenance.get("is_modified") else ""
    lines = [
        "---",
        _front_matter(name, point).rstrip(),
        "---",
        "",
        f"# {name}",
        "",
        about + ("" if results.paths is None else f" {results.paths.parameters:,} parameters in float32."),
        "",
        "## Accuracy",
        "",
        f"At temperature 1: {point.accuracy:.3f} (interval {point.low:.3f}–{point.high:.3f} over {point.n} problems). "
        + ("" if point.greedy is None else f"Decoded greedily: {point.greedy:.3f}. ")
        + f"The base: {results.base.accuracy:.3f}.",
        *curve,
        "",
        "## Use",
        "",
        "```python",
        LOAD.format(folder=folder).rstrip(),
        "```",
        "",
        "## Training",
        "",
        *([f"- {key}: {value}" for key, value in settings.items()] or ["- see `params.yaml` at this commit"]),
        f"- commit: {commit}{dirty}",
        f"- seed: {provenance['params']['run']['seed']}",
        *(f"- {package}: {version}" for package, version in provenance["versions"].items()),
        "",
        "## Limits",
        "",
        "The interval tells of the problems drawn, not of the training seed. Nothing is known of this model beyond the "
        "problems that it was tested on.",
        "",
    ]
    return "\n".join(lines)


def _front_matter(name: str, point: Checkpoint) -> str:
    """The metadata that model hubs read."""
    metric = {"type": "accuracy", "name": "accuracy at temperature 1", "value": point.accuracy}
    task = {"type": "text-generation"}
    data = {"type": "effopd-test", "name": f"{point.n} test problems of the pipeline"}
    values = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["on-policy-distillation", "effopd"],
        "model-index": [{"name": name, "results": [{"task": task, "dataset": data, "metrics": [metric]}]}],
    }
    stream = StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(values, stream)
    return stream.getvalue()


def _curve(run: Run) -> list[str]:
    rows = [f"| {p.step} | {p.accuracy:.3f} | {p.low:.3f}–{p.high:.3f} | {p.sampled_tokens} |" for p in run.curve]
    return ["", "| step | accuracy | interval | sampled tokens |", "|---|---|---|---|", *rows]


def _settings(run: Run, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The params of the run's method; distillation's apply to EffOPD too."""
    params = provenance["params"]
    shared = params.get("opd", {}) if run.method == "effopd" else {}
    found = {**shared, **params.get(run.method, {}), "learning_rate": run.learning_rate, "steps": run.final.step}
    found.pop("sweep", None)
    place = {"method": LABELS.get(run.method, run.method)}
    return place | ({} if run.replicate is None else {"replicate": run.replicate}) | found
