"""A real vLLM server behind the real stages: as teacher, and as what an evaluation or a benchmark samples."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from small_project import Project, differing, rows
from transformers import PreTrainedModel
from vllm_server import Served, serving

from effopd.evaluation.records import read_records
from effopd.files import hash_path, read_json
from effopd.models.folder import WEIGHTS
from effopd.models.store import load_model, load_tokenizer
from effopd.models.weights import load_weights, save_weights
from effopd.rollout.sampler import Rollout, sample
from effopd.tasks.arithmetic import TASK, solve
from effopd.tasks.problems import Problem, write_problems
from effopd.train.forward import completion_logits

pytest.importorskip("vllm", reason="make test-engines installs it")

SUMS = [f"{a}{sign}{b}?" for a in range(1, 10, 2) for sign in "+-*" for b in (2, 7)]


@pytest.fixture(scope="module")
def served(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(trained, "models/teacher", tmp_path_factory.mktemp("server") / "log") as server:
        yield server


def test_a_teachers_folder_is_pinned_by_its_content(another: Callable[[], Project]) -> None:
    project = another()
    project.set("teacher", source="models/base")
    project.set("opd", steps=1)
    digest = hash_path(project.root / "models/base")[:40]
    line = project.fail("opd", "--replicate", "0")[-1]
    assert f"teacher.revision: models/base holds {digest}; write this" in line
    project.set("teacher", revision=digest)
    project.run("opd", "--replicate", "0")
    (row,) = rows(project.root / "models/opd-0/metrics.jsonl")
    assert row["reverse_kl"] < 1e-6 and row["loss"] < 1e-6, "the student is its own teacher"


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


class Hiccups(BaseHTTPRequestHandler):
    """Stands before a real server, refuses one request for completions and drops the connection of the next."""

    def do_GET(self) -> None:
        self.pass_on(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/completions" and self.server.left:  # type: ignore[attr-defined]
            if self.server.left.pop() == "refused":  # type: ignore[attr-defined]
                self.send_error(503)
            else:
                self.close_connection = True
            return
        self.pass_on(body)

    def pass_on(self, body: bytes | None) -> None:
        request = urllib.request.Request(self.server.url + self.path, body, {"Content-Type": "application/json"})  # type: ignore[attr-defined]
        with urllib.request.urlopen(request) as answer:
            self.send_response(answer.status)
            self.end_headers()
            self.wfile.write(answer.read())


def test_a_run_goes_on_when_its_teachers_server_hiccups(served: Served, another: Callable[[], Project]) -> None:
    found = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Hiccups) as between:
        between.url, between.left = served.url, ["dropped", "refused"]  # type: ignore[attr-defined]
        threading.Thread(target=between.serve_forever, daemon=True).start()
        for url in (served.url, f"http://127.0.0.1:{between.server_port}"):
            project = another()
            project.set("teacher", engine="served", url=url)
            project.set("opd", steps=2)
            project.run("opd", "--replicate", "0")
            found.append(rows(project.root / "models/opd-0/metrics.jsonl"))
        between.shutdown()
        assert between.left == []  # type: ignore[attr-defined]
    for row, expected in zip(*found, strict=True):
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)


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
    line = project.fail("opd", "--replicate", "0")[-1]
    assert line == "error: params.yaml: teacher.named: prompts to train on ask for 'sums', which it does not hold"
    sums = {"source": "models/teacher", "revision": "", "engine": "served", "url": served.url}
    project.set("teacher", named={"sums": sums})
    project.run("opd", "--replicate", "0")
    alone.run("opd", "--replicate", "0")
    (row,), (expected,) = (rows(each.root / "models/opd-0/metrics.jsonl") for each in (project, alone))
    assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_a_server_that_is_not_there_or_serves_something_else_is_one_line(
    served: Served, another: Callable[[], Project]
) -> None:
    project = another()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
    project.set("teacher", engine="served", url=nowhere)
    line = project.fail("opd", "--replicate", "0")[-1]
    assert line.startswith(f"error: {nowhere}/v1/models: no vLLM server answers (")
    project.set("teacher", url=served.url, source="models/other")
    line = project.fail("opd", "--replicate", "0")[-1]
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
        sampled, greedy = served.project.effopd("evaluate", "models/teacher", "--samples", "64", *more).splitlines()
        figures.append((float(sampled.split()[1]), float(greedy.split()[1])))
    (here, greedy_here), (there, greedy_there) = figures
    assert greedy_there == greedy_here
    assert 0 < here < 1 and abs(here - there) < 5 * (0.25 / 512) ** 0.5


# The stage `benchmark`


def set_benchmark(project: Project, answers: list[str], **values: object) -> None:
    """A benchmark `sums` of the built-in world's task, put in the place of one from a file that `prepare` has read."""
    (project.root / "data/sources/sums.jsonl").write_text('{"prompt": "1+1?", "answer": "2", "task": "exact"}\n')
    project.set("benchmark", datasets=["sums"], max_new_tokens=12, **values)
    project.run("prepare")
    problems = [Problem(TASK, prompt, answer) for prompt, answer in zip(SUMS, answers, strict=True)]
    write_problems(project.root / "data/benchmarks/sums.parquet", problems)


def test_a_benchmark_of_a_served_run_has_the_records_of_one_in_the_same_process(
    another: Callable[[], Project], trained: Project, tmp_path: Path
) -> None:
    """A run so sure of its tokens that each sample is the greedy completion, whoever draws it; half are right."""
    project = another()
    run = project.root / "models/sure"
    shutil.copytree(trained.root / "models/opd-0", run)
    final = run / "step-000004"
    unsure, tokenizer = load_model(final), load_tokenizer(final)
    greedy = sample(unsure, tokenizer, SUMS, 12, None)
    assert least_lead(unsure, greedy) > 1e-3, "a token that is nearly as likely might be taken by rounding"
    weights = {name: weight.clone() for name, weight in load_weights(final / WEIGHTS).items()}
    weights["model.norm.weight"] *= 1e5  # and with it every logit
    save_weights(final / WEIGHTS, weights)
    said = [text.partition("#")[2] for text in greedy.texts]
    set_benchmark(project, [text if i % 2 else f"not {text}" for i, text in enumerate(said)], samples=2)

    project.run("benchmark", "--run", "sure", "--dataset", "sums")
    folder, here = project.root / "reports/benchmarks/sure/sums", tmp_path / "here"
    shutil.move(folder, here)
    with serving(project, "models/sure/step-000004", tmp_path / "log") as server:
        project.set("benchmark", url=server.url)
        project.run("benchmark", "--run", "sure", "--dataset", "sums")
        assert server.completions() == 2 * len(SUMS)
    assert differing(here, folder) == []
    records = read_records(folder / "records.parquet")
    assert [record.completion for record in records] == [text for text in greedy.texts for _ in range(2)]
    assert [record.tokens for record in records] == [int(n) for n in greedy.lengths_B for _ in range(2)]
    assert [record.score for record in records] == [float(i % 2) for i in range(len(SUMS)) for _ in range(2)]
    assert read_json(folder / "metrics.json")["accuracy"] == 0.5
    assert len(set(greedy.texts)) > 9, "the same answer to all would hide exchanged ones"

    line = project.fail("benchmark", "--run", "sure", "--dataset", "sums")[-1]  # the server is gone
    assert line.startswith(f"error: {server.url}/v1/models: no vLLM server answers (")


def least_lead(model: PreTrainedModel, greedy: Rollout) -> float:
    """How far the likeliest token is ahead of the next, in nats, where that is least."""
    leads = []
    for logits_TV, mask_T in zip(completion_logits(model, greedy), greedy.mask_BT, strict=True):
        best_T2 = logits_TV[mask_T.bool()].topk(2).values
        leads.append((best_T2[:, 0] - best_T2[:, 1]).min().item())
    return min(leads)


def test_a_served_benchmark_goes_on_where_it_was_killed_in_batches_of_any_size(
    served: Served, another: Callable[[], Project], tmp_path: Path
) -> None:
    """Samples at temperature 1 have seeds of their own; records that the journal holds are not asked for again."""
    project = another()
    set_benchmark(project, [solve(prompt) for prompt in SUMS], samples=4, url=served.url)
    project.run("benchmark", "--run", "teacher", "--dataset", "sums")
    folder, whole = project.root / "reports/benchmarks/teacher/sums", tmp_path / "whole"
    shutil.move(folder, whole)
    (journal,) = (project.root / ".scratch/benchmark").rglob("*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:50]) + lines[50][:20])
    before = served.completions()
    project.set("benchmark", batch_size=7)
    project.run("benchmark", "--run", "teacher", "--dataset", "sums")
    assert served.completions() - before == 4 * len(SUMS) - 50
    assert differing(whole, folder) == []
    records = read_records(folder / "records.parquet")
    assert 0 < sum(record.score for record in records) < len(records)
    assert any(one.completion != two.completion for one, two in pairwise(records) if one.problem == two.problem)
