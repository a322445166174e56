"""Prefect's own UI in a real browser: start the deployment from its form, schedule it, cancel it."""

import http.server
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from dvc_project import Project, no_locks, wait_until
from pages import PATIENCE, Page, badge, headless
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait
from served import Server, stage_processes

MISSING = [program for program in ("chromium", "chromedriver") if shutil.which(program) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"not installed here: {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    driver = headless()
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome, serving: Server) -> Page:
    return Page(browser, serving)


EVIL = """<!doctype html><title>evil</title><iframe name=frame></iframe><script>
const server = "127.0.0.1:PORT", body = JSON.stringify({name: "evil"}), found = {};
const attempt = (name, promise) => promise.then(value => { found[name] = value; }, () => { found[name] = "refused"; });
const socket = path => new Promise(resolve => {
  const opened = new WebSocket(`ws://${server}/api/${path}`, ["prefect"]);
  opened.onopen = () => resolve("open");
  opened.onerror = () => resolve("refused");
});
const post = {method: "POST", mode: "no-cors", body};
Promise.all([
  attempt("blind post", fetch(`http://${server}/api/flows/`, post).then(answer => answer.type)),
  attempt("beacon", Promise.resolve(navigator.sendBeacon(`http://${server}/api/flows/`, body))),
  attempt("form", new Promise(resolve => {
    const form = document.body.appendChild(document.createElement("form"));
    const field = form.appendChild(document.createElement("input"));
    Object.assign(form, {action: `http://${server}/api/flows/`, method: "post", enctype: "text/plain"});
    Object.assign(form, {target: "frame"});
    Object.assign(field, {name: '{"name": "evil", "tags": ["', value: '"]}'});
    form.submit();
    resolve("sent");
  })),
  attempt("read", fetch(`http://${server}/api/health`).then(answer => answer.text())),
  attempt("script", new Promise((resolve, reject) => {
    const script = document.body.appendChild(document.createElement("script"));
    Object.assign(script, {src: `http://${server}/api/health`, onload: () => resolve("loaded"), onerror: reject});
  })),
  attempt("events", socket("events/out")),
  attempt("logs", socket("logs/out")),
]).then(() => { document.title = JSON.stringify(found); });
</script>"""


def test_a_hostile_page_in_the_same_browser_neither_reads_nor_starts_anything(
    page: Page, browser: webdriver.Chrome, serving: Server
) -> None:
    class Hostile(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL.replace("PORT", str(serving.port)).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    flows = serving.post("flows/filter")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as hostile:
        threading.Thread(target=hostile.serve_forever, daemon=True).start()
        for name in ("evil.test", "127.0.0.1"):  # a site of its own, and a neighbour on this machine
            browser.get(f"http://{name}:{hostile.server_port}/")
            WebDriverWait(browser, PATIENCE).until(lambda driver: driver.title.startswith("{"))
            found = json.loads(browser.title)
            assert {found.pop("beacon"), found.pop("form")} == {True, "sent"}  # a page is not told what came of it
            assert found == dict.fromkeys(("blind post", "read", "script", "events", "logs"), "refused")
        hostile.shutdown()
    for path in ("/", "/api/health"):  # the attacker's name now leads to the server
        browser.get(f"http://evil.test:{serving.port}{path}")
        assert browser.find_element(By.TAG_NAME, "body").text == "this server answers to 127.0.0.1 and localhost alone"
    assert serving.post("flows/filter") == flows


def test_the_form_starts_a_run_with_an_override(page: Page, deployed: Project, serving: Server) -> None:
    before = deployed.outputs()
    page.run("from-the-form", overrides="score.samples=7", experiment="seven")
    page.shows("Completed")
    run = serving.named("from-the-form")
    assert serving.state(run) == ("Completed", "3 RAN, 4 CACHED")
    copy = deployed.root / ".dvc/tmp/prefect/runs/seven"
    assert json.loads((copy / "score-1.json").read_text())["score"] == 3 * 7
    assert deployed.outputs() == before
    page.click("//*[@role='tablist']//*[normalize-space()='Artifacts']")
    for artifact in ("dvc-plan", "dvc-summary", "dvc-dag", "dvc-params-diff", "dvc-metrics-diff", "dvc-report"):
        page.find(f"//*[normalize-space()={artifact!r}]")


def test_names_of_instances_are_not_shown_as_links_to_e_mail(page: Page, deployed: Project, serving: Server) -> None:
    text = deployed.read("dvc.yaml")
    deployed.write("dvc.yaml", text + "  sweep:\n    matrix: {rate: [0.001]}\n    cmd: touch rate-${item.rate}\n")
    run = serving.start(targets="sweep")
    assert serving.finished(run)[0] == "Completed"
    for key in ("dvc-plan", "dvc-summary"):
        (artifact,) = serving.artifacts(run, key)
        page.open(f"/artifacts/artifact/{artifact['id']}")
        page.find("//td//*[normalize-space()='sweep@0.001']")
        assert page.links("mailto:") == []


def test_a_schedule_that_is_added_fires(page: Page, deployed: Project, serving: Server) -> None:
    page.deployment()
    page.button("Schedule")
    page.type("Slug (Optional)", "input", "often")
    page.type("Value", "input", "15")
    Select(page.find("(//select[@data-testid='interval-select'])[1]")).select_by_value("Seconds")
    page.press("Save", then="//*[normalize-space()='often']")
    try:
        wait_until(lambda: serving.scheduled_runs("PENDING", "RUNNING", "COMPLETED"), 300)
    finally:
        serving.change_schedule("DELETE", "often")  # or a slow machine would never be done with its runs
    run = serving.scheduled_runs("PENDING", "RUNNING", "COMPLETED")[0]
    assert serving.finished(run) == ("Completed", "7 CACHED")
    page.open(f"/runs/flow-run/{run}")
    page.shows("Completed")


def test_a_run_is_cancelled_and_the_next_one_goes_on_from_there(
    page: Page, deployed: Project, serving: Server, record_property: Callable[[str, object], None]
) -> None:
    deployed.set_param("train", "steps", 5)
    deployed.write("hold", "training waits half way\n")
    page.run("to-cancel")
    page.shows("Running")
    scratch = [deployed.root / f".scratch/models/run-{seed}" for seed in (0, 1)]
    wait_until(lambda: all(path.exists() and path.read_text() == "3" for path in scratch))
    page.button("Cancel")
    confirmed = time.monotonic()
    page.press("Confirm", then=badge("Cancelling", "Cancelled"))
    wait_until(lambda: not stage_processes(deployed.root), 20)
    stopped = time.monotonic() - confirmed
    assert stopped < 15
    record_property("stage_processes_gone_after_seconds", round(stopped, 1))
    page.shows("Cancelled")
    assert serving.state(serving.named("to-cancel"))[0] == "Cancelled"
    assert no_locks(deployed)

    (deployed.root / "hold").unlink()
    run = serving.start()
    assert serving.finished(run) == ("Completed", "5 RAN, 2 CACHED")
    assert serving.said(run).count("resumed at step 3") == 2
