"""Model cards: for each exported model a README.md in Hugging Face's form, made of measurements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from effopd.files import write_text
from effopd.findings.measures import label_of
from effopd.findings.results import Checkpoint, Results, Run

CARD = Path(__file__).with_name("card.md")


def write_cards(results: Results, provenance: Mapping[str, Any], folder: Path) -> None:
    """Write NAME.md for the base, the teacher and every run: what it is, how good, how made, how to load it."""
    markdown = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    card = markdown.from_string(CARD.read_text(encoding="utf-8"))
    models: dict[str, tuple[str, Checkpoint, Run | None]] = {"base": ("models/base", results.base, None)}
    for run in results.runs:
        models[run.name] = (f"models/{run.name}/step-{run.final.step:06d}", run.final, run)
        if run.method == "rl":
            models["teacher"] = ("models/teacher", run.final, None)
    for name, (model, point, trained) in models.items():
        settings = {} if trained is None else _settings(trained, provenance["params"])
        said = {"name": name, "model": model, "point": point, "run": trained, "settings": settings}
        write_text(folder / f"{name}.md", card.render(said, results=results, provenance=provenance))


def _settings(run: Run, params: Mapping[str, Any]) -> dict[str, Any]:
    """The params of the run's method; distillation's apply to both EffOPDs too."""
    shared = params.get("opd", {}) if run.method.startswith("effopd") else {}
    found = {
        **shared,
        **params.get(run.method.replace("-", "_"), {}),
        "learning_rate": run.learning_rate,
        "steps": run.final.step,
    }
    found.pop("sweep", None)
    place = {"method": label_of(run.method)}
    return place | ({} if run.replicate is None else {"replicate": run.replicate}) | found
