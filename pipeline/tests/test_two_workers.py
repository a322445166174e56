"""Two workers, each with a clone of its own: the DVC remote carries results, the pool's limit keeps runs apart."""

import os
import sys
import time
from pathlib import Path

import pytest
from dvc_project import Project, no_locks, wait_until
from served import QUICK, Server

from pipeline.held import held

pytestmark = pytest.mark.slow


def test_what_one_worker_has_finished_is_restored_by_the_other_which_waits_for_the_only_slot(
    deployed: Project, serving: Server, tmp_path: Path
) -> None:
    second = Project(tmp_path / "second")
    deployed.git("clone", "-q", ".", str(second.root))
    (second.root / "dvc.lock").unlink()
    for project in (deployed, second):
        project.dvc("remote", "add", "--default", "shared", str(tmp_path / "remote"))
        project.set_param("train", "steps", 9)
    deployed.write("hold", "until the other run has been kept waiting\n")
    serving.post("work_pools/dvc/queues", name="second")
    environment = {
        **os.environ,
        **QUICK,
        **serving.environment,
        "PIPELINE_WORKSPACE": str(second.root),
        "PYTHONPATH": str(second.root),
    }
    worker = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        "dvc",
        "--work-queue",
        "second",
        "--limit",
        "1",
    ]
    serving.limit_runs(1)
    try:
        with held(worker, second.root, environment, tmp_path / "worker.log"):
            here = serving.start(share=True)
            wait_until(lambda: serving.tasks(here).get("train@0") == "Running")
            there = serving.start(queue="second", share=True)
            time.sleep(3 * float(QUICK["PREFECT_WORKER_QUERY_SECONDS"]))
            assert serving.state(there)[0] in ("Scheduled", "Late")
            (deployed.root / "hold").unlink()
            assert serving.finished(here) == ("Completed", "5 RAN, 2 CACHED")
            assert serving.finished(there) == ("Completed", "7 RESTORED")
            assert serving.run(here)["end_time"] <= serving.run(there)["start_time"]
    finally:
        serving.limit_runs(None)
    assert second.outputs() == deployed.outputs()
    assert no_locks(deployed) and no_locks(second)
