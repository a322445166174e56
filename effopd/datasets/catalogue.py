"""A dataset by its name: a published one with a spec, or a file of the user's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from effopd.datasets.load import load_rows, local_copy
from effopd.datasets.own import read_own
from effopd.datasets.prompts import AS_IT_IS, Renderer
from effopd.datasets.rows import Example, Rejected, read_examples
from effopd.datasets.spec import Prompt, Source, read_spec, spec_file, spec_names
from effopd.files import DataError
from effopd.seeding import generator
from effopd.tasks import choice, code
from effopd.tasks.problems import UNGRADED, Demonstration, Problem


@dataclass(frozen=True)
class Dataset:
    """All of a dataset's usable rows, in the order of its source, and what is known about it.

    source: None for a file of the user's own. local: the file that was read, or None for the hub.
    """

    name: str
    title: str
    licence: str
    source: Source | None
    local: Path | None
    prompt: Prompt
    samples: int
    examples: list[Example]
    rejected: list[Rejected]


def load(name: str, sources: Path, seed: int) -> Dataset:
    """The dataset `name`: a published one, from a local copy in `sources` or from the hub, or one's own file there.

    Raises `DataError` when there is none of that name, or no usable row in it.
    """
    local = local_copy(sources, name)
    if name not in spec_names():
        if local is None:
            known = ", ".join(spec_names())
            raise DataError(f"no dataset {name!r}: known are {known}, and files of your own, {sources}/{name}.jsonl")
        return Dataset(name, name, "the user's own", None, local, AS_IT_IS, 1, read_own(local), [])
    spec = read_spec(spec_file(name))
    examples, rejected = read_examples(spec, load_rows(spec, local), seed)
    if not examples:
        reason = f"; row {rejected[0].row}: {rejected[0].reason}" if rejected else ""
        raise DataError(f"{local or spec.source.repository}: not one usable row{reason}")
    return Dataset(name, spec.title, spec.licence, spec.source, local, spec.prompt, spec.samples, examples, rejected)


def problem(example: Example, dataset: Dataset, renderer: Renderer) -> Problem:
    asked = replace(example, question=example.teacher_question, messages=_asked(example))
    return Problem(
        example.task,
        renderer.render(example, dataset.prompt),
        example.answer,
        example.teacher,
        renderer.render(asked, dataset.prompt) if example.teacher_question else "",
    )


def _asked(example: Example) -> tuple[tuple[str, str], ...]:
    """A row's conversation with what the teacher is asked for its last turn."""
    return (*example.messages[:-1], ("user", example.teacher_question)) if example.messages else ()


def demonstration(example: Example, dataset: Dataset, renderer: Renderer) -> Demonstration | None:
    """A completion to imitate: the row's solution, or its bare answer; None for rows that have neither, as programs."""
    if example.task in (code.TASK, UNGRADED):
        return None
    bare = (
        f"Answer: {example.answer}" if example.task == choice.TASK else f"The answer is $\\boxed{{{example.answer}}}$."
    )
    return Demonstration(renderer.render(example, dataset.prompt), example.solution or bare)


def different(examples: list[Example]) -> list[Example]:
    """Without those that put the same conversation and options as another; of these the last is kept."""
    return list(
        {(example.messages or (("user", example.question),), example.choices): example for example in examples}.values()
    )


def split(examples: list[Example], sizes: dict[str, int], seed: int) -> dict[str, list[Example]]:
    """Disjoint random parts of the given sizes; the last takes what is left where that is less.

    What occurs twice goes to one part only. Rows without an answer go to the last part, unless no row has one. Raises
    `DataError` when nothing is left for the last part, or too few rows with answers are there for the others.
    """
    unique = different(examples)
    order = [unique[i] for i in generator(seed, "problems").permutation(len(unique))]
    graded = [example for example in order if example.task != UNGRADED] or order
    *others, last = sizes
    before = sum(sizes[name] for name in others)
    if before > len(graded):
        raise DataError(f"{len(graded)} different questions with answers are too few: {before} are set aside for tests")
    parts, start = {}, 0
    for name in others:
        parts[name] = graded[start : start + sizes[name]]
        start += sizes[name]
    taken = {example.row for example in graded[:start]}
    parts[last] = [example for example in order if example.row not in taken][: sizes[last]]
    if not parts[last]:
        raise DataError(
            f"{len(unique)} different questions are too few: {before} are set aside before {last!r} gets any"
        )
    return parts
