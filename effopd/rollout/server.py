"""A vLLM server's OpenAI-compatible API, over plain HTTP and without a client library."""

from __future__ import annotations

import bisect
import json
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from transformers import PreTrainedTokenizerBase

from effopd.files import DataError

TIMEOUT = 600.0
"""Seconds to wait for an answer."""

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before a request for completions is repeated: a server that is started anew is there again by then."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be others a moment later."""
BATCH, SIDE_BY_SIDE = 16, 8
"""Prompts of a request, and requests at a time."""

KEY = "EFFOPD_API_KEY_"
"""What the name of the environment variable with a server's key begins with; the server's host follows."""


class _HiccupError(DataError):
    """What may be gone a moment later."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Elsewhere is not where the URL says to go, and a key must not get there."""

    def redirect_request(self, *_: Any) -> None:
        return None


_log = logging.getLogger(__name__)
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
        """The choices of `/v1/completions`, one for each prompt of token ids.

        Prompts go out in batches, side by side, and each again for a while where the server or the way to it fails.
        Raises `DataError`.
        """
        batches = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]

        def ask(batch: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
            answer = self.ask("/v1/completions", {"model": self.model, "prompt": batch, **options}, WAITS)
            try:
                choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
            except (KeyError, TypeError, ValueError):
                choices = []
            if len(choices) != len(batch):
                raise DataError(f"{self.url}: {len(choices)} completions came back of {len(batch)} prompts")
            return choices

        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            return [choice for choices in pool.map(ask, batches) for choice in choices]

    def ask(self, path: str, body: dict[str, Any] | None = None, waits: Sequence[float] = ()) -> Any:
        """The answer to a request, a POST where it has a body; repeated after each of `waits` seconds if it might help.

        Raises `DataError` with one line that names the URL.
        """
        for wait in waits:
            try:
                return self._ask_once(path, body)
            except _HiccupError as error:
                _log.warning("%s; asked again in %g s", error, wait)
                time.sleep(wait)
        return self._ask_once(path, body)

    def _ask_once(self, path: str, body: dict[str, Any] | None) -> Any:
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
            kind = _HiccupError if error.code in PASSING else DataError
            raise kind(f"{url}: the server refuses ({error.code}): {said}{wanted}") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _HiccupError(f"{url}: no vLLM server answers ({reason}); start one with `vllm serve`") from None
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
