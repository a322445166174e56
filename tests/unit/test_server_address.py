"""What is said when the server of a teacher or of an evaluated model is not one; real ones are in tests/engines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tiny

from effopd.files import DataError
from effopd.rollout.server import Server, key_variable


class Other(BaseHTTPRequestHandler):
    """Something else that listens there, and sends whoever asks for it elsewhere."""

    def do_GET(self) -> None:
        self.server.heard.append((self.path, self.headers.get("Authorization")))  # type: ignore[attr-defined]
        if self.path.startswith("/elsewhere"):
            self.send_response(307)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/page/v1/models")  # type: ignore[attr-defined]
            self.end_headers()
            return
        self.send_response(200 if self.path == "/page/v1/models" else 403)
        self.end_headers()
        self.wfile.write(b"<html>\nhello " + self.headers.get("Authorization", "").encode() + b"</html>")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def listening() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        server.heard = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        heard[f"http://127.0.0.1:{server.server_port}"] = server.heard  # type: ignore[attr-defined]
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


heard: dict[str, list[tuple[str, str | None]]] = {}
"""By URL, the paths that were asked for and the keys that came with them."""


def message(url: str) -> str:
    with pytest.raises(DataError) as caught:
        Server(url, "models/teacher").check(tiny.tokenizer())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_something_else_that_listens_is_named(listening: str) -> None:
    assert message(listening) == (
        f"{listening}/v1/models: the server refuses (403): <html> hello </html>; "
        "its key is looked for in EFFOPD_API_KEY_127_0_0_1"
    )
    assert message(f"{listening}/page/") == (
        f"{listening}/page/v1/models: the answer is not JSON; is this a vLLM server?"
    )


def test_nobody_who_listens_is_named() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        url = f"http://127.0.0.1:{server.server_port}"
    assert message(url).startswith(f"{url}/v1/models: no vLLM server answers (")


def test_a_name_that_no_machine_has_is_one_line() -> None:
    assert "no vLLM server answers (" in message("http://nobody.invalid:1")


def test_a_key_goes_to_its_own_host_alone_and_into_no_message(listening: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFFOPD_API_KEY_127_0_0_1", "k3y")
    monkeypatch.setenv("EFFOPD_API_KEY_OTHER_LAB", "another")
    assert "k3y" not in message(listening)
    assert "the server refuses (307)" in message(f"{listening}/elsewhere")
    message(listening.replace("127.0.0.1", "localhost"))
    assert heard[listening] == [
        ("/v1/models", "Bearer k3y"), ("/elsewhere/v1/models", "Bearer k3y"), ("/v1/models", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url", ["http://me:s3cret@host:8000", "http://s3cret@host", "https://host/?key=s3cret", "http://h#s3cret"]
)
def test_a_url_with_a_key_in_it_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(DataError, match="its address alone") as caught:
        Server(url, "models/teacher")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [("http://teacher-1.lab:8000", "TEACHER_1_LAB"), ("https://HOST/v1", "HOST"), ("http://[::1]:80", "__1")],
)
def test_the_variable_of_a_key_is_named_after_the_host(url: str, name: str) -> None:
    assert key_variable(url) == f"EFFOPD_API_KEY_{name}"
