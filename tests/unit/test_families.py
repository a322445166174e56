"""Sampling and teacher forcing of the architectures that people publish, against each sequence alone in float64."""

from __future__ import annotations

import pytest
import tiny
import torch
import zoo
from transformers import PreTrainedModel

from effopd.losses.tokens import masked_sum, token_logprobs
from effopd.params.section import ParamsError
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import uniforms
from effopd.teachers.local import LocalTeacher
from effopd.train.engine import TorchEngine
from effopd.train.forward import check_own_logits, completion_logits
from effopd.train.objective import Judged, chosen_loss, token_scores
from effopd.train.scoring import policy_scores

LENGTH = 8
PROMPTS = ["3?", "3+8-4*2?", "1-1?", "9*9+0?"] * 8


def drawn(model: torch.nn.Module) -> Rollout:
    return sample(model, tiny.tokenizer(), PROMPTS, LENGTH, uniforms(7, range(len(PROMPTS)), LENGTH))


@pytest.mark.parametrize(
    ("family", "seed"), [("gemma3", 0), *((name, 2) for name in ("gpt2", "qwen3_moe", "deepseek_v3", *zoo.HYBRIDS))]
)
def test_a_row_is_sampled_and_scored_as_if_it_were_alone_though_others_are_longer_and_end_sooner(
    family: str, seed: int
) -> None:
    model = zoo.build(family, seed)
    found, reference = drawn(model), tiny.double(model)
    assert len(set(found.lengths_B.tolist())) > 1, "rows must end at different times"
    with torch.no_grad():
        forced_BT = token_logprobs(completion_logits(model, found), found.tokens_BT)
        for b, prompt in enumerate(PROMPTS):
            ids, length = tiny.tokenizer()(prompt)["input_ids"], int(found.lengths_B[b])
            tokens = found.tokens_BT[b, :length]
            alone_TV = tiny.next_token_logprobs(reference, ids + tokens.tolist())[len(ids) - 1 : -1]
            alone_T = alone_TV.gather(-1, tokens[:, None])[:, 0].float()
            torch.testing.assert_close(found.logprobs_BT[b, :length], alone_T, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(forced_BT[b, :length], alone_T, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "top_k"),
    [*((name, 0) for name in zoo.FAMILIES), *((name, 3) for name in ("granite", "cohere", "gemma2"))],
)
def test_a_loss_in_chunks_and_its_gradient_are_those_of_float64_whatever_a_model_makes_of_its_logits(
    family: str, top_k: int
) -> None:
    """Chunks of five tokens in float32 are within 1e-5 of the whole in float64, or as near as the whole in float32."""
    student, teacher = zoo.build(family, 3), zoo.build(family, 4)
    check_own_logits(student)
    found = drawn(student)

    def measured(student: PreTrainedModel, teacher: PreTrainedModel, chunk: int) -> tuple[torch.Tensor, ...]:
        engine = TorchEngine(student, tiny.OPTIMIZER, 1e-3)
        judgement = LocalTeacher(teacher, top_k).judge(found, [""] * len(PROMPTS), chunk)
        piece = Judged(found, judgement, found.logprobs_BT)
        scores = token_scores(engine, piece, chosen_loss(tiny.with_values(tiny.OPD, loss="reverse_kl")), chunk)
        loss = masked_sum(scores.loss_BT, found.mask_BT) / found.mask_BT.sum()
        logprobs_BT, entropy_BT = policy_scores(engine, found, chunk)
        engine.backward(loss + masked_sum(logprobs_BT, found.mask_BT) / found.mask_BT.sum())
        gradients = [p.grad.flatten() for p in student.parameters() if p.grad is not None]
        engine.forget_gradients()
        tokens = torch.stack((scores.loss_BT, scores.student_BT, logprobs_BT, entropy_BT)).detach() * found.mask_BT
        return loss.detach().double(), torch.cat(gradients).double(), tokens.double()

    chunked, whole = measured(student, teacher, 5), measured(student, teacher, 0)
    exact = measured(tiny.double(student), tiny.double(teacher), 0)
    assert exact[0] > 0.01
    for one, other, true in zip(chunked, whole, exact, strict=True):
        bound = max(1e-5, 2 * ((other - true).norm() / true.norm()).item())
        assert (one - true).norm() <= bound * true.norm()


def test_a_model_whose_logits_depend_on_more_than_its_last_states_is_refused_with_chunks() -> None:
    model = zoo.build("qwen3", 3)

    class Shifted(type(model)):  # type: ignore[misc]
        def forward(self, input_ids: torch.Tensor, **options: object) -> object:
            outputs = super().forward(input_ids, **options)
            outputs.logits = outputs.logits + input_ids[..., None]
            return outputs

    model.__class__ = Shifted
    with pytest.raises(ParamsError, match=r"^engine.loss_chunk: the logits of a qwen3 cannot be made in chunks"):
        check_own_logits(model)
