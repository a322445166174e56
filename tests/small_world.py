"""The project as it stands in the working tree, at sizes that finish in minutes."""

import shutil
import subprocess
from pathlib import Path

from dvc_project import Project
from ruamel.yaml import YAML

SOURCE = Path(__file__).resolve().parents[1]

SMALL = {
    "run": {"replicates": [0], "threads": 1},
    "data": {"operations": 2, "train": 64, "validation": 8, "dev": 8, "test": 16},
    "model": {"hidden_size": 32, "layers": 2, "mlp_size": 48},
    "base": {"steps": 12, "batch_size": 16},
    "rollout": {"max_new_tokens": 16},
    "rl": {"steps": 4, "prompts_per_step": 4, "group_size": 4},
    "opd": {"steps": 8, "prompts_per_step": 8, "sweep": [0.001], "sweep_steps": 4},
    "effopd": {"steps": 4, "samples": 1},
    "evaluate": {"samples": 2, "pass_at": [1, 2], "resamples": 100},
}
SMALL_DEMONSTRATIONS = {"examples": 256, "min_operations": 1, "max_operations": 3}


def make_small(root: Path) -> Project:
    """A project at `root` with all sources, small sizes, one commit and nothing run."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=SOURCE, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (SOURCE / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(SOURCE / name, root / name)
    (root / "dvc.lock").unlink(missing_ok=True)
    params = YAML()
    values = params.load(root / "params.yaml")
    for section, keys in SMALL.items():
        values[section].update(keys)
    values["data"]["demonstrations"].update(SMALL_DEMONSTRATIONS)
    params.dump(values, root / "params.yaml")
    project = Project(root)
    project.git("init", "-q", "-b", "main")
    project.commit("sources")
    return project
