"""What `import effopd` promises: these names, these signatures, and nothing heavy before a name is used."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import effopd

ROOT = Path(__file__).parents[2]

SIGNATURES = {
    "Decision": "(score: 'Score | None', candidates: 'tuple[Candidate, ...]', accepted: 'int') -> None",
    "Line": "(weights: 'Weights', products: 'Weights | None', anchor: 'Weights', "
    "scope: \"Literal['all', 'blocks']\" = 'all', random: 'int | None' = None) -> 'None'",
    "Score": "(value: 'float', effective: 'float | None' = None, by_problem: 'tuple[float, ...]' = ()) -> None",
    "Seen": "(student_X: 'Tensor', teacher_X: 'Tensor', tokens: 'Tensor', student: 'Tensor', sampler: 'Tensor', "
    "reference: 'Tensor', told: 'Tensor | None' = None, log_ratio_cap: 'float' = inf) -> None",
    "align": "(base: 'Place', checkpoints: 'Sequence[Place]', *, top_k: 'int' = 20, progress: 'bool' = False) "
    "-> 'Aligned'",
    "analyse_trajectory": "(load: collections.abc.Callable[[int, str], torch.Tensor], "
    "shapes: collections.abc.Mapping[str, collections.abc.Sequence[int]], "
    "steps: collections.abc.Sequence[int], *, base_step: int = 0, top_k: int = 20) "
    "-> effopd.spectral.analysis.TrajectoryAnalysis",
    "analyse_update": "(base: collections.abc.Mapping[str, torch.Tensor], "
    "trained: collections.abc.Mapping[str, torch.Tensor], top_k: int = 20) "
    "-> tuple[effopd.spectral.metrics.MatrixMetrics, ...]",
    "compare": "(a: 'Place', b: 'Place', *, progress: 'bool' = False) -> 'Comparison'",
    "decompose": "(update_MN: torch.Tensor, top_k: int = 20) -> effopd.spectral.decomposition.Decomposition",
    "exopd": "(seen: 'Seen', *, strength: 'float', importance_cap: 'float') -> 'Tensor'",
    "extrapolate": "(base: 'Place', current: 'Place', multiplier: 'float', out: 'Path', *, progress: 'bool' = False) "
    "-> 'None'",
    "forward_kl": "(seen: 'Seen') -> 'Tensor'",
    "jsd": "(seen: 'Seen', *, beta: 'float') -> 'Tensor'",
    "rescale": "(base: 'Place', early: 'Place', final: 'Place', out: 'Path', *, beta: 'float' = 1.0, "
    "progress: 'bool' = False) -> 'None'",
    "reverse_kl": "(seen: 'Seen') -> 'Tensor'",
    "sampled": "(seen: 'Seen', *, importance_cap: 'float') -> 'Tensor'",
    "search": "(path: 'Path', multipliers: 'Sequence[float]', score: 'Callable[[], Score | None]', "
    "accepts: 'Callable[[float, float], bool]', least_effective: 'float' = 0.0, leaps_blindly: 'bool' = True) "
    "-> 'Decision'",
    "spectrum": "(base: 'Place', trained: 'Place', *, top_k: 'int' = 20, progress: 'bool' = False) -> 'Spectrum'",
}


def test_the_public_names_are_these() -> None:
    assert effopd.__all__ == sorted(SIGNATURES)
    assert set(SIGNATURES) <= set(dir(effopd))


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_public_name_keeps_its_signature(name: str) -> None:
    found = getattr(effopd, name)
    assert str(inspect.signature(found)) == SIGNATURES[name]
    assert inspect.getdoc(found), "it says what it does"


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'effopd' has no attribute 'nonsense'"):
        effopd.nonsense  # noqa: B018


LOADED = """
import json, sys
before = set(sys.modules)
import effopd
light = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
effopd.spectrum, effopd.align, effopd.compare, effopd.extrapolate, effopd.rescale, effopd.search, effopd.reverse_kl
print(json.dumps([light, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_importing_loads_nothing_and_the_commands_load_no_model_library() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    light, used = json.loads(done.stdout)
    assert "torch" not in light and "effopd" in light
    assert "torch" in used
    assert not {"transformers", "dvc", "prefect", "vl_convert", "fastapi", "tensorboard", "pyarrow"} & set(used)


@pytest.mark.slow
def test_the_wheel_holds_the_library_alone_and_asks_for_no_orchestrator(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir",
         str(tmp_path), str(ROOT)],
        check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("effopd-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"effopd"}
    assert {f"effopd/report/{name}" for name in ("page.html", "card.md", "story.yaml", "charts.yaml")} <= set(names)
    asked = [line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    core = {line.split(";")[0].split(">")[0].split("=")[0].strip() for line in asked if "extra ==" not in line}
    assert not core & {
        "dvc",
        "prefect",
        "fastapi",
        "vl-convert-python",
        "tensorboard",
        "sqlalchemy",
        "jinja2",
    }
    assert {"torch", "transformers", "safetensors", "typer"} <= core
