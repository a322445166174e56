"""One record for every completion of every problem, written as they are made, so that nothing is done twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from effopd.files import DataError, atomic_path, canonical_json
from effopd.rollout.policy import Policy
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict

Grader = Callable[[Sequence[Problem], Sequence[str]], list[Verdict]]

SCHEMA = pa.schema([
    ("problem", pa.int64()), ("sample", pa.int64()), ("task", pa.string()), ("prompt", pa.string()),
    ("answer", pa.string()), ("completion", pa.string()), ("score", pa.float64()), ("reason", pa.string()),
    ("tokens", pa.int64()), ("truncated", pa.bool_()), ("judged", pa.bool_()),
])  # fmt: skip


@dataclass(frozen=True)
class Record:
    """What came of one sample of one problem; tokens counts those that were sampled, the end token included.

    judged: False where the problem's data could not tell right from wrong.
    """

    problem: int
    sample: int
    completion: str
    score: float
    reason: str
    tokens: int
    truncated: bool
    judged: bool = True


def evaluate(
    policy: Policy,
    problems: Sequence[Problem],
    grade: Grader,
    *,
    samples: int,
    seed: int,
    max_new_tokens: int,
    batch_size: int,
    journal: Path,
    progress: Callable[[int], object],
) -> list[Record]:
    """`samples` completions of each problem at temperature 1, graded; ordered by problem and sample.

    The random numbers of a sample depend on the seed, its prompt and its number alone: not on the batch, on the other
    problems, or on how often the evaluation was interrupted. journal: a file that keeps the records made so far; what
    it holds is not made again. progress: called with the number of records after each batch.
    """
    done = {(record.problem, record.sample): record for record in read_journal(journal)}
    wanted = [(p, s) for p in range(len(problems)) for s in range(samples)]
    missing = [item for item in wanted if item not in done]
    progress(len(wanted) - len(missing))
    for start in range(0, len(missing), batch_size):
        batch = missing[start : start + batch_size]
        chosen = [problems[p] for p, _ in batch]
        numbers_BT = uniforms(derive_seed(seed, "benchmark"), [_row(problems[p], s) for p, s in batch], max_new_tokens)
        rollout = policy.sample([problem.prompt for problem in chosen], max_new_tokens, numbers_BT)
        verdicts = grade(chosen, rollout.texts)
        made = [
            Record(p, s, text, verdict.score, verdict.reason, int(length), bool(truncated), verdict.judged)
            for (p, s), text, verdict, length, truncated in zip(
                batch, rollout.texts, verdicts, rollout.lengths_B, rollout.truncated_B, strict=True
            )
        ]
        _append(journal, made)
        done.update({(record.problem, record.sample): record for record in made})
        progress(len(made))
    return [done[item] for item in wanted]


def read_journal(path: Path) -> list[Record]:
    """The whole records of a journal; the last line may have been cut off by a kill and is then left out."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole, _, cut_off = data.rpartition(b"\n")
    if cut_off:
        os.truncate(path, len(data) - len(cut_off))
    try:
        return [Record(**json.loads(line)) for line in whole.split(b"\n") if line]
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: damaged ({error}); delete it to evaluate from the beginning") from None


def write_records(path: Path, problems: Sequence[Problem], records: Sequence[Record]) -> None:
    """All records as parquet, with each problem's task, prompt and reference answer beside them."""
    rows = [asdict(record) | asdict(problems[record.problem]) for record in records]
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary, compression="zstd")


def read_records(path: Path) -> list[Record]:
    """Records of a parquet file. Raises `DataError` naming the file when it is damaged."""
    try:
        table = pq.read_table(path, columns=[field.name for field in fields(Record)])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable file of records ({str(error).splitlines()[0]})") from None
    return [Record(**row) for row in table.to_pylist()]


def _row(problem: Problem, number: int) -> int:
    """A number for one sample of one prompt, wherever the prompt stands."""
    return derive_seed(number, problem.task, problem.prompt)


def _append(path: Path, records: Sequence[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="surrogatepass") as stream:
        stream.write("".join(canonical_json(asdict(record)) + "\n" for record in records))
        stream.flush()
        os.fsync(stream.fileno())
