"""A server that fails for a moment is asked again, and one that says nothing of a token is one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import tiny

from effopd.files import DataError
from effopd.rollout.sampler import Rollout, sample
from effopd.rollout.server import BATCH, WAITS, Server
from effopd.seeding import uniforms
from effopd.teachers.served import ServedTeacher

DROPPED = 0


class Scripted(BaseHTTPRequestHandler):
    """Answers requests for completions as told, one after another, and then as a server does."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:  # type: ignore[attr-defined]
            self.server.asked.append(asked)  # type: ignore[attr-defined]
            status = self.server.script.pop(0) if self.server.script else 200  # type: ignore[attr-defined]
        if status == DROPPED:
            self.close_connection = True
            return
        self.send_response(status)
        self.end_headers()
        answer = [self.server.choice(place, prompt) for place, prompt in enumerate(asked["prompt"])]  # type: ignore[attr-defined]
        self.wfile.write(json.dumps({"choices": answer[::-1]}).encode() if status == 200 else b"busy")

    def log_message(self, *arguments: object) -> None:
        pass


def told(place: int, prompt: list[int], logprob: float | None = -1.5) -> dict[str, Any]:
    positions = [None, *({str(token): {"logprob": logprob, "rank": 1}} for token in prompt[1:])]
    return {"index": place, "prompt_logprobs": positions}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr("effopd.rollout.server.WAITS", [0.0] * len(WAITS))
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as found:
        found.script, found.asked, found.choice, found.lock = [], [], told, threading.Lock()  # type: ignore[attr-defined]
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def client(server: Any) -> Server:
    return Server(f"http://127.0.0.1:{server.server_port}", "models/teacher")


@pytest.fixture(scope="module")
def drawn() -> Rollout:
    prompts = [problem.prompt for problem in tiny.problems(3)]
    return sample(tiny.model(), tiny.tokenizer(), prompts, 4, uniforms(1, range(3), 4))


@pytest.mark.parametrize("script", [[503], [DROPPED], [502, DROPPED, 429, 504]])
def test_a_server_that_fails_for_a_moment_is_asked_again(server: Any, script: list[int]) -> None:
    server.script += script
    (choice,) = client(server).complete([[1, 2]])
    assert choice["index"] == 0 and len(server.asked) == len(script) + 1


@pytest.mark.parametrize(("script", "requests"), [([400], 1), ([401], 1), ([503] * 99, len(WAITS) + 1)])
def test_a_server_that_refuses_or_goes_on_failing_is_one_line(server: Any, script: list[int], requests: int) -> None:
    server.script += script
    with pytest.raises(DataError, match=rf"/v1/completions: the server refuses \({script[0]}\): busy"):
        client(server).complete([[1, 2]])
    assert len(server.asked) == requests


def test_many_prompts_go_out_in_batches_and_come_back_in_order(server: Any) -> None:
    prompts = [[1, token] for token in range(3 * BATCH + 5)]
    choices = client(server).complete(prompts)
    assert [list(choice["prompt_logprobs"][1]) for choice in choices] == [[str(token)] for _, token in prompts]
    assert sorted(len(asked["prompt"]) for asked in server.asked) == [5, BATCH, BATCH, BATCH]


@pytest.mark.parametrize(
    "choice",
    [
        lambda place, prompt: told(place, prompt, None),
        lambda place, prompt: {"index": place, "prompt_logprobs": None},
        lambda place, prompt: {"index": place},
        lambda place, prompt: told(place, prompt[:-1]),
        lambda place, prompt: {"index": place, "prompt_logprobs": [None, *[{}] * (len(prompt) - 1)]},
    ],
    ids=["null", "no list", "nothing", "a token fewer", "no candidates"],
)
def test_a_teacher_that_says_nothing_of_a_token_is_one_line(server: Any, drawn: Rollout, choice: Any) -> None:
    server.choice = choice
    with pytest.raises(DataError) as caught:
        ServedTeacher(client(server), 20, -1).judge(drawn, [""] * 3, 0)
    assert "\n" not in str(caught.value) and "token" in str(caught.value)


def test_a_served_teacher_tells_what_its_server_does(server: Any, drawn: Rollout) -> None:
    judgement = ServedTeacher(client(server), 20, -1).judge(drawn, [""] * 3, 0)
    assert (judgement.given[2][drawn.mask_BT.bool()] == -1.5).all()
