"""What a study asks: profiles/studies/NAME.yaml, and the params of each of its variants."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from effopd.files import DataError
from effopd.findings.claims import CLAIMS
from effopd.params.reading import ParamsError, read_yaml
from effopd.params.runs import RunName, planned_runs
from effopd.params.schema import Params
from effopd.params.section import Name, Section, parse


def _a_variant(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError("a name here has letters, digits, '-' and '_' alone")
    return name


VariantName = Annotated[str, AfterValidator(_a_variant)]
"""Becomes a part of the name of a workspace's copy, STUDY-VARIANT."""
Overlay = dict[str, dict[str, Any]]
"""Sections of params.yaml, with the keys that differ."""
Measure = Literal["spectral", "interventions"]
Probe = Literal["critic"]


class Study(Section):
    """A question and the runs that answer it.

    statement: what is judged. claims: those of the report that it is asked about, by name. runs: by their names under
    models/; every one is trained and evaluated in each variant. measures: the stages that they go through besides.
    probes: what no stage measures, each a script of benchmarks/ that works in a variant's finished workspace. params:
    of all variants. variants: by name, what is different in each.
    """

    question: str = Field(min_length=1)
    statement: str = Field(min_length=1)
    claims: list[str]
    runs: list[Name] = Field(min_length=1)
    measures: list[Measure] = Field(default_factory=list)
    probes: list[Probe] = Field(default_factory=list)
    params: Overlay = Field(default_factory=dict)
    variants: dict[VariantName, Overlay] = Field(min_length=1)


def study_names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_study(name: str, folder: Path, file: Path) -> Study:
    """A study of `folder`, checked whole against the params `file` before anything runs.

    Raises `DataError` listing the known ones, or `ParamsError` naming the file, the variant and the key at fault.
    """
    if name not in study_names(folder):
        raise DataError(f"no study named {name!r}; known: {', '.join(study_names(folder)) or f'none in {folder}/'}")
    path = folder / f"{name}.yaml"
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise ParamsError(f"{path}: the name of a study has letters, digits and '_' alone")
    study = parse(Study, "", read_yaml(path), path)
    known = [claim.name for claim in CLAIMS]
    if strange := [claim for claim in study.claims if claim not in known]:
        raise ParamsError(f"{path}: claims: {strange[0]!r} is no claim (known: {', '.join(known)})")
    values = read_yaml(file)
    for variant in study.variants:
        place = Path(f"{path}: variants.{variant}")
        params = params_of(study, variant, values, place)
        planned = planned_runs(params.run.replicates, params.opd.sweep)
        apart = ("rl", *params.interventions.methods)
        for run in study.runs:
            found = next((one for one in planned if one.name == run), None)
            if found is None:
                raise ParamsError(f"{place}: runs: {run} is none of {', '.join(one.name for one in planned)}")
            if "interventions" in study.measures and (found.rate is not None or found.method not in apart):
                raise ParamsError(f"{place}: runs: {run} is not taken apart; see interventions.methods")
    return study


def params_of(study: Study, variant: str, values: Mapping[str, Any], place: Path) -> Params:
    """The params of a variant: `values` of params.yaml with the study's over them. Raises `ParamsError` at `place`."""
    changed = dict(values)
    for key, value in overrides(study, variant):
        _put(changed, key, value, place)
    return parse(Params, "", changed, place)


def overrides(study: Study, variant: str) -> list[tuple[str, Any]]:
    """What a variant changes in params.yaml, by dotted key; its own values win over the study's."""
    found = dict(_flat(study.params)) | dict(_flat(study.variants[variant]))
    return sorted(found.items())


def as_options(study: Study, variant: str) -> list[str]:
    """The same as words of a command line: `-S rl.steps=200`, as `python -m pipeline run` takes them."""
    texts = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in overrides(study, variant)]
    return [word for key, text in texts for word in ("-S", f"{key}={text}")]


def targets(study: Study) -> list[str]:
    """The stages of dvc.yaml that measure the study's runs; all that these need runs before them."""
    return [_target(measure, run) for measure in ("evaluate", *study.measures) for run in study.runs]


def wanted(study: Study, params: Params) -> tuple[RunName, ...]:
    """The runs of a variant that the study asks for, in the order of its params."""
    planned = planned_runs(params.run.replicates, params.opd.sweep)
    return tuple(one for one in planned if one.name in study.runs)


def _target(measure: str, run: str) -> str:
    rate = run.partition("-lr-")[2]
    return f"{measure}-sweep@{rate}" if rate else f"{measure}-rl" if run == "rl" else f"{measure}@{run}"


def _flat(overlay: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in overlay.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _put(values: dict[str, Any], key: str, value: Any, place: Path) -> None:
    """Replace one value, leaving the given sections as they are; the outermost is changed in place."""
    *sections, last = key.split(".")
    for section in sections:
        inner = values.get(section)
        if not isinstance(inner, Mapping):
            raise ParamsError(f"{place}: {key}: unknown key (known: {', '.join(values)})")
        values[section] = dict(inner)
        values = values[section]
    if last not in values:
        raise ParamsError(f"{place}: {key}: unknown key (known: {', '.join(values)})")
    if isinstance(values[last], Mapping):
        raise ParamsError(f"{place}: {key}: is a section; name one of {', '.join(values[last])}")
    values[last] = value
