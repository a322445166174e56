"""A small real DVC project that knows nothing of machine learning, and the gestures of its user."""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

DVC_YAML = """\
stages:
  prepare:
    cmd: python work.py copy raw.txt data.txt
    deps: [raw.txt, work.py]
    outs: [data.txt]
  train:
    matrix:
      seed: [0, 1]
    cmd: python work.py train data.txt models/run-${item.seed} ${train.steps} ${train.seconds} logs/${item.seed}.jsonl
    deps: [data.txt, work.py, code]
    params: [train]
    outs: ["models/run-${item.seed}"]
    meta:
      prefect: {tags: [gpu], timeout: 5m, progress: "logs/${item.seed}.jsonl"}
  score:
    matrix:
      seed: [0, 1]
    cmd: python work.py score models/run-${item.seed}/last.txt score-${item.seed}.json
    deps: [work.py, "models/run-${item.seed}/last.txt"]
    params: [score]
    metrics: ["score-${item.seed}.json"]
  notes:
    cmd: python work.py copy words.txt notes.txt
    deps: [words.txt]
    outs: [notes.txt]
  report:
    cmd: python work.py report score-0.json score-1.json report.html
    deps: [score-0.json, score-1.json]
    params: [report.title]
    outs: [report.html]
"""

PARAMS_YAML = """\
# how long the imitation of training takes
train:
  steps: 3  # lines of the model
  seconds: 0.0
score:
  samples: 4
  scale: 1.0
report:
  title: results
"""

WORK_PY = """\
import json, os, pathlib, sys, time
import yaml

params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
verb, *args = sys.argv[1:]
if (log := os.environ.get("CALLS")):
    with open(log, "a") as file:
        file.write(f"{os.environ['DVC_STAGE']}\\n")
if verb == "copy":
    text = pathlib.Path(args[0]).read_text()
    if "poison" in text:
        sys.exit(f"{args[0]}: poison found")
    pathlib.Path(args[1]).write_text(text)
elif verb == "train":
    data, folder, steps, seconds, log = args
    folder, scratch = pathlib.Path(folder), pathlib.Path(".scratch") / folder
    folder.mkdir(parents=True, exist_ok=True)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(log).parent.mkdir(exist_ok=True)
    done = int(scratch.read_text()) if scratch.exists() else 0
    if done:
        print(f"resumed at step {done}", flush=True)
    for step in range(done + 1, int(steps) + 1):
        time.sleep(float(seconds))
        scratch.write_text(str(step))
        with open(log, "a") as file:
            file.write(json.dumps({"step": step, "steps": int(steps), "loss": 1 / step}) + "\\n")
        print("step", step, flush=True)
    lines = "".join(f"{folder.name} step {step}\\n" for step in range(1, int(steps) + 1))
    (folder / "all.txt").write_text(pathlib.Path(data).read_text() + lines)
    (folder / "last.txt").write_text(lines.splitlines()[-1])
    scratch.unlink()
elif verb == "score":
    value = int(pathlib.Path(args[0]).read_text().split()[-1]) * params["score"]["samples"]
    pathlib.Path(args[1]).write_text(json.dumps({"model": args[0], "score": value * params["score"]["scale"]}))
elif verb == "report":
    scores = [json.loads(pathlib.Path(name).read_text())["score"] for name in args[:-1]]
    pathlib.Path(args[-1]).write_text(f"<h1>{params['report']['title']}</h1>{scores}")
"""


@dataclass(frozen=True)
class Project:
    """A DVC project on disk, with the few gestures of a user."""

    root: Path

    def dvc(self, *args: str, check: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *args],
            cwd=self.root,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
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
        """Everything the pipeline writes, and its lock file, byte for byte."""
        names = ["data.txt", "notes.txt", "report.html", "score-0.json", "score-1.json", "dvc.lock"]
        folders = [path.relative_to(self.root).as_posix() for path in sorted((self.root / "models").glob("*/*.txt"))]
        return {name: (self.root / name).read_bytes() for name in names + folders}


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
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
