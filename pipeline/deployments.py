"""Bring a running server in line with prefect.yaml, and leave alone what its user has made of it there.

`python -m pipeline.deployments`, in the environment of the server's clients and in the project's folder. `prefect
deploy` replaces all schedules of a deployment at every call, those that were added in a browser too. So it is called
only when what it would write has changed, and without the schedules of a deployment that exists. Those of prefect.yaml
are added once, as they appear in the file; from then on the server's are what counts: switched off, changed or deleted
there, they stay so. A deployment that has got another name takes the schedules of the old one along.
"""

# mypy: disable-error-code="import-untyped"

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import prefect
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, VariableCreate, VariableUpdate, WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.exceptions import ObjectAlreadyExists
from ruamel.yaml import YAML

from pipeline.atomic import replacing
from pipeline.errors import PipelineError
from pipeline.ghosts import settle_ghosts
from pipeline.settings import folder
from pipeline.ui import POOL, QUEUE

MEMORY = "pipeline_workspace"  # a variable on the server: whose it is, and what it was given
KINDS = {"cron": CronSchedule, "interval": IntervalSchedule, "rrule": RRuleSchedule}
TIMES = (*KINDS, "anchor_date", "day_or", "timezone")  # keys of a schedule in prefect.yaml that say when


def bring_up_to_date(root: Path) -> None:
    """Pool, deployments and schedules of the project at `root`, and an end to runs that nobody executes any more."""
    document = YAML(typ="safe", pure=True).load(root / "prefect.yaml")
    listed = document.get("deployments") or []
    if not all(isinstance(entry, dict) and entry.get("name") for entry in listed):
        raise PipelineError("prefect.yaml: deployments: each needs a name")
    entries = {entry["name"]: entry for entry in listed}
    with get_client(sync_client=True) as client:
        memory = _memory(client, root)
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=_job_template()))
        for name in settle_ghosts(client, root, POOL, QUEUE):
            print(f"the run {name} was not executed any more")
        before = {deployment.name: deployment for deployment in client.read_deployments()}
        renamed = _renamed(entries, before)
        fingerprint = _fingerprint(root, document)
        if memory["deployed"] != fingerprint or not entries.keys() <= before.keys():
            _deploy(root, document, without_schedules=before.keys() | renamed.keys())
        after = {deployment.name: deployment for deployment in client.read_deployments()}
        for name, old in renamed.items():
            _move_schedules(client, before[old], after[name])
            print(f"the schedules of {old} are now those of {name}")
        for name, entry in entries.items():
            planned = {_key(schedule): schedule for schedule in entry.get("schedules") or []}
            given = memory["schedules"].get(renamed.get(name, name), list(planned))
            if new := [_schedule(schedule) for key, schedule in planned.items() if key not in given]:
                client.create_deployment_schedules(after[name].id, new)
            memory["schedules"][name] = [*given, *(key for key in planned if key not in given)]
        client.update_variable(VariableUpdate(name=MEMORY, value=json.dumps(memory | {"deployed": fingerprint})))


def _memory(client: SyncPrefectClient, root: Path) -> dict[str, Any]:
    """What this workspace has told the server so far. Raises PipelineError where the server keeps another workspace."""
    known = client.read_variable_by_name(MEMORY)
    if known is None:
        memory: dict[str, Any] = {"root": str(root), "deployed": "", "schedules": {}}
        client.create_variable(VariableCreate(name=MEMORY, value=json.dumps(memory)))
        return memory
    memory = json.loads(str(known.value))
    if memory["root"] != str(root) and Path(memory["root"]).exists():
        raise PipelineError(
            f"the server's database is that of {memory['root']}; give this workspace its own: unset PREFECT_HOME and "
            f"PREFECT_SERVER_DATABASE_CONNECTION_URL, or delete {folder(root) / 'home'} where that is a copy"
        )
    return memory | {"root": str(root)}  # the folder was moved


def _job_template() -> dict[str, Any]:
    from prefect.workers.process import ProcessWorker  # late: only the first start makes a pool

    return ProcessWorker.get_default_base_job_template()


def _renamed(entries: Mapping[str, Any], before: Mapping[str, DeploymentResponse]) -> dict[str, str]:
    """New name to old name of each deployment that prefect.yaml calls otherwise than the server does."""
    found = {}
    left = {other: known for other, known in before.items() if other not in entries and known.schedules}
    for name, entry in entries.items():
        old = [other for other, known in left.items() if known.entrypoint == entry.get("entrypoint")]
        if len(old) == 1 and not (name in before and before[name].schedules):
            found[name] = old[0]
    return found


def _fingerprint(root: Path, document: Mapping[str, Any]) -> str:
    """A hash of all that decides what `prefect deploy` writes, but the schedules."""
    entries = [_without_schedules(entry) for entry in document.get("deployments") or []]
    files = [root / str(entry.get("entrypoint", "")).partition(":")[0] for entry in entries]
    code = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    steps = {key: document.get(key) for key in ("build", "push", "pull")}
    return hashlib.sha256(json.dumps([entries, steps, code, prefect.__version__], default=str).encode()).hexdigest()


def _deploy(root: Path, document: Mapping[str, Any], without_schedules: "set[str]") -> None:
    entries = [
        _without_schedules(entry) if entry["name"] in without_schedules else entry
        for entry in document.get("deployments") or []
    ]
    with replacing(folder(root) / "deployed.yaml") as file:
        YAML(typ="safe", pure=True).dump({**document, "deployments": entries}, file)
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PipelineError(f"prefect deploy: {' '.join((done.stdout + done.stderr).split())}")


def _without_schedules(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ("schedules", "schedule")}


def _move_schedules(client: SyncPrefectClient, old: DeploymentResponse, new: DeploymentResponse) -> None:
    for schedule in old.schedules:
        copy = schedule.model_dump(include={"schedule", "active", "parameters", "slug"}, exclude_none=True)
        client.create_deployment_schedules(new.id, [DeploymentScheduleCreate(**copy)])
        client.delete_deployment_schedule(old.id, schedule.id)


def _schedule(entry: Mapping[str, Any]) -> DeploymentScheduleCreate:
    """A schedule as prefect.yaml writes it."""
    kind = next((kind for key, kind in KINDS.items() if key in entry), None)
    if kind is None:
        raise PipelineError(f"prefect.yaml: schedules: expected one of {', '.join(KINDS)}, got {dict(entry)!r}")
    about = {key: entry[key] for key in ("active", "parameters", "slug") if key in entry}
    return DeploymentScheduleCreate(schedule=kind(**{key: entry[key] for key in TIMES if key in entry}), **about)


def _key(entry: Mapping[str, Any]) -> str:
    """What makes a schedule in prefect.yaml the same one: its slug, else its times."""
    return str(entry.get("slug") or json.dumps({key: entry[key] for key in TIMES if key in entry}, default=str))


def main() -> None:
    try:
        bring_up_to_date(Path.cwd())
    except PipelineError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
