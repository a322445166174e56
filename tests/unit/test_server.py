"""What is said when the server of a teacher or of an evaluated model is not one; real ones are in tests/engines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tiny

from effopd.files import DataError
from effopd.rollout.server import Server


class Other(BaseHTTPRequestHandler):
    """Something else that listens there."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/page/v1/models" else 403)
        self.end_headers()
        self.wfile.write(b"<html>\nhello</html>")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def listening() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def message(url: str) -> str:
    with pytest.raises(DataError) as caught:
        Server(url, "models/teacher").check(tiny.tokenizer())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_something_else_that_listens_is_named(listening: str) -> None:
    assert message(listening) == f"{listening}/v1/models: the server refuses (403): <html> hello</html>"
    assert message(f"{listening}/page/") == (
        f"{listening}/page/v1/models: the answer is not JSON; is this a vLLM server?"
    )


def test_nobody_who_listens_is_named() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        url = f"http://127.0.0.1:{server.server_port}"
    assert message(url).startswith(f"{url}/v1/models: no vLLM server answers (")


def test_a_name_that_no_machine_has_is_one_line() -> None:
    assert "no vLLM server answers (" in message("http://nobody.invalid:1")
