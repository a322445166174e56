"""Answer questions about DVC projects, as JSON, one a line: asked on one descriptor, answered on the other."""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from pipeline.errors import PipelineError


def main() -> None:
    asked, answered = (int(word) for word in sys.argv[1:])
    os.dup2(2, 1)  # what DVC prints is for people
    with os.fdopen(asked, encoding="utf-8") as questions, os.fdopen(answered, "w", encoding="utf-8") as answers:
        missing = _import_dvc()
        for line in questions:
            said = {"complaint": missing} if missing else _said(*json.loads(line))
            with contextlib.suppress(BrokenPipeError):  # nobody may ask any more
                answers.write(json.dumps(said, default=str) + "\n")
                answers.flush()


def _import_dvc() -> str:
    """Now, while no question is there yet. Says what is missing."""
    try:
        import pipeline.project.answers  # noqa: F401
    except ModuleNotFoundError as error:
        return f"{sys.executable} has no {error.name}; name the Python that runs DVC in prefect.yaml: pipeline.python"
    return ""


def _said(question: str, arguments: Mapping[str, Any]) -> Mapping[str, object]:
    """The answer, or what the user is to mend, or a flaw of ours."""
    from pipeline.project.answers import answer

    try:
        return {"answer": answer(question, arguments)}
    except PipelineError as error:
        return {"complaint": str(error)}
    except Exception:  # noqa: BLE001  (it is raised again where it was asked)
        return {"traceback": traceback.format_exc()}


if __name__ == "__main__":
    main()
