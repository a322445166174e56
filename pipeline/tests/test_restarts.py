"""`make ui` ends in many ways and starts again: schedules stay, no run stays as a ghost, workspaces stay apart."""

import datetime
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import yaml
from dvc_project import Project, no_locks, wait_until
from served import CODE, PYTHON, Server, deploy, free_port, served, stage_processes

from pipeline.settings import folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kept(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One workspace, whose server is started again and again."""
    return deploy(finished, tmp_path_factory.mktemp("kept") / "project")


def daily(first: datetime.timedelta) -> dict[str, object]:
    """Once a day, for the first time after so much time from now."""
    return {"interval": 86400, "anchor_date": (datetime.datetime.now(datetime.UTC) + first).isoformat()}


def active(server: Server, name: str = "pipeline") -> dict[str, bool]:
    return {slug: entry["active"] for slug, entry in server.schedules(name).items()}


def due(server: Server) -> list[str]:
    """Scheduled runs that start within six hours, but for those of the nightly schedule."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)
    waiting = server.post("flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})
    ours = [run for run in waiting if run["created_by"]["display_value"] != "nightly"]
    return [run["name"] for run in ours if datetime.datetime.fromisoformat(run["expected_start_time"]) < later]


def test_schedules_survive_restarts_and_renames_and_each_fires_once(kept: Project, home: Path) -> None:
    with served(kept, home) as server:
        assert active(server) == {"nightly": False}
        path = f"deployments/{server.deployment()['id']}/schedules"
        for slug in ("mine", "also-mine"):
            schedule = {"slug": slug, "schedule": daily(datetime.timedelta(hours=12)), "active": True}
            server.request("POST", path, [schedule]).raise_for_status()
        server.change_schedule("PATCH", "nightly", {"active": True})

    settings = yaml.safe_load(kept.read("prefect.yaml"))
    (entry,) = settings["deployments"]
    entry["schedules"].append({"cron": "0 4 * * 6", "slug": "weekly", "active": False})
    entry["description"] = "deployed anew, and with a schedule more"
    kept.write("prefect.yaml", yaml.safe_dump(settings))
    with served(kept, home) as server:
        assert active(server) == {"nightly": True, "mine": True, "also-mine": True, "weekly": False}
        server.change_schedule("DELETE", "weekly")

    entry["name"] = "renamed"
    kept.write("prefect.yaml", yaml.safe_dump(settings))
    with served(kept, home) as server:
        assert active(server, "renamed") == {"nightly": True, "mine": True, "also-mine": True}
        assert active(server) == {}
        for slug in ("mine", "also-mine"):
            soon = {"schedule": daily(datetime.timedelta(seconds=30))}
            server.change_schedule("PATCH", slug, soon, "renamed")
        wait_until(lambda: len(due(server)) == 2)

    with served(kept, home) as server:
        wait_until(lambda: len(server.scheduled_runs("COMPLETED")) == 2)
        assert due(server) == []
    kept.git("checkout", "-q", "prefect.yaml")  # the next start gives the old name its schedules back


def test_a_run_that_ended_with_the_server_does_not_go_on_as_a_ghost(kept: Project, home: Path) -> None:
    kept.set_param("train", "steps", 6)
    kept.write("hold", "training waits half way\n")
    ended: list[str] = []
    for killed in (None, {"pipeline", "ui"}, {"prefect", "worker"}, {"pipeline.server"}):  # None: Ctrl-C
        with served(kept, home) as server:
            server.limit_runs(1)
            for run in ended:
                assert server.state(run)[0] in ("Crashed", "Cancelled", "Failed")
                assert not {"Running", "Pending"} & set(server.tasks(run).values())
            ended.append(run := server.start())
            wait_until(lambda run=run: server.tasks(run).get("train@0") == "Running")
            started = psutil.Process(server.process)
            family = [started, *started.children(recursive=True)]
            family += [psutil.Process(pid) for pid in stage_processes(kept.root)]
            if killed:
                said = {one: {Path(word).name for word in one.cmdline()} for one in family}
                next(one for one in family if said[one] >= killed and "leash.py" not in said[one]).kill()
            else:
                os.killpg(server.process, signal.SIGINT)
            psutil.wait_procs(family, timeout=60)
            assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        assert no_locks(kept)
    (kept.root / "hold").unlink()
    with served(kept, home) as server:
        assert server.finished(server.start()) == ("Completed", "5 RAN, 2 CACHED")  # though only one may run at a time


def test_two_workspaces_have_servers_and_runs_of_their_own(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def calls(project: Project) -> int:
        return len(project.read("calls").splitlines())

    first, second = (deploy(finished, tmp_path / name / "project") for name in ("first", "second"))
    monkeypatch.setenv("CALLS", "calls")  # a file beside which stage of which workspace has run
    with served(first, None) as one, served(second, None) as other:
        assert folder(first.root).joinpath("home/prefect.db").exists()
        runs = [(server, server.start(targets="notes", force=True)) for _ in range(5) for server in (one, other)]
        assert [server.finished(run) for server, run in runs] == [("Completed", "1 RAN")] * 10
        for server, project in ((one, first), (other, second)):
            assert len(server.post("flow_runs/filter")) == 5
            assert calls(project) == 5


def ui(project: Project, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PYTHON, "-m", "pipeline", "ui", "--port", str(free_port())],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(CODE), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_home_of_another_workspace_is_refused(kept: Project, home: Path, finished: Project, tmp_path: Path) -> None:
    with served(kept, home):
        other = deploy(finished, tmp_path / "project")
    done = ui(other, PREFECT_HOME=str(home))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"the server's database is that of {kept.root}" in done.stderr


def test_a_second_server_of_a_workspace_is_refused(deployed: Project, serving: Server) -> None:
    done = ui(deployed)
    assert done.returncode == 1 and done.stderr.startswith("error: this workspace is served already")
