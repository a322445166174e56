"""Nobody but the user gets through to what `make ui` and `make flow` serve: not a page, not another user's program."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
from typing import Any

import httpx
import psutil
import pytest
from dvc_project import Project
from served import BySecret, Server
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from pipeline.server import Access, folder

pytestmark = pytest.mark.slow

REFUSED = (401, 403)
UNHEARD = (400, 403)
PREFECT = Subprotocol("prefect")
SHELL = {"name": "evil", "flow_id": "00000000-0000-0000-0000-000000000000", "pull_steps": [
    {"prefect.deployments.steps.run_shell_script": {"script": "touch stolen"}}]}  # fmt: skip
FOREIGN_HOSTS = [
    "evil.test", "evil.test:{port}", "127.0.0.1.evil.test", "localhost.evil.test:{port}", "0.0.0.0:{port}",
    "127.0.0.1@evil.test", "evil.test#127.0.0.1", "localhost:{port}.evil.test", "127.0.0.1:port", "2130706433:{port}",
]  # fmt: skip
FOREIGN_ORIGINS = [
    "null", "http://evil.test", "http://127.0.0.1", "http://127.0.0.1:{other}", "https://127.0.0.1:{port}", "file://",
    "http://127.0.0.1:{port}.evil.test", "http://localhost:{port}", "http://127.0.0.1:{port}/", "",
]  # fmt: skip
SOCKETS = ["events/out", "events/in", "logs/out", "task_runs/subscriptions/scheduled", "work_pools/dvc/workers/connect"]


@pytest.fixture(params=["ui", "flow"])
def attacked(request: pytest.FixtureRequest) -> Server:
    """The server of the real `make ui`, and the temporary one of `make flow`."""
    if request.param == "ui":
        return request.getfixturevalue("serving")
    access: Access = request.getfixturevalue("temporary")
    return Server(access.port, access.secret)


def filled(text: str, server: Server) -> str:
    return text.format(port=server.port, other=server.port + 1)


def raw(server: Server, *lines: str) -> int:
    """The status that answers a request in just these lines."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        return int(connection.makefile("rb").readline().split()[1])


def tokens(server: Server) -> dict[str, str]:
    """All that the user's own programs have: secret and token."""
    secret = f"Basic {base64.b64encode(server.secret.encode()).decode()}"
    found = server.request("GET", "csrf-token?client=attack").json()["token"]
    return {"Authorization": secret, "Prefect-Csrf-Token": found, "Prefect-Csrf-Client": "attack"}


def test_every_address_of_the_api_asks_for_the_secret(attacked: Server) -> None:
    paths = httpx.get(f"http://127.0.0.1:{attacked.port}/openapi.json").json()["paths"]
    open_to_all = set()
    for path, methods in paths.items():
        address = attacked.api + re.sub(r"[{}]", "", path)
        for method in methods:
            answers = [httpx.request(method, address, auth=auth) for auth in (None, BySecret("wrong"))]
            if not all(answer.status_code in REFUSED for answer in answers):
                open_to_all.add(path)
    assert len(paths) > 100 and open_to_all == {"/health", "/ready"}


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json"])
def test_what_a_page_can_post_creates_nothing(attacked: Server, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    for path in ("deployments/", "flows/", "flow_runs/", "work_pools/", "variables/", "automations/"):
        answer = httpx.post(f"{attacked.api}/{path}", content=json.dumps(SHELL), headers=headers)
        assert answer.status_code in REFUSED, (path, answer.text)


def test_the_secret_alone_changes_nothing_without_a_token(attacked: Server) -> None:
    for method, path in (
        ("POST", "flows/"),
        ("PATCH", "work_pools/dvc"),
        ("DELETE", "work_pools/dvc"),
        ("PUT", "v2/x"),
    ):
        answer = httpx.request(method, f"{attacked.api}/{path}", json={"name": "x"}, auth=BySecret(attacked.secret))
        assert answer.status_code == 403 and "CSRF" in answer.text


def test_another_host_name_is_not_answered_even_with_the_secret(attacked: Server) -> None:
    head = [f"{name}: {value}" for name, value in tokens(attacked).items()]
    for host in FOREIGN_HOSTS:
        for path in ("/api/health", "/api/admin/version", "/", "/enter", "/ui-settings", "/openapi.json"):
            assert raw(attacked, f"GET {path} HTTP/1.1", f"Host: {filled(host, attacked)}", *head) in UNHEARD, host


def test_no_host_or_two_are_not_answered(attacked: Server) -> None:
    head = [f"{name}: {value}" for name, value in tokens(attacked).items()]
    ours = f"Host: 127.0.0.1:{attacked.port}"
    assert raw(attacked, "GET /api/health HTTP/1.1", ours, *head) == 200
    assert raw(attacked, "GET /api/health HTTP/1.1", ours, "Host: evil.test", *head) in UNHEARD
    assert raw(attacked, "GET /api/health HTTP/1.1", *head) in UNHEARD
    assert raw(attacked, "GET /api/health HTTP/1.0", *head) in UNHEARD


def test_another_origin_is_not_answered_even_with_the_secret(attacked: Server) -> None:
    for origin in FOREIGN_ORIGINS:
        headers = tokens(attacked) | {"Origin": filled(origin, attacked)}
        for method, path in (
            ("GET", "health"),
            ("POST", "flows/"),
            ("OPTIONS", "flows/"),
            ("POST", "flow_runs/filter"),
        ):
            asked = {"Access-Control-Request-Method": "POST"} if method == "OPTIONS" else {}
            answer = httpx.request(method, f"{attacked.api}/{path}", headers=headers | asked, content="{}")
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


def test_no_other_site_can_make_the_browser_ask(attacked: Server) -> None:
    for site in ("cross-site", "same-site"):
        for mode, destination in (
            ("no-cors", "image"),
            ("cors", "empty"),
            ("navigate", "iframe"),
            ("no-cors", "script"),
        ):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
            assert httpx.get(f"{attacked.api}/health", headers=headers).status_code == 403
    opened = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    answer = httpx.get(f"http://127.0.0.1:{attacked.port}/enter", headers=opened)  # a link from anywhere is harmless
    assert answer.status_code == 200 and answer.headers["x-frame-options"] == "DENY"
    assert httpx.post(f"{attacked.api}/flows/", headers=opened).status_code == 403


def test_a_web_socket_is_opened_to_nobody_else(attacked: Server) -> None:
    for path in SOCKETS:
        address = f"ws://127.0.0.1:{attacked.port}/api/{path}"
        strangers: list[dict[str, Any]] = [{"origin": filled(origin, attacked)} for origin in FOREIGN_ORIGINS if origin]
        for stranger in [*strangers, {"additional_headers": {"Host": "evil.test"}}]:
            with pytest.raises(InvalidStatus) as caught:
                connect(address, subprotocols=[PREFECT], **stranger)
            assert caught.value.response.status_code in UNHEARD
        for token in (None, "", "wrong"):
            assert handshake(address, token) is None
        with pytest.raises(WebSocketException), connect(address) as old:  # a client that does not know of secrets
            old.recv(timeout=60)


def test_the_user_opens_a_web_socket(attacked: Server) -> None:
    assert handshake(f"ws://127.0.0.1:{attacked.port}/api/events/out", attacked.secret) == {"type": "auth_success"}


def handshake(address: str, token: str | None) -> object:
    """What the server answers to the token; None where it hangs up."""
    with connect(address, subprotocols=[PREFECT]) as client:
        client.send(json.dumps({"type": "auth", "token": token}))
        try:
            return json.loads(client.recv(timeout=60))
        except WebSocketException:
            return None


def test_the_report_server_shows_kept_pages_alone_and_to_nobody_else(deployed: Project, serving: Server) -> None:
    run = serving.start()
    assert serving.finished(run)[0] == "Completed"
    (artifact,) = serving.post(
        "artifacts/filter", artifacts={"flow_run_id": {"any_": [run]}, "key": {"any_": ["dvc-report"]}}
    )
    link = artifact["data"].rpartition("(")[2].rstrip(")")
    assert httpx.get(link).text.startswith("<h1>results</h1>")
    assert httpx.get(link).headers["x-frame-options"] == "DENY"
    reports = Server(serving.port + 1)
    page = httpx.URL(link).path
    for host in FOREIGN_HOSTS:
        assert raw(reports, f"GET {page} HTTP/1.1", f"Host: {filled(host, reports)}") == 403
    for origin in FOREIGN_ORIGINS:
        assert httpx.get(link, headers={"Origin": filled(origin, reports)}).status_code == 403
    assert httpx.get(link, headers={"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe"}).status_code == 403
    others = ["/", "/workspace", "/report.html", "/../server.env", f"/..%2fserver.env{page}", f"{page}/.."]
    for path in [*others, page.replace(".html", ""), f"/{'0' * 64}.html"]:
        assert raw(reports, f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{reports.port}") == 404
    assert httpx.post(link).status_code == 501


def test_the_secret_is_the_users_alone(deployed: Project, serving: Server, temporary: Access) -> None:
    path = folder(deployed.root) / "server.env"
    assert path.stat().st_mode & 0o777 == 0o600 and f"PREFECT_API_AUTH_STRING={serving.secret}\n" in path.read_text()
    assert len(serving.secret) > 40 and serving.secret != temporary.secret
    for process in psutil.process_iter(["cmdline"]):
        said = " ".join(process.info["cmdline"] or [])
        assert serving.secret not in said and temporary.secret not in said
    logs = [file.read_text() for file in folder(deployed.root).glob("*.log")]
    assert logs and not any(serving.secret in log for log in logs)


def test_the_secret_is_not_sent_through_a_proxy(temporary: Access) -> None:
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
    code = f"import httpx; print(httpx.get('{temporary.url}/api/health').status_code)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, **proxies, **temporary.environment}
    answered = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert answered.stdout == b"200\n"


def test_a_stage_does_not_see_the_secret(deployed: Project, serving: Server) -> None:
    deployed.write(
        "dvc.yaml",
        deployed.read("dvc.yaml").replace("copy words.txt notes.txt", "copy words.txt notes.txt; env > seen"),
    )
    assert serving.finished(serving.start(targets="notes"))[0] == "Completed"
    seen = deployed.read("seen")
    assert "DVC_STAGE=notes" in seen and serving.secret not in seen and "PREFECT_" not in seen
