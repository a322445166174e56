"""A small real DVC project that knows nothing of machine learning."""

from pathlib import Path

from dvc_project import Project

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
        while step >= 3 and pathlib.Path("hold").exists():
            time.sleep(0.05)
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


def make_example(root: Path) -> Project:
    """The project at `root`, after one `dvc repro` and one commit."""
    project = Project(root)
    project.write("dvc.yaml", DVC_YAML)
    project.write("params.yaml", PARAMS_YAML)
    project.write("work.py", WORK_PY)
    project.write("raw.txt", "some data\n")
    project.write("words.txt", "some words\n")
    project.write("code/a.py", "A = 1\n")
    project.write("code/b.py", "B = 1\n")
    project.write(".gitignore", "/logs/\n/.scratch/\n")
    project.write(".dvcignore", "/logs/\n/.scratch/\n")
    project.git("init", "-q", "-b", "main")
    project.dvc("init", "-q")
    project.dvc("repro", "-q")
    project.commit("first results")
    return project
