"""Five thousand inputs that nobody would write: params, models, tokenizers, rows and tables with random faults.

Each is refused in one line, or makes sense. They are read in a process apart, so that one that aborts it, or never
ends, is counted and not the end of the trial.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from found import Found

SEED = 20_261_128
HANG, LONGEST = 20.0, 2000  # processor seconds, letters
SILENCE = 240.0  # seconds by the clock, of a busy machine, after which an input counts as one that never ends
INPUTS = {"values": 1600, "texts": 400, "weights": 900, "model": 700, "tokenizer": 400, "rows": 700, "tables": 300}


def fuzz(folder: Path) -> Found:
    """Read all of them."""
    folder.mkdir(parents=True)
    fell: list[str] = []
    seen: Counter[str] = Counter()
    slowest = longest = 0.0
    for kind, number in INPUTS.items():
        for row in _read_apart(kind, number):
            seen[row["end"]] += 1
            slowest, longest = max(slowest, row["seconds"]), max(longest, len(row["said"]))
            if row["end"] not in ("refused", "accepted"):
                fell.append(f"{kind} {row['number']}: {row['end']}: {row['said'][:200]}")
            elif row["seconds"] > HANG:
                fell.append(f"{kind} {row['number']}: took {row['seconds']:.0f} s")
            elif len(row["said"]) > LONGEST:
                fell.append(f"{kind} {row['number']}: said {len(row['said'])} letters")
    figures = f"{seen['refused']} refused, {seen['accepted']} accepted; {slowest:.1f} s, {longest:.0f} letters at most"
    return Found("random faults in what is read", sum(seen.values()), tuple(fell), figures)


def _read_apart(kind: str, number: int) -> list[dict[str, Any]]:
    """One row for each input, whatever becomes of the process that reads them."""
    rows: list[dict[str, Any]] = []
    while len(rows) < number:
        command = [sys.executable, __file__, kind, str(len(rows)), str(number)]
        reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert reader.stdout is not None
        while select.select([reader.stdout], [], [], SILENCE)[0] and (line := reader.stdout.readline()):
            rows.append(json.loads(line))
        if len(rows) < number:
            end = "never ends" if reader.poll() is None else f"status {reader.wait()}"
            rows.append({"number": len(rows), "end": end, "said": "", "seconds": 0.0})
        reader.kill()
        reader.wait()
    return rows


def _faulty(content: bytes, draw: random.Random) -> bytes:
    """With a few bytes changed, cut out, doubled, or everything from somewhere on gone."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8])):
        at = draw.randrange(len(found) + 1)
        until = at + draw.choice([1, 2, 8, 100])
        match draw.randrange(5):
            case 0 if at < len(found):
                found[at] = draw.randrange(256)
            case 1:
                del found[at:until]
            case 2:
                found[at:at] = found[at:until]
            case 3 if draw.randrange(4) == 0:
                del found[at:]
            case _:
                found[at:until] = draw.choice(
                    [b"\0", b"\xff" * 8, b"9" * 30, b'"', b"[", b"-1", b"NaN", b"null", b"{}"]
                )
    return bytes(found)


def _faulty_json(value: Any, draw: random.Random) -> Any:
    """With another value somewhere, or a key less."""
    from test_fuzz import VALUES, places

    places_of = list(places(value))
    for _ in range(draw.choice([1, 1, 2])):
        *above, name = draw.choice(places_of)
        inside = value
        try:
            for step in above:
                inside = inside[step]
            if draw.randrange(4) == 0:
                del inside[name]
            else:
                inside[name] = draw.choice(VALUES)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return value


def _with_fault(file: Path, draw: random.Random) -> None:
    """JSON files get other values or other bytes, all others other bytes."""
    content = file.read_bytes()
    if file.suffix == ".json" and draw.randrange(2):
        text = json.dumps(_faulty_json(json.loads(content), draw), default=str)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
    else:
        file.write_bytes(_faulty(content, draw))


def _read_values(draw: random.Random, folder: Path) -> None:
    from test_fuzz import mutated_values, plausible

    from effopd.params.reading import check_values
    from effopd.params.schema import check

    values, path = mutated_values(draw), Path("params.yaml")
    check_values(values, path)
    plausible(check(values, path))


def _read_text(draw: random.Random, folder: Path) -> None:
    from test_fuzz import mutated_text, plausible

    from effopd.params.schema import check_file

    (folder / "params.yaml").write_bytes(mutated_text(draw))
    plausible(check_file(folder / "params.yaml"))


def _read_model(draw: random.Random, folder: Path, *files: str) -> None:
    """A model's folder, one file of which has a fault, as the base reads it."""
    import tiny
    import torch
    from test_model_folders import shard

    from effopd.models.source import adopt
    from effopd.models.store import save_model

    whole = folder.with_name("whole")
    if not whole.exists():
        save_model(whole, tiny.model(), tiny.tokenizer())
    shutil.copytree(whole, folder / "model")
    if draw.randrange(4) == 0:
        shard(folder / "model")
    chosen = [path for name in files for path in sorted((folder / "model").glob(name))]
    _with_fault(draw.choice(chosen), draw)
    model, tokenizer = adopt(folder / "model")
    for name, weight in model.named_parameters():
        assert weight.dtype == torch.float32 and bool(torch.isfinite(weight).all()), name
    assert tokenizer("1+2")["input_ids"] is not None


def _read_rows(draw: random.Random, folder: Path) -> None:
    """Questions of one's own, with other values in a row or other bytes in the file."""
    from effopd.datasets.own import read_own

    rows: list[Any] = [
        {"prompt": "1+1?", "answer": "2", "task": "math"},
        {"messages": [{"role": "user", "content": "1+2?"}], "answer": "3", "task": "exact"},
        {"prompt": "Add.", "answer": {"inputs": ["1 2"], "outputs": ["3"]}, "task": "code"},
    ]
    if draw.randrange(2):
        rows = _faulty_json(rows, draw)
    content = "\n".join(json.dumps(row, default=str) for row in rows).encode("utf-8", "surrogatepass")
    (folder / "mine.jsonl").write_bytes(_faulty(content, draw) if draw.randrange(2) else content)
    for example in read_own(folder / "mine.jsonl"):
        assert example.question.strip() and example.answer


def _read_table(draw: random.Random, folder: Path) -> None:
    """Problems as a stage has written them."""
    from effopd.tasks.problems import Problem, read_problems, write_problems

    path = folder / "train.parquet"
    write_problems(path, [Problem("math", f"{n}+1?", str(n + 1)) for n in range(20)])
    path.write_bytes(_faulty(path.read_bytes(), draw))
    for problem in read_problems(path):
        assert isinstance(problem.prompt, str) and isinstance(problem.answer, str)


def _reader(kind: str) -> Callable[[random.Random, Path], None]:
    if kind in ("weights", "model", "tokenizer"):
        files = {
            "weights": ("*.safetensors",),
            "model": ("config.json", "generation_config.json", "*.index.json"),
            "tokenizer": ("tokenizer*.json", "chat_template*", "special_tokens_map.json"),
        }
        return lambda draw, folder: _read_model(draw, folder, *files[kind])
    return {"values": _read_values, "texts": _read_text, "rows": _read_rows, "tables": _read_table}[kind]


def main(kind: str, first: int, number: int) -> None:
    """Read the inputs from `first` on, and print a row for each, as commands and stages would have ended."""
    import transformers

    from effopd.errors import MachineError, explained, one_line
    from effopd.files import DataError
    from effopd.params.section import ParamsError

    transformers.logging.set_verbosity_error()
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed
    read = _reader(kind)
    with tempfile.TemporaryDirectory() as place:
        for index in range(first, number):
            folder = Path(place) / "input"
            folder.mkdir()
            began, end, said = time.process_time(), "accepted", ""
            try:
                read(random.Random(f"{SEED} {kind} {index}"), folder)
            except (ParamsError, DataError, MachineError) as error:
                end, said = "refused", one_line(error)  # as every command and stage says it
            except AssertionError as error:
                end, said = "garbage accepted", repr(error)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                end, said = ("refused", explained(error) or "") if explained(error) else ("traceback", repr(error))
            seconds = time.process_time() - began
            told.write(json.dumps({"number": index, "end": end, "said": said, "seconds": seconds}) + "\n")
            told.flush()
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
