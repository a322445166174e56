"""A DVC project on disk, the gestures of its user, and an environment in which their own settings play no part."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import pipeline  # noqa: F401  (switches usage reporting off before anything else imports DVC or Prefect)


def environment_of_its_own(site: Path) -> dict[str, str]:
    """`python` is this interpreter, git knows a name, and DVC's hash database is in the folder `site`."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(site),
        **{f"GIT_{role}_NAME": "tester" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "tester@example.org" for role in ("AUTHOR", "COMMITTER")},
    }


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TQDM_DISABLE", raising=False)  # what unit tests set for themselves; bars tell where a run began
        for name, value in environment_of_its_own(tmp_path_factory.mktemp("site")).items():
            patch.setenv(name, value)
        yield


@dataclass(frozen=True)
class Project:
    """A DVC project on disk, with the few gestures of a user."""

    root: Path

    def dvc(self, *args: str, check: bool = True, timeout: float = 900) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *args],
            cwd=self.root,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *args: str) -> str:
        return subprocess.run(
            ["git", *args], cwd=self.root, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def set_param(self, section: str, key: str, value: object) -> None:
        params = yaml.safe_load(self.read("params.yaml"))
        params[section][key] = value
        self.write("params.yaml", yaml.safe_dump(params))

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def outputs(self) -> dict[str, bytes]:
        """Everything that the pipeline has written, and its lock file, byte for byte."""
        lock = yaml.safe_load(self.read("dvc.lock"))
        outs = {self.root / out["path"] for stage in lock["stages"].values() for out in stage["outs"]}
        files = [file for out in outs for file in (out.rglob("*") if out.is_dir() else [out]) if file.is_file()]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in [*files, self.root / "dvc.lock"]}


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def no_locks(project: Project) -> bool:
    """Nobody holds, or seems to hold, anything in the project: neither DVC's two locks nor the lock of a run."""
    table = project.root / ".dvc/tmp/rwlock"
    free = not table.exists() or not any(json.loads(table.read_text()).values())
    for name in (".dvc/tmp/lock", ".dvc/tmp/prefect/lock"):
        if not (project.root / name).exists():
            continue
        with (project.root / name).open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
    return free
