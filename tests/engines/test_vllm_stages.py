"""The real stages with real vLLM: as sampler, as teacher, behind a URL, and on two ranks of real DeepSpeed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_project import Project

from effopd.files import hash_path

pytest.importorskip("vllm", reason="make test-engines installs it")

SAMPLER = {"engine": "vllm", "gpu_memory": 0.1}
MEMORY = {"gpu_memory": 0.2}  # of which the sampler in the same process has taken its part


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def differing(one: Path, two: Path) -> list[str]:
    """Files of two folders that are not the same bytes."""
    files = sorted(file.relative_to(one) for file in one.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(two) for file in two.rglob("*") if file.is_file())
    return [str(file) for file in files if (one / file).read_bytes() != (two / file).read_bytes()]


def failing(project: Project, stage: str, *arguments: str) -> str:
    """The last line of a stage that must fail without a traceback."""
    done = subprocess.run(
        project.command(stage, *arguments),
        cwd=project.root,
        env=project.environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr[-3000:]
    return done.stderr.strip().splitlines()[-1]


def test_a_killed_effopd_run_sampled_by_vllm_goes_on_and_ends_with_the_same_bytes(
    another: Callable[[], Project],
) -> None:
    whole, killed = another(), another()
    for project in (whole, killed):
        project.set("rollout", **SAMPLER)
        project.set("opd", loss="sampled")
        project.set("effopd", steps=8)
    whole.run("effopd", "--replicate", "0")
    process = subprocess.Popen(
        killed.command("effopd", "--replicate", "0"),
        cwd=killed.root,
        env=killed.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not list((killed.root / ".scratch").glob("effopd-0-*/**/state-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed.root / "models/effopd-0").exists(), "killed too late to show anything"
    killed.run("effopd", "--replicate", "0")
    assert differing(*(project.root / "models/effopd-0" for project in (whole, killed))) == []

    found = whole.root / "models/effopd-0"
    assert any(trigger["accepted"] for trigger in rows(found / "triggers.jsonl")), "a leap must have been made"
    for row in rows(found / "metrics.jsonl"):
        assert 0 < row["sampler_mismatch"] < 1e-5 and abs(row["sampler_ratio"] - 1) < 1e-5


def test_opd_on_two_zero_2_ranks_with_students_and_teacher_run_by_vllm(another: Callable[[], Project]) -> None:
    project = another()
    project.set("engine", name="deepspeed", ranks=2, zero_stage=2)
    project.set("rollout", **SAMPLER)
    project.set("teacher", engine="vllm", top_k=5, **MEMORY)
    project.run("opd", "--replicate", "0")
    for row in rows(project.root / "models/opd-0/metrics.jsonl"):
        assert 0 < row["sampler_mismatch"] < 1e-5 and row["reverse_kl"] > 0


# A server


@dataclass
class Served:
    """A project whose teacher a vLLM server serves as models/teacher."""

    project: Project
    url: str


@pytest.fixture(scope="module")
def served(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = Project(trained.root)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", "models/teacher",
        "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager",
        "--max-logprobs", "-1", "--gpu-memory-utilization", "0.1", "--generation-config", "vllm",
    ]  # fmt: skip
    environment = project.environment | {"TORCHDYNAMO_DISABLE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            command, cwd=project.root, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and server.poll() is None and not answers(f"http://127.0.0.1:{port}/health"):
            time.sleep(0.5)
        assert server.poll() is None, log.read_text()[-3000:]
        yield Served(project, f"http://127.0.0.1:{port}")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_a_served_teacher_trains_as_one_in_the_same_process(served: Served, another: Callable[[], Project]) -> None:
    """The whole vocabulary, and two likeliest tokens with all others as one."""
    for top_k in (0, 2):
        found = []
        for teacher in ({"engine": "served", "url": served.url}, {"engine": "transformers", "url": ""}):
            project = another()
            project.set("teacher", top_k=top_k, **teacher)
            project.set("opd", steps=2)
            project.run("opd", "--replicate", "0")
            found.append(rows(project.root / "models/opd-0/metrics.jsonl"))
        for row, expected in zip(*found, strict=True):
            assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)
        assert max(row["reverse_kl"] for row in found[1]) > 1e-3


def test_prompts_go_to_the_teacher_that_they_name(served: Served, another: Callable[[], Project]) -> None:
    """All to a served teacher by name: as if it were the only one. Without that name, one line."""
    project, alone = another(), another()
    script = (
        "from pathlib import Path; from dataclasses import replace\n"
        "from effopd.tasks.problems import read_problems, write_problems\n"
        "path = Path('data/train.parquet')\n"
        "write_problems(path, [replace(p, teacher='sums') for p in read_problems(path)])\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=project.root, check=True)
    for each in (project, alone):
        each.set("opd", steps=1)
    line = failing(project, "opd", "--replicate", "0")
    assert line == "error: params.yaml: teacher.named: prompts to train on ask for 'sums', which it does not hold"
    sums = {"source": "models/teacher", "revision": "", "engine": "served", "url": served.url}
    project.set("teacher", named={"sums": sums})
    project.run("opd", "--replicate", "0")
    alone.run("opd", "--replicate", "0")
    (row,), (expected,) = (rows(each.root / "models/opd-0/metrics.jsonl") for each in (project, alone))
    assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_a_teachers_folder_is_pinned_by_its_content(another: Callable[[], Project]) -> None:
    project = another()
    project.set("teacher", source="models/base")
    project.set("opd", steps=1)
    digest = hash_path(project.root / "models/base")[:40]
    line = failing(project, "opd", "--replicate", "0")
    assert f"teacher.revision: models/base holds {digest}; write this" in line
    project.set("teacher", revision=digest)
    project.run("opd", "--replicate", "0")
    (row,) = rows(project.root / "models/opd-0/metrics.jsonl")
    assert row["reverse_kl"] < 1e-6 and row["loss"] < 1e-6, "the student is its own teacher"


def test_a_server_that_is_not_there_or_serves_something_else_is_one_line(
    served: Served, another: Callable[[], Project]
) -> None:
    project = another()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
    project.set("teacher", engine="served", url=nowhere)
    line = failing(project, "opd", "--replicate", "0")
    assert line.startswith(f"error: {nowhere}/v1/models: no vLLM server answers (")
    project.set("teacher", url=served.url, source="models/other")
    line = failing(project, "opd", "--replicate", "0")
    assert line.startswith(f"error: {served.url} serves models/teacher, not models/other; serve it under this name")


def test_a_server_with_another_tokenizer_is_refused_by_the_first_token_that_differs(served: Served) -> None:
    from unit import tiny

    from effopd.files import DataError
    from effopd.rollout.server import Server

    alphabet = tiny.ALPHABET
    swapped = alphabet[:5] + alphabet[6] + alphabet[5] + alphabet[7:]
    Server(served.url, "models/teacher").check(tiny.tokenizer())
    with pytest.raises(DataError) as caught:
        Server(served.url, "models/teacher").check(tiny.tokenizer(swapped))
    assert f"another tokenizer than the student: token 7 is not {swapped[5]!r} there" in str(caught.value)


def test_a_served_model_is_evaluated_as_one_in_the_same_process(served: Served) -> None:
    """Greedy decoding gives the same figure; samples are other draws from the same distribution."""
    figures = []
    for more in ([], ["--url", served.url]):
        command = [
            sys.executable,
            "-c",
            "from effopd.cli import main; main()",
            "evaluate",
            "models/teacher",
            "--samples",
            "64",
            *more,
        ]
        done = subprocess.run(
            command,
            cwd=served.project.root,
            env=served.project.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        sampled, greedy = done.stdout.splitlines()
        figures.append((float(sampled.split()[1]), float(greedy.split()[1])))
    (here, greedy_here), (there, greedy_there) = figures
    assert greedy_there == greedy_here
    assert 0 < here < 1 and abs(here - there) < 5 * (0.25 / 512) ** 0.5
