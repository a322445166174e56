"""Refuse wrong parameters before DVC removes or runs anything that they name."""

from __future__ import annotations

from pathlib import Path

from effopd.files import write_text
from effopd.params.schema import Params
from effopd.params.section import Section
from stages.harness import PARAMS, Stage, run

CHECKED = Path("data/checked.txt")


def main() -> None:
    """Write data/checked.txt, the same whatever is in params.yaml, once every section of it has been found right."""
    stage = Stage()
    for name, field in Params.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        stage.params(name, field.annotation)
    write_text(stage.output(CHECKED), f"Every key and every name of {PARAMS} is allowed.\n")
    stage.publish()
    print(f"{PARAMS}: ok")


if __name__ == "__main__":
    run(main)
