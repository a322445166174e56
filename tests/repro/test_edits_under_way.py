"""Edits of code, params and inputs at every moment of a stage: DVC records no output against what it was not made from.

The truth is what a stage makes of each state of its sources when nobody edits. Whatever DVC has recorded after an edit
under way must be one of these pairs, and the next `dvc repro` must end in the pair of the sources that are there.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from dvc_project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Each is a Python program that reads `path` and makes `new` of it.
CODE = "path = 'stages/prepare.py'; new = open(path).read().replace('len(problems) for', '1 + len(problems) for', 1)"
PARAMS = "path = 'params.yaml'; new = open(path).read().replace('  test: 4', '  test: 3')"
INPUT = "path = 'data/sources/sums.jsonl'; new = open(path).read().replace('What', 'How much')"
TRAINING = "path = 'stages/base.py'; new = open(path).read().replace('seed, \"model\"', 'seed, \"student\"')"
RATE = "path = 'params.yaml'; new = open(path).read().replace('learning_rate: 0.004', 'learning_rate: 0.005')"
SHOWN = "path = 'data/demonstrations.parquet'; new = open('other.parquet', 'rb').read()"
OUTPUT = "path = 'data/train.parquet'; new = open('other.parquet', 'rb').read()"
UNFINISHED = (
    "from pathlib import Path; path, = Path('data').glob('.train.*/*'); new = open('other.parquet', 'rb').read()"
)

# What is done with it: as a plain write, as editors save, as a copy that keeps its time, as a file moved away and back.
WRITE = "open(path, 'w' + 'b' * isinstance(new, bytes)).write(new)"
REPLACE = f"import os; old, path = path, path + '.new'; {WRITE}; os.replace(path, old)"
KEEP = f"import shutil; shutil.copy2(path, 'kept'); {WRITE}"
COPY_BACK = "import shutil; shutil.copy2('kept', path)"
MOVE = f"import os; os.rename(path, path + '.old'); {WRITE}"
MOVE_BACK = "import os; os.replace(path + '.old', path)"

# When: in the process of the stage, then in that of DVC when the stage has ended.
STAGE, DVC = "-m stages.", "-m dvc"
IMPORTS = (STAGE, "pyarrow/__init__.py:<module>", 1)
IMPORTS_TORCH = (STAGE, "torch/__init__.py:<module>", 1)
READS = (STAGE, "stages/harness.py:Stage.input", 1)
HAS_READ = (STAGE, "effopd/datasets/contamination.py:find_overlaps", 1)
READS_SHOWN = (STAGE, "effopd/tasks/problems.py:read_demonstrations", 1)
TRAINS = (STAGE, "effopd/train/sft.py:fine_tune", 1)
WRITES = (STAGE, "effopd/files.py:write_json", 1)
WRITES_WEIGHTS = (STAGE, "effopd/models/weights.py:save_weights", 2)
FLUSHES = (STAGE, "effopd/files.py:sync", 8)
RENAMES = (STAGE, "effopd/files.py:in_place", 8)
DVC_WAKES = (DVC, "dvc/stage/__init__.py:Stage.save", 1)
DVC_READS_PARAMS = (DVC, "dvc/dependency/param.py:ParamsDependency.save", 1)
DVC_READS_OUTPUTS = (DVC, "dvc/stage/__init__.py:Stage.save_outs", 1)
DVC_COMMITS = (DVC, "dvc/stage/__init__.py:Stage.commit", 1)

Moment = tuple[str, str, int]
VARIANTS: list[tuple[str, str, list[tuple[Moment, str]]]] = [
    *[
        ("prepare", edit, [(moment, how)])
        for edit in (CODE, PARAMS, INPUT)
        for moment, how in [
            (IMPORTS, REPLACE), (HAS_READ, WRITE), (WRITES, REPLACE), (FLUSHES, WRITE), (RENAMES, WRITE),
            (DVC_WAKES, WRITE), (DVC_READS_PARAMS, REPLACE),
        ]
    ],
    *[("prepare", CODE, [(moment, WRITE)]) for moment in (DVC_READS_OUTPUTS, DVC_COMMITS)],
    *[
        ("prepare", INPUT, [(READS, there), (moment, back)])
        for moment in (HAS_READ, RENAMES)
        for there, back in [(KEEP, COPY_BACK), (MOVE, MOVE_BACK)]
    ],
    ("prepare", CODE, [(IMPORTS, KEEP), (HAS_READ, COPY_BACK)]),
    ("prepare", UNFINISHED, [(FLUSHES, WRITE)]),
    *[("prepare", OUTPUT, [(moment, WRITE)]) for moment in (DVC_WAKES, DVC_READS_PARAMS)],
    ("base", TRAINING, [(IMPORTS_TORCH, REPLACE)]),
    ("base", TRAINING, [(IMPORTS_TORCH, KEEP), (WRITES_WEIGHTS, COPY_BACK)]),
    ("base", RATE, [(WRITES_WEIGHTS, REPLACE)]),
    ("base", SHOWN, [(READS_SHOWN, KEEP), (TRAINS, COPY_BACK)]),
    ("base", SHOWN, [(READS_SHOWN, MOVE), (TRAINS, MOVE_BACK)]),
]  # fmt: skip


@dataclass(frozen=True)
class Editor:
    """Runs stages of a project under DVC, and edits its files at moments of theirs."""

    project: Project
    folder: Path

    def repro(self, stage: str, edits: list[tuple[Moment, str]], *options: str) -> subprocess.CompletedProcess[str]:
        """`dvc repro` of one stage. All edits must have been made at its end."""
        (self.folder / "site").mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("at_a_moment.py"), self.folder / "site/sitecustomize.py")
        plans = [
            {"process": process, "call": call, "nth": nth, "script": script}
            for (process, call, nth), script in edits
        ]  # fmt: skip
        done = self.folder / "done"
        done.write_text("")
        ended = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", "--single-item", *options, stage],
            cwd=self.project.root, check=False, capture_output=True, text=True, timeout=200,
            env=os.environ | {
                "PYTHONPATH": str(self.folder / "site"), "AT_MOMENTS": json.dumps(plans), "AT_DONE": str(done),
            },
        )  # fmt: skip
        assert len(done.read_text().splitlines()) == len(edits), ended.stdout + ended.stderr
        return ended

    def recorded(self, stage: str) -> tuple[str, str]:
        """What dvc.lock says that the stage was made from, and what it made."""
        entry = yaml.safe_load(self.project.read("dvc.lock"))["stages"][stage]
        return json.dumps([entry["deps"], entry["params"]]), json.dumps(entry["outs"])

    def temporaries(self) -> list[str]:
        return [path.name for path in self.project.root.rglob(".*.tmp") if ".dvc" not in path.parts]


def edit(project: Project, script: str) -> None:
    subprocess.run([sys.executable, "-c", script], cwd=project.root, check=True)


def forget(project: Project) -> None:
    """Nothing that was made is kept for another run."""
    shutil.rmtree(project.root / ".scratch", ignore_errors=True)
    shutil.rmtree(project.root / ".dvc/cache/runs")


@pytest.fixture(scope="session")
def begun(sources: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of a few rows whose data and base are made."""
    project = Project(shutil.copytree(sources.root, tmp_path_factory.mktemp("begun") / "project"))
    rows = [
        {"prompt": f"What is {a} + {b}?", "answer": f"{a + b}", "task": "exact"} for a in range(5) for b in range(5)
    ]
    project.write("data/sources/sums.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    for key, value in {"source": "sums", "train": 12, "validation": 4, "dev": 4, "test": 4}.items():
        project.set_param("data", key, value)
    project.set_param("model", "vocabulary", 260)
    project.set_param("base", "steps", 3)
    project.dvc("repro", "-q", "base")
    project.set_param("data", "train", 10)
    project.dvc("repro", "-q", "prepare")
    shutil.copy(project.root / "data/demonstrations.parquet", project.root / "other.parquet")
    project.set_param("data", "train", 12)
    project.dvc("repro", "-q", "prepare")
    return project


@pytest.fixture(scope="session")
def truth(begun: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """What each stage makes of its sources, by stage and what DVC records of them."""
    found = {}
    for number, (stage, script) in enumerate(
        [*(("prepare", of) for of in ("path = new = None", CODE, PARAMS, INPUT)),
         *(("base", of) for of in ("path = new = None", TRAINING, RATE, SHOWN))]
    ):  # fmt: skip
        project = Project(shutil.copytree(begun.root, tmp_path_factory.mktemp("truth") / str(number), symlinks=True))
        forget(project)
        edit(project, f"{script}\nif new: {WRITE}")
        project.dvc("repro", "--single-item", "--force", stage)
        made_from, made = Editor(project, project.root).recorded(stage)
        found[stage, made_from] = made
    assert len(found) == len(set(found.values())) == 8, "each edit changes what is made"
    return found


@pytest.fixture
def editor(begun: Project, tmp_path: Path) -> Editor:
    project = Project(shutil.copytree(begun.root, tmp_path / "project", symlinks=True))
    forget(project)
    return Editor(project, tmp_path)


NAMES = {value: name.lower() for name, value in globals().items() if name.isupper() and isinstance(value, str | tuple)}


@pytest.mark.parametrize(
    ("stage", "script", "edits"),
    VARIANTS,
    ids=[
        "-".join([NAMES[script], *(f"{NAMES[how]}_when_{NAMES[moment]}" for moment, how in edits)])
        for _, script, edits in VARIANTS
    ],
)
def test_an_edit_under_way_leaves_no_wrong_record(
    editor: Editor, truth: dict[tuple[str, str], str], stage: str, script: str, edits: list[tuple[Moment, str]]
) -> None:
    before = editor.project.read("dvc.lock")
    ended = editor.repro(stage, [(moment, f"{script}; {how}") for moment, how in edits], "--force")
    made_from, made = editor.recorded(stage)
    if ended.returncode == 0:
        assert truth[stage, made_from] == made
    else:
        said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        assert len(said) == 1 and said[0].endswith("run the stage again"), ended.stderr
        assert editor.project.read("dvc.lock") == before
    again = editor.repro(stage, [])
    made_from, made = editor.recorded(stage)
    assert again.returncode == 0 and truth[stage, made_from] == made
    assert editor.temporaries() == []
