"""Which source files each stage's results depend on: the import closure of its script, kept true in dvc.yaml.

DVC sees only the dependencies that it is told of: an import that is not listed changes results without a rerun, and a
dependency on a whole package reruns everything at every edit. For each stage whose command is ``python -m MODULE …``
this finds all modules of the project that the script imports, directly or not, and compares them with `deps`. A folder
stands for its modules where a stage imports them all; an ``__init__.py`` that holds no code is left out.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import grimp
import typer
from ruamel.yaml import YAML


def import_closure(script: str, graph: grimp.ImportGraph, root: Path) -> list[str]:
    """Paths, relative to `root` and sorted, of the files that the module `script` is made of."""
    modules = {script, *graph.find_upstream_modules(script)}
    files = {_file(module, root) for module in modules}
    for module in modules:  # importing a.b.c runs a/__init__.py and a/b/__init__.py first
        parts = module.split(".")
        files |= {_file(".".join(parts[:depth]), root) for depth in range(1, len(parts))}
    return _fold({file for file in files if file.name != "__init__.py" or _holds_code(file)}, root)


def project_graph(root: Path, packages: list[str]) -> grimp.ImportGraph:
    """The import graph of the packages that lie in `root`."""
    sys.path.insert(0, str(root))
    try:
        return grimp.build_graph(*packages, cache_dir=None)
    finally:
        sys.path.remove(str(root))


def stage_script(stage: dict[str, Any]) -> str | None:
    """The module that a stage runs, or None when its command is of another kind."""
    found = re.match(r"python -m ([\w.]+)", stage["cmd"]) if isinstance(stage.get("cmd"), str) else None
    return found[1] if found else None


def check(root: Path, write: bool = False) -> list[str]:
    """Compare dvc.yaml with the imports; return a line for each stage that is wrong, or mend the file with `write`."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    path = root / "dvc.yaml"
    document = yaml.load(path.read_text(encoding="utf-8"))
    scripts = {name: script for name, stage in document["stages"].items() if (script := stage_script(stage))}
    packages = sorted(file.parent.name for file in root.glob("*/__init__.py") if file.parent.name != "tests")
    graph = project_graph(root, packages)
    wrong = []
    for name, script in scripts.items():
        stage = document["stages"][name]
        declared = [dep for dep in stage.get("deps", []) if _is_code(dep, packages)]
        expected = import_closure(script, graph, root)
        if sorted(declared) != expected:
            missing, extra = sorted({*expected} - {*declared}), sorted({*declared} - {*expected})
            wrong.append(f"{name}: missing {missing or 'none'}, not imported {extra or 'none'}")
            stage["deps"] = [dep for dep in stage.get("deps", []) if not _is_code(dep, packages)] + expected
    if write and wrong:
        with path.open("w", encoding="utf-8") as stream:
            yaml.dump(document, stream)
    return wrong


def main(
    write: Annotated[bool, typer.Option("--write", help="Mend dvc.yaml instead of failing.")] = False,
) -> None:
    """Check that every stage's code dependencies in dvc.yaml are exactly what its script imports."""
    wrong = check(Path.cwd(), write)
    for line in wrong:
        print(f"{'mended' if write else 'error'}: {line}")
    if wrong and not write:
        sys.exit("error: run `make deps` to write the imports into dvc.yaml")


def _is_code(dep: Any, packages: list[str]) -> bool:
    return isinstance(dep, str) and dep.split("/")[0] in packages


def _file(module: str, root: Path) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _holds_code(file: Path) -> bool:
    """Whether a file has a statement beside its docstring."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
    )


def _fold(files: set[Path], root: Path) -> list[str]:
    """Name a package's folder instead of its files where all of its modules, two or more, are among them."""
    folded = set(files)
    for folder in {file.parent for file in files if (file.parent / "__init__.py").exists()}:
        modules = {file for file in folder.rglob("*.py") if file.name != "__init__.py" or _holds_code(file)}
        if len(modules) > 1 and modules <= files:
            folded = (folded - modules) | {folder}
    return sorted(path.relative_to(root).as_posix() for path in folded)


if __name__ == "__main__":
    typer.run(main)
