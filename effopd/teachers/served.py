"""A teacher behind the URL of a vLLM server, through `prompt_logprobs` of its OpenAI-compatible API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from effopd.errors import one_line
from effopd.files import DataError
from effopd.rollout.sampler import Rollout
from effopd.rollout.server import Server
from effopd.teachers.candidates import asked_for, judgement, texts
from effopd.train.judgement import Judgement


@dataclass(frozen=True)
class ServedTeacher:
    """vocabulary: the student's. top_k: as in the params."""

    server: Server
    vocabulary: int
    top_k: int

    def judge(self, rollout: Rollout, names: Sequence[str], loss_chunk: int) -> Judgement:  # noqa: ARG002
        parts = texts(rollout)
        choices = self.server.complete(
            [[*prompt, *completion] for prompt, completion in parts],
            max_tokens=1,
            temperature=0.0,
            prompt_logprobs=asked_for(self.top_k),
        )
        try:
            if any(len(c["prompt_logprobs"]) != len(p) + len(t) for c, (p, t) in zip(choices, parts, strict=True)):
                raise ValueError("too few positions")
            found = [
                [
                    {int(token): (float(c["logprob"]), int(c["rank"])) for token, c in position.items()}
                    for position in choice["prompt_logprobs"][len(prompt) :]
                ]
                for choice, (prompt, _) in zip(choices, parts, strict=True)
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # null where a number is due, or nothing
            raise DataError(
                f"{self.server.url}: {self.server.model} says nothing of some token ({one_line(repr(error))})"
            ) from None
        return judgement(rollout, found, self.vocabulary, self.top_k)
