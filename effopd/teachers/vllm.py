"""A teacher in this process, run by vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from effopd.params.section import ParamsError
from effopd.rollout.sampler import Rollout
from effopd.teachers.candidates import asked_for, judgement, texts
from effopd.train.judgement import Judgement


@dataclass(frozen=True)
class VLLMTeacher:
    """llm: vLLM's `LLM`. vocabulary: the student's. top_k: as in the params."""

    llm: Any
    vocabulary: int
    top_k: int

    def judge(self, rollout: Rollout, names: Sequence[str], loss_chunk: int) -> Judgement:  # noqa: ARG002
        from vllm import SamplingParams

        parts = texts(rollout)
        request = SamplingParams(max_tokens=1, prompt_logprobs=asked_for(self.top_k), detokenize=False)
        whole = [{"prompt_token_ids": [*prompt, *completion]} for prompt, completion in parts]
        try:
            outputs = self.llm.generate(whole, request, use_tqdm=False)
        except ValueError as error:  # a text longer than its context
            raise ParamsError(f"teacher: vLLM cannot score a completion ({' '.join(str(error).split())})") from None
        found = [
            [{token: (c.logprob, c.rank) for token, c in position.items()} for position in o.prompt_logprobs[len(p) :]]
            for o, (p, _) in zip(outputs, parts, strict=True)
        ]
        return judgement(rollout, found, self.vocabulary, self.top_k)
