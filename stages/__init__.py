"""One short entrypoint per DVC stage: read params and inputs, call the library, write outputs.

The project's code is read here, whole and once, before anything else is imported: seconds pass until torch is there,
and code that was saved meanwhile would be recorded against what the old code made. Modules come from what was read, so
the code that runs is the code whose hash `harness` knows, whatever happens to the files and to compiled copies of them.
"""

import gc
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import cache_from_source, spec_from_file_location
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("effopd", "stages")
SOURCES = {file: file.read_bytes() for package in PACKAGES for file in (ROOT / package).rglob("*.py")}


class SourcesLoader(SourceFileLoader):
    """Compiles a module from `SOURCES`; a compiled copy on disk may be of another text, so it plays no part."""

    def get_data(self, path: str) -> bytes:
        return SOURCES[Path(path)]

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return self.source_to_code(self.get_data(self.path), self.path)


class SourcesFinder:
    """Finds the project's modules in `SOURCES`, and nowhere else."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        if name.partition(".")[0] not in PACKAGES:
            return None
        module = ROOT.joinpath(*name.split("."))
        for file in (module / "__init__.py", module.with_suffix(".py")):
            if file in SOURCES:
                return spec_from_file_location(name, file, loader=SourcesLoader(name, str(file)))
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# This module alone was loaded before it could be read, or from a compiled copy that looks as new as the text.
if compile(SOURCES[Path(__file__).resolve()], __file__, "exec") != sys._getframe().f_code:
    Path(cache_from_source(__file__)).unlink(missing_ok=True)
    sys.exit("error: stages/__init__.py changed while the stage began; nothing was written, run the stage again")
sys.meta_path.insert(0, SourcesFinder)

# Set before torch is imported: worker threads that sleep rather than spin leave the cores to stages that run beside
# this one. A hub is asked for nothing but a dataset or model that params.yaml names there.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

# Importing torch and transformers makes a million objects that stay: looking for garbage among them takes a second.
# `harness.run` switches it on again.
gc.disable()
