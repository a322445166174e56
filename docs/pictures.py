"""Make the pictures of docs/prefect.md anew: `make pictures FOLDER=…`, a finished copy of this project, up to date.

Everything happens in the folder's own Prefect: a run that trains is watched and cancelled, another one ends. Look at
every picture before you keep it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from dvc_project import Project, environment_of_its_own, wait_until
from pages import Page, headless
from selenium import webdriver
from served import Server, served

IMAGES = Path(__file__).parent / "images"
TRAINS = "effopd.multipliers=[2,4]"  # EffOPD alone, and what hangs on it
PROGRESS = "progress-effopd-0"
ENDS = "report.title='Another title'"
SETTLED = 10.0  # seconds until what moves on a page has come to rest


def main(folder: Path) -> None:
    os.environ.update(environment_of_its_own(folder / ".dvc/tmp/site"))
    browser = headless(1280, 900)
    try:
        with served(Project(folder), None) as server:
            picture(browser, server)
    finally:
        browser.quit()


def picture(browser: webdriver.Chrome, server: Server) -> None:
    page = Page(browser, server)

    def keep(name: str) -> None:
        time.sleep(SETTLED)
        browser.save_screenshot(str(IMAGES / f"prefect-{name}.png"))

    def artifact(run: str, key: str, name: str) -> None:
        page.open(f"/artifacts/artifact/{server.artifacts(run, key)[0]['id']}")
        keep(name)

    run = server.start(overrides=TRAINS)
    wait_until(lambda: [found["data"] for found in server.artifacts(run, PROGRESS)] not in ([], [0.0]), 300)
    artifact(run, PROGRESS, "progress")
    artifact(run, "dvc-dag", "dag")
    server.cancel(run)
    server.finished(run)

    page.fill_in("leap", targets="effopd", overrides=TRAINS)  # few enough for their names to be read in the graph
    keep("form")
    page.submit("leap")
    run = server.named("leap")
    wait_until(lambda: server.artifacts(run, PROGRESS), 300)
    page.open(f"/runs/flow-run/{run}")
    page.shows("Running")
    keep("running")
    server.cancel(run)
    server.finished(run)
    page.open(f"/runs/flow-run/{run}")
    page.shows("Cancelled")
    keep("cancelled")

    run = server.start(overrides=ENDS)
    assert server.finished(run)[0] == "Completed", server.said(run)
    artifact(run, "dvc-summary", "summary")
    if "weekends" not in server.schedules():
        weekly = {"slug": "weekends", "schedule": {"cron": "0 4 * * 6", "timezone": "UTC"}, "active": True}
        server.request("POST", f"deployments/{server.deployment()['id']}/schedules", [weekly]).raise_for_status()
    wait_until(lambda: server.scheduled_runs("SCHEDULED"))
    page.deployment()
    keep("schedule")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
