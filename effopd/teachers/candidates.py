"""From the candidates that vLLM reports for every token to a judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from effopd.files import DataError
from effopd.losses.buckets import with_rest
from effopd.params.teacher import SAMPLED, WHOLE
from effopd.rollout.assemble import unpadded
from effopd.rollout.sampler import Rollout
from effopd.teachers.local import as_they_are
from effopd.train.judgement import Full, Judgement, Top

Candidates = Mapping[int, tuple[float, int]]
"""Log-probability and rank, counted from 1, of some tokens at one position."""


def asked_for(top_k: int) -> int:
    """vLLM's `prompt_logprobs` that tell as much as `top_k` needs."""
    return {WHOLE: -1, SAMPLED: 0}.get(top_k, top_k)


def judgement(rollout: Rollout, found: Sequence[Sequence[Candidates]], vocabulary: int, top_k: int) -> Judgement:
    """What the candidates at every sampled token of B completions say; on the rollout's device.

    vocabulary: V, the student's. A teacher of the same tokenizer may have more embeddings than tokens: such entries are
    cut off, and what is left is normalised by the losses. top_k: as in the params; candidates hold so many of the
    likeliest, and the sampled token in any case.
    Raises `DataError` when candidates are missing, or a cut-off entry is among the K likeliest.
    """
    B, T = rollout.tokens_BT.shape
    if top_k == WHOLE:
        logprobs_BTV = torch.zeros(B, T, vocabulary)
        for b, positions in enumerate(found):
            for t, candidates in enumerate(positions):
                logprobs_BTV[b, t] = _whole(candidates, vocabulary)
        return Full((logprobs_BTV.to(rollout.tokens_BT.device),), as_they_are)

    if top_k == SAMPLED:
        sampled_BT = torch.zeros(B, T)
        for b, positions in enumerate(found):
            for t, candidates in enumerate(positions):
                sampled_BT[b, t] = _of(int(rollout.tokens_BT[b, t]), candidates)
        sampled_BT = sampled_BT.to(rollout.tokens_BT.device)
        return Top((rollout.tokens_BT[..., None], with_rest(sampled_BT[..., None]), sampled_BT))

    K = min(top_k, vocabulary)
    ids_BTK = torch.arange(K).repeat(B, T, 1)
    logprobs_BTK, sampled_BT = torch.zeros(B, T, K), torch.zeros(B, T)
    for b, positions in enumerate(found):
        for t, candidates in enumerate(positions):
            ids_BTK[b, t], logprobs_BTK[b, t] = _likeliest(candidates, K, vocabulary)
            sampled_BT[b, t] = _of(int(rollout.tokens_BT[b, t]), candidates)
    outcomes = logprobs_BTK if vocabulary == K else with_rest(logprobs_BTK)
    ids_BTK, outcomes, sampled_BT = (x.to(rollout.tokens_BT.device) for x in (ids_BTK, outcomes, sampled_BT))
    return Top((ids_BTK, outcomes, sampled_BT))


def _of(token: int, candidates: Candidates) -> float:
    if token not in candidates:
        raise DataError(f"the teacher said nothing of token {token}, which was sampled")
    return candidates[token][0]


def texts(rollout: Rollout) -> list[tuple[list[int], list[int]]]:
    """The unpadded tokens of each prompt and of its completion."""
    prompts = unpadded(rollout.prompts_BP, rollout.prompt_mask_BP)
    return list(zip(prompts, unpadded(rollout.tokens_BT, rollout.mask_BT), strict=True))


def _whole(candidates: Candidates, vocabulary: int) -> torch.Tensor:
    try:
        return torch.tensor([candidates[token][0] for token in range(vocabulary)])
    except KeyError as missing:
        raise DataError(
            f"the teacher said nothing of token {missing}; for the whole vocabulary start its server with "
            "--max-logprobs -1, or set teacher.top_k"
        ) from None


def _likeliest(candidates: Candidates, count: int, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    ranked = sorted((rank, token, logprob) for token, (logprob, rank) in candidates.items() if rank <= count)[:count]
    if len(ranked) < count:
        raise DataError(f"the teacher told {len(ranked)} likeliest tokens, teacher.top_k asks for {count}")
    if beyond := [token for _, token, _ in ranked if token >= vocabulary]:
        raise DataError(
            f"token {beyond[0]}, which the tokenizer does not have, is among the teacher's {count} likeliest; use "
            "teacher.engine transformers, which cuts such entries off"
        )
    return torch.tensor([token for _, token, _ in ranked]), torch.tensor([logprob for *_, logprob in ranked])
