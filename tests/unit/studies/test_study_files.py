"""A study's file: wrong ones are one line that names file, variant and key; right ones become options and targets."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from effopd.files import DataError
from effopd.params.reading import ParamsError
from effopd.params.schema import Params
from effopd.studies.conclusions import CONCLUDES
from effopd.studies.spec import Study, as_options, overrides, params_of, read_study, study_names, targets
from pipeline.overrides import apply_overrides, parse_overrides

ROOT = Path(__file__).parents[3]
PARAMS, STUDIES = ROOT / "params.yaml", ROOT / "profiles/studies"
GOOD = """\
question: Why?
statement: Because.
claims: [early_alignment]
runs: [rl, opd-0, opd-lr-0.001]
measures: [spectral]
params: {rl: {steps: 7}, opd: {learning_rate: 2.0e-4, loss: sampled}}
variants:
  some: {}
  more: {rl: {steps: 9}, interventions: {alpha: [0.5]}}
"""


def read(tmp_path: Path, text: str) -> Study:
    (tmp_path / "mine.yaml").write_text(text)
    return read_study("mine", tmp_path, PARAMS)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("question: Why?", "question: ''", "mine.yaml: question: string should have at least 1 character"),
        ("question: Why?\n", "", "mine.yaml: question: field required"),
        (
            "statement:",
            "claim: []\nstatement:",
            "mine.yaml: claim: unknown key (known: question, statement, claims, runs, measures, probes",
        ),
        (
            "early_alignment",
            "late_alignment",
            "mine.yaml: claims: 'late_alignment' is no claim (known: latent_ability,",
        ),
        ("[rl, opd-0,", "[rl, opd-7,", "mine.yaml: variants.some: runs: opd-7 is none of rl, opd-0,"),
        ("opd-lr-0.001", "opd-lr-0.7", "mine.yaml: variants.some: runs: opd-lr-0.7 is none of rl, opd-0,"),
        (
            "[spectral]",
            "[spectrum]",
            "mine.yaml: measures.0: input should be 'spectral' or 'interventions', found 'spectrum'",
        ),
        (
            "[spectral]",
            "[interventions]",
            "mine.yaml: variants.some: runs: opd-lr-0.001 is not taken apart; see interv",
        ),
        ("{steps: 7}", "{stepz: 7}", "mine.yaml: variants.some: rl.stepz: unknown key (known: algorithm, steps,"),
        ("{rl: {steps: 7}", "{lr: {steps: 7}", "mine.yaml: variants.some: lr.steps: unknown key (known: run, data,"),
        (
            "{steps: 7}",
            "{steps: seven}",
            "mine.yaml: variants.some: rl.steps: input should be a valid integer, found 's",
        ),
        ("{steps: 9}", "{steps: -9}", "mine.yaml: variants.more: rl.steps: input should be greater than"),
        (
            "rl: {steps: 9}",
            "data: {demonstrations: 4}",
            "variants.more: data.demonstrations: is a section; name one of",
        ),
        ("rl: {steps: 9}", "rl: 9", "mine.yaml: variants.more.rl: input should be a valid dictionary, found 9"),
        (
            "variants:\n  some: {}\n  more",
            "variants: {}\nmore",
            "mine.yaml: variants: dictionary should have at least 1",
        ),
        ("  some: {}", "  so.me: {}", "mine.yaml: variants.so.me: a name here has letters, digits, '-' and '_' alone"),
    ],
)
def test_a_wrong_key_is_one_line_with_file_variant_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    read(tmp_path, GOOD)
    assert old in GOOD
    with pytest.raises(ParamsError) as error:
        read(tmp_path, GOOD.replace(old, new))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_study_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no study named 'mine'; known: none in "):
        read_study("mine", tmp_path, PARAMS)
    with pytest.raises(DataError, match=r"no study named 'mine'; known: alignment, "):
        read_study("mine", STUDIES, PARAMS)


def test_names_of_studies_and_variants_cannot_be_taken_for_each_other(tmp_path: Path) -> None:
    """A copy of the workspace is named STUDY-VARIANT: `a-b` with `c` would be `a` with `b-c`."""
    (tmp_path / "my-own.yaml").write_text(GOOD)
    with pytest.raises(ParamsError, match=r"my-own\.yaml: the name of a study has letters, digits and '_' alone$"):
        read_study("my-own", tmp_path, PARAMS)


def test_a_variants_own_value_wins_and_nothing_is_shared_between_variants(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD)
    values = YAML(typ="safe").load(PARAMS)
    before = repr(values)
    assert overrides(study, "some") == [("opd.learning_rate", 2e-4), ("opd.loss", "sampled"), ("rl.steps", 7)]
    more = params_of(study, "more", values, Path("x"))
    assert (more.rl.steps, more.opd.loss, more.interventions.alpha) == (9, "sampled", [0.5])
    assert params_of(study, "some", values, Path("x")).rl.steps == 7
    assert repr(values) == before


@pytest.mark.parametrize("name", study_names(STUDIES))
def test_what_the_runner_makes_of_the_options_is_what_was_checked(name: str) -> None:
    """`python -m pipeline run` reads the options with its own code: both must arrive at the same params."""
    study = read_study(name, STUDIES, PARAMS)
    values = YAML(typ="safe").load(PARAMS)
    for variant in study.variants:
        options = as_options(study, variant)
        assert options[::2] == ["-S"] * (len(options) // 2)
        text = apply_overrides(PARAMS.read_text(), parse_overrides(shlex.join(options[1::2])))
        assert Params.model_validate(YAML(typ="safe").load(text)) == params_of(study, variant, values, Path("x"))


@pytest.mark.parametrize("name", study_names(STUDIES))
def test_every_study_has_a_conclusion_and_stages(name: str) -> None:
    assert name in CONCLUDES
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for target in targets(read_study(name, STUDIES, PARAMS)):
        stage, _, instance = target.partition("@")
        assert ("matrix" in stages[stage]) == bool(instance)


def test_every_conclusion_has_a_study() -> None:
    assert sorted(CONCLUDES) == study_names(STUDIES)


def test_targets_are_named_as_dvc_names_matrix_instances(tmp_path: Path) -> None:
    found = targets(read(tmp_path, GOOD))
    assert found == [
        *("evaluate-rl", "evaluate@opd-0", "evaluate-sweep@0.001"),
        *("spectral-rl", "spectral@opd-0", "spectral-sweep@0.001"),
    ]
