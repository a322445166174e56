"""The pages of finished runs over HTTP: a copy of each under the hash of its content, which is its address.

Whoever does not have the address cannot guess it, and a link shows the page of its own run for ever. The pages have an
origin of their own, away from that of Prefect's, where the browser keeps the secret.
"""

import hashlib
import http.server
import re
import shutil
import threading
from http import HTTPStatus
from pathlib import Path

from pipeline.atomic import replacing
from pipeline.gate import ARMOUR, refusal
from pipeline.server import listen
from pipeline.settings import folder

REPORTS_URL = "PIPELINE_REPORTS_URL"  # where `pipeline ui` serves the reports; set for the runs that it starts
ADDRESS = re.compile(r"/([0-9a-f]{64})\.html")


def keep_page(root: Path, page: Path) -> Path:
    """A copy of the page, kept in the workspace under its hash; what has one is not copied again."""
    digest = hashlib.sha256(page.read_bytes()).hexdigest()
    kept = folder(root) / "reports" / f"{digest}.html"
    if not kept.exists():
        with replacing(kept) as temporary:
            shutil.copyfile(page, temporary)
    return kept


def serve_reports(root: Path, port: int) -> str:
    """Serve the kept pages, and nothing else, from a thread of this process. Returns the address."""

    class Reports(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            complaint = refusal("GET", self.headers.items())
            asked = ADDRESS.fullmatch(self.path)
            page = folder(root) / "reports" / f"{asked[1]}.html" if asked else None
            if complaint is not None:
                self.send_error(HTTPStatus.FORBIDDEN, complaint)
            elif page is None or not page.is_file():
                self.send_error(HTTPStatus.NOT_FOUND)
            else:
                self._send(page.read_bytes())

        def _send(self, body: bytes) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in ARMOUR.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    listener = listen(port)
    server = http.server.ThreadingHTTPServer(listener.getsockname(), Reports, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
