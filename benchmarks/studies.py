"""Studies: `make study NAME=alignment`, `make studies`.

Runs every variant of a study in a copy of the workspace, `.dvc/tmp/prefect/runs/STUDY-VARIANT`, by `python -m pipeline
run`: copies share DVC's cache, so only what differs is trained, and what was interrupted goes on. Then concludes from
what the runs left, and writes reports/studies/NAME.json, reports/studies/index.html and docs/findings.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from effopd.atlas.page import page
from effopd.atlas.text import findings
from effopd.errors import MachineError
from effopd.files import DataError, hash_path, sha256, write_text
from effopd.params.reading import ParamsError, read_yaml
from effopd.studies.conclusions import CONCLUDES, conclude
from effopd.studies.record import Provenance, read_record, read_records, recorded, write_record
from effopd.studies.spec import Study, as_options, params_of, read_study, study_names, targets
from effopd.studies.variants import Variant, read_variant
from pipeline.errors import PipelineError
from pipeline.workspace import choose_workspace
from stages.revision import Revision, revision

PROFILES, PARAMS = Path("profiles/studies"), Path("params.yaml")
CODE = (Path("effopd"), Path("stages"), Path("dvc.yaml"))
RECORDS, FINDINGS = Path("reports/studies"), Path("docs/findings.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="studies of profiles/studies; default all")
    parser.add_argument("--max-parallel", type=int, default=2, help="stages that may run at the same time")
    options = parser.parse_args()
    try:
        names = options.names or study_names(PROFILES)
        studies = {name: read_study(name, PROFILES, PARAMS) for name in names}  # all of them, before anything runs
        if strange := [name for name in names if name not in CONCLUDES]:
            raise DataError(f"{PROFILES / strange[0]}.yaml: effopd/studies/conclusions.py has no such name")
        now = revision()  # before the first record is written, which git would call a change
        for name, study in studies.items():
            answer(name, study, options.max_parallel, now)
        show()
    except (DataError, ParamsError, PipelineError, MachineError) as error:
        sys.exit(f"error: {error}")


def answer(name: str, study: Study, max_parallel: int, now: Revision) -> None:
    """Run what is not up to date, conclude, and keep the record."""
    hashes = {
        "code": sha256(*(hash_path(path) for path in (*CODE, *(script(probe) for probe in study.probes)))),
        "params": hash_path(PARAMS),
        "study": hash_path(PROFILES / f"{name}.yaml"),
    }
    if is_recorded(name, hashes) and all(is_cached(name, study, variant) for variant in study.variants):
        print(f"{RECORDS / name}.json is up to date")
        return
    for variant in study.variants:
        run(name, study, variant, max_parallel)
    values = read_yaml(PARAMS)
    variants = [read(name, study, variant, values) for variant in study.variants]
    versions = {package: version for variant in variants for package, version in variant.versions.items()}
    found = conclude(name, study, variants)
    provenance = Provenance(**asdict(now), **hashes, versions=versions)
    write_record(recorded(name, study, targets(study), variants, found, provenance), RECORDS)
    print(f"{name}: {found.verdict}. {found.sentence}")
    print(f"{RECORDS / name}.json")


def is_recorded(name: str, hashes: Mapping[str, str]) -> bool:
    """Whether the record was made by this code, from these params and this file."""
    try:
        made = asdict(read_record(RECORDS / f"{name}.json").provenance)
    except DataError:  # there is none, or one of an older form
        return False
    return hashes.items() <= made.items()


def is_cached(name: str, study: Study, variant: str) -> bool:
    """Whether a run would find the results of every stage in DVC's cache, which knows of data and models too."""
    planned = subprocess.run([*pipeline("plan", name, study, variant), "--json"], stdout=subprocess.PIPE, check=False)
    hits = ("CACHED", "RESTORED")
    return planned.returncode == 0 and all(row["expected"] in hits for row in json.loads(planned.stdout))


def run(name: str, study: Study, variant: str, max_parallel: int) -> None:
    """One variant, in its copy. Raises `PipelineError` where the run fails, which has said why."""
    print(f"{name}: {variant}", flush=True)
    command = [*pipeline("run", name, study, variant), "--max-parallel", str(max_parallel)]
    if subprocess.run(command, check=False).returncode:
        raise PipelineError(f"{name}: {variant} did not finish; run the study again, and it goes on from there")
    for probe in study.probes:
        if subprocess.run([sys.executable, script(probe), "--root", place(name, variant)], check=False).returncode:
            raise PipelineError(f"{name}: {variant}: {probe} did not finish")


def pipeline(verb: str, name: str, study: Study, variant: str) -> list[str]:
    asked = [*targets(study), "--experiment", f"{name}-{variant}", *as_options(study, variant)]
    return [sys.executable, "-m", "pipeline", verb, *asked]


def script(probe: str) -> Path:
    return Path(__file__).with_name(f"{probe}.py")


def place(name: str, variant: str) -> Path:
    """The variant's workspace."""
    return choose_workspace(Path().resolve(), experiment=f"{name}-{variant}").root


def read(name: str, study: Study, variant: str, values: dict[str, object]) -> Variant:
    params = params_of(study, variant, values, PROFILES / f"{name}.yaml")
    return read_variant(variant, study, params, place(name, variant))


def show() -> None:
    """The page and the findings, from all records that there are."""
    records = read_records(RECORDS)
    write_text(RECORDS / "index.html", page(records))
    write_text(FINDINGS, findings(records))
    print(f"The page: {RECORDS / 'index.html'}")


if __name__ == "__main__":
    main()
