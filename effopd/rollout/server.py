"""A vLLM server's OpenAI-compatible API, over plain HTTP and without a client library."""

from __future__ import annotations

import bisect
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from transformers import PreTrainedTokenizerBase

from effopd.files import DataError

TIMEOUT = 600.0
"""Seconds to wait for an answer."""

KEY = "EFFOPD_API_KEY_"
"""What the name of the environment variable with a server's key begins with; the server's host follows."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Elsewhere is not where the URL says to go, and a key must not get there."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)  # the URL says where to go


@dataclass(frozen=True)
class Server:
    """url: of the server, without a path. model: the name under which it serves the model.

    A server that wants a key gets that of its own host, from the environment: see `KEY`. Raises `DataError` for a URL
    that holds one.
    """

    url: str
    model: str

    def __post_init__(self) -> None:
        if set("@?#") & set(self.url):
            raise DataError(
                f"a server's URL is its address alone; its key is looked for in {KEY}HOST, see docs/safety.md"
            )

    def complete(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[dict[str, Any]]:
        """The choices of `/v1/completions`, one for each prompt of token ids. Raises `DataError`."""
        answer = self.ask("/v1/completions", {"model": self.model, "prompt": prompts, **options})
        return sorted(answer["choices"], key=lambda choice: choice["index"])

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer to a request, a POST where it has a body. Raises `DataError` with one line that names the URL."""
        url = self.url.rstrip("/") + path
        data = None if body is None else json.dumps(body).encode()
        key = os.environ.get(key_variable(self.url), "")
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(url, data, headers)  # noqa: S310 - params allow http alone
        try:
            with _opener.open(request, timeout=TIMEOUT) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            said = " ".join(error.read().decode(errors="replace").split())[:300]
            if key:
                said = said.replace(key, "…")
            wanted = f"; its key is looked for in {key_variable(self.url)}" if error.code in (401, 403) else ""
            raise DataError(f"{url}: the server refuses ({error.code}): {said}{wanted}") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise DataError(f"{url}: no vLLM server answers ({reason}); start one with `vllm serve`") from None
        except (ValueError, RecursionError):
            raise DataError(f"{url}: the answer is not JSON; is this a vLLM server?") from None

    def check(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raises `DataError` when the server does not answer, serves another model, or has other tokens."""
        served = [str(model["id"]) for model in self.ask("/v1/models")["data"]]
        if self.model not in served:
            raise DataError(
                f"{self.url} serves {', '.join(served)}, not {self.model}; serve it under this name with "
                f"`vllm serve … --served-model-name {self.model}`"
            )
        size = max(tokenizer.get_vocab().values()) + 1

        def differs(count: int) -> bool:
            """Whether the first `count` tokens spell different texts."""
            theirs = self.ask("/detokenize", {"model": self.model, "tokens": list(range(count))})["prompt"]
            return bool(theirs != tokenizer.decode(list(range(count))))

        if differs(size):
            first = bisect.bisect_left(range(1, size + 1), True, key=differs)
            raise DataError(
                f"{self.url}: {self.model} has another tokenizer than the student: token {first} is not "
                f"{tokenizer.convert_ids_to_tokens(first)!r} there"
            )


def key_variable(url: str) -> str:
    """The environment variable with the key of the server at `url`: of its host alone, so that no other gets it."""
    return KEY + re.sub(r"[^A-Z0-9]", "_", (urlsplit(url).hostname or "").upper())
