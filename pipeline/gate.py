"""Who may use what listens on loopback: programs that know its secret, and pages that it has served itself.

Every page that is open in a browser on this machine can send requests to 127.0.0.1, under any host name that an
attacker's DNS points there. So whatever a request carries, it is answered only if its Host is a name of this machine,
its Origin (where a browser names one, for WebSockets too) is the server itself, and no other site has caused it. Who
asks is the business of the server behind the gate; a link whose fragment holds the secret gives it to a browser.
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OURS = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
ENTER = "/enter"
# What browsers are told: no frame, no use by other sites, no guessing of types.
ARMOUR = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
# Prefect's pages read their password from the storage of their own origin, port included. A fragment is sent nowhere.
SCRIPT = """\
localStorage.setItem("prefect-password", btoa(location.hash.slice(1)));
location.replace("/deployments");
"""
PAGE = f"<!doctype html><title>Prefect</title><script>{SCRIPT}</script>"
ONLY_SCRIPT = (
    f"default-src 'none'; script-src 'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
)


def refusal(method: str, headers: Iterable[tuple[str, str]]) -> str | None:
    """Why a request with these headers is not answered, or None."""
    named: dict[str, list[str]] = {}
    for name, value in headers:
        named.setdefault(name.lower(), []).append(value)
    hosts = named.get("host", [])
    if len(hosts) != 1 or not OURS.fullmatch(hosts[0]):
        return "this server answers to 127.0.0.1 and localhost alone"
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in named.get("origin", [])):
        return "a page of another origin may not use this server"
    opened = method in ("GET", "HEAD") and named.get("sec-fetch-dest") == [
        "document"
    ]  # by a link, as a page of its own
    if not opened and not {*named.get("sec-fetch-site", [])} <= {"same-origin", "none"}:
        return "a page of another site may not use this server"
    return None


class Gate:
    """An ASGI application that passes on to `app` what may come in."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        complaint = refusal(scope.get("method", "GET"), headers)
        if complaint is not None:
            await _refuse(scope, send, complaint)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif scope["path"] == ENTER:
            await _answer(_armoured(send), 200, PAGE, "text/html", {"Content-Security-Policy": ONLY_SCRIPT})
        else:
            await self._app(scope, receive, _armoured(send))


async def _refuse(scope: Message, send: Send, complaint: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the browser gets a 403
    else:
        await _answer(_armoured(send), 403, complaint, "text/plain")


async def _answer(
    send: Send, status: int, body: str, kind: str, headers: MutableMapping[str, str] | None = None
) -> None:
    lines = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-store", **(headers or {})}
    await send({"type": "http.response.start", "status": status, "headers": _encoded(lines)})
    await send({"type": "http.response.body", "body": body.encode()})


def _armoured(send: Send) -> Send:
    async def armoured(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_encoded(ARMOUR)]
        await send(message)

    return armoured


def _encoded(headers: MutableMapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
