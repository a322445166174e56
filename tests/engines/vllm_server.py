"""A real vLLM server for one model of a project."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from small_project import Project


@dataclass
class Served:
    """A project one of whose models a server serves, under the name of its folder."""

    project: Project
    url: str
    log: Path

    def completions(self) -> int:
        """Requests for completions that the server has answered."""
        return self.log.read_text().count('"POST /v1/completions HTTP/1.1" 200')


@contextmanager
def serving(project: Project, model: str, log: Path) -> Iterator[Served]:
    port = free_port()
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model,
        "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager",
        "--max-logprobs", "-1", "--gpu-memory-utilization", "0.1", "--generation-config", "vllm",
    ]  # fmt: skip
    environment = project.environment | {"TORCHDYNAMO_DISABLE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as stream:
        server = subprocess.Popen(
            command, cwd=project.root, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 300
        while not (up := answers(f"http://127.0.0.1:{port}/health")) and time.monotonic() < deadline:
            assert server.poll() is None, log.read_text()[-3000:]
            time.sleep(0.5)
        assert up, log.read_text()[-3000:]
        yield Served(project, f"http://127.0.0.1:{port}", log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def free_port() -> int:
    """A free port, below those that outgoing connections are given."""
    for port in random.sample(range(20_000, 32_000), 100):
        try:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                return port
        except OSError:
            continue
    raise AssertionError("no port is free")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
