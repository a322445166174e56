"""Teachers: losses over their likeliest tokens by enumeration, routing, and what is checked before a run."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from tiny import OPD, between, with_values
from torch import Tensor

from effopd.files import DataError
from effopd.losses.buckets import bucket_logprobs, with_rest
from effopd.losses.forward_kl import forward_kl
from effopd.losses.jsd import jsd
from effopd.losses.reverse_kl import reverse_kl
from effopd.models.store import save_model
from effopd.params.section import ParamsError, parse
from effopd.params.teacher import TeacherParams
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import uniforms
from effopd.tasks.problems import Problem, read_problems, write_problems
from effopd.teachers.candidates import judgement
from effopd.teachers.local import LocalTeacher
from effopd.teachers.preflight import check_ends, check_tokenizers
from effopd.teachers.routed import RoutedTeacher
from effopd.teachers.start import Student, start_local
from effopd.train.engine import TorchEngine
from effopd.train.judgement import Full, Judgement, Teacher, Top
from effopd.train.objective import Judged, chosen_loss, token_scores

V = 6
DEFAULT: dict[str, Any] = {
    "source": "rl", "revision": "", "engine": "transformers", "url": "", "top_k": 0, "gpu_memory": 0.3, "named": {},
}  # fmt: skip


def softmax(row: Any) -> list[float]:
    total = math.fsum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def kl(p: list[float], q: list[float]) -> float:
    return math.fsum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True))


def enumerated(name: str, student: Any, teacher: Any, ids: list[int]) -> float:
    """A loss in float64 between the probabilities of `ids` and of all other tokens together."""
    p, q = softmax(student), softmax(teacher)
    others = [v for v in range(V) if v not in ids]
    ours, theirs = ([x[i] for i in ids] + ([math.fsum(x[v] for v in others)] if others else []) for x in (p, q))
    if name == "reverse_kl":
        return kl(ours, theirs)
    if name == "forward_kl":
        return kl(theirs, ours)
    mixture = [0.3 * t + 0.7 * s for s, t in zip(ours, theirs, strict=True)]
    return 0.3 * kl(theirs, mixture) + 0.7 * kl(ours, mixture)


LOSSES = {"reverse_kl": reverse_kl, "forward_kl": forward_kl, "jsd": partial(jsd, beta=0.3)}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("k", [1, 2, 4, V])
def test_losses_over_a_teachers_likeliest_tokens_and_their_gradients_are_those_of_enumeration(
    name: str, k: int
) -> None:
    draws = np.random.default_rng(0)
    student, teacher = draws.normal(0, 1.5, V), draws.normal(0, 1.5, V)
    ids = np.argsort(-teacher)[:k].tolist()
    leaf, ids_K = torch.tensor(student, dtype=torch.float32, requires_grad=True), torch.tensor(ids)
    loss = LOSSES[name](between(bucket_logprobs(leaf, ids_K), bucket_logprobs(torch.tensor(teacher).float(), ids_K)))
    loss.backward()
    assert loss.item() == pytest.approx(enumerated(name, student, teacher, ids), abs=2e-6)
    assert leaf.grad is not None
    for v in range(V):
        shift = np.eye(V)[v] * 1e-5
        up, down = (enumerated(name, student + sign * shift, teacher, ids) for sign in (1, -1))
        assert leaf.grad[v].item() == pytest.approx((up - down) / 2e-5, abs=5e-6)
    if k == V:
        full = LOSSES[name](between(torch.tensor(student), torch.tensor(teacher)))
        assert loss.item() == pytest.approx(full.item(), abs=2e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_more_outcomes_never_lower_a_loss(name: str) -> None:
    draws = torch.Generator().manual_seed(1)
    student, teacher = (torch.randn(200, V, generator=draws) for _ in range(2))
    ids = teacher.argsort(-1, descending=True)
    losses = [
        LOSSES[name](between(bucket_logprobs(student, ids[:, :k]), bucket_logprobs(teacher, ids[:, :k])))
        for k in (1, 3, V)
    ]
    assert all((more >= less - 1e-6).all() for less, more in pairwise(losses))


def test_what_is_left_of_one_is_the_rest() -> None:
    found = with_rest(torch.tensor([[0.5, 0.2], [0.75, 0.25]]).log()).exp()
    assert found[0].tolist() == pytest.approx([0.5, 0.2, 0.3], abs=1e-6)
    assert 0 < found[1, 2] < 1e-6, "never nothing: its logarithm is taken"


# Judgements of real rollouts


def rollout(count: int = 5) -> Rollout:
    prompts = [problem.prompt for problem in tiny.problems(count)]
    return sample(tiny.guesser(), tiny.tokenizer(), prompts, 6, uniforms(3, range(count), 6))


def scores(teacher: Teacher, drawn: Rollout, loss: str, chunk: int = 0, names: list[str] | None = None) -> Tensor:
    """Loss and log-probability of every unmasked token, as the training loop has them."""
    engine = TorchEngine(tiny.guesser(), tiny.OPTIMIZER, 1e-3)
    found = teacher.judge(drawn, names or [""] * len(drawn.texts), chunk)
    piece = Judged(drawn, found, drawn.logprobs_BT)
    made = token_scores(engine, piece, chosen_loss(with_values(OPD, loss=loss)), chunk)
    return torch.stack([made.loss_BT, made.reverse_kl_BT])[:, drawn.mask_BT.bool()].detach()


ALL = ["sampled", "reverse_kl", "forward_kl", "jsd"]


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("chunk", [0, 3])
def test_a_teacher_of_as_many_likeliest_tokens_as_there_are_is_the_whole_teacher(loss: str, chunk: int) -> None:
    drawn, taught = rollout(), tiny.guesser(9, 1)
    vocabulary = taught.config.vocab_size
    whole, top = (scores(LocalTeacher(taught, k), drawn, loss, chunk) for k in (0, vocabulary))
    assert whole[1].max() > 0.1, "student and teacher differ"
    torch.testing.assert_close(top, whole, atol=2e-6, rtol=1e-5)
    some = scores(LocalTeacher(taught, 2), drawn, loss, chunk)
    assert (some[1] <= whole[1] + 1e-6).all() and some[1].sum() < whole[1].sum()


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("top_k", [0, 1, 3, -1])
def test_a_student_that_is_its_own_teacher_has_no_loss_to_learn_from(loss: str, top_k: int) -> None:
    drawn = rollout()
    engine = TorchEngine(tiny.guesser(), tiny.OPTIMIZER, 1e-3)
    found = LocalTeacher(tiny.guesser(), top_k).judge(drawn, [""] * len(drawn.texts), 0)
    piece = Judged(drawn, found, drawn.logprobs_BT)
    made = token_scores(engine, piece, chosen_loss(with_values(OPD, loss=loss)), 0)
    assert made.loss_BT.abs().max() < 2e-6 and made.reverse_kl_BT.abs().max() < 2e-6
    made.loss_BT.sum().backward()
    gradients = [p.grad.abs().max().item() for p in engine.model.parameters() if p.grad is not None]
    assert gradients and max(gradients) < 2e-5


@pytest.mark.parametrize("chunk", [0, 2])
@pytest.mark.parametrize("top_k", [0, 2, -1])
def test_each_completion_is_judged_by_the_teacher_that_its_problem_names(chunk: int, top_k: int) -> None:
    drawn, names = rollout(5), ["wide", "", "wide", "", ""]
    wide = tiny.model(seed=3, layers=2)  # another architecture: states of another width would not mix
    teachers = {"": LocalTeacher(tiny.guesser(9, 1), top_k), "wide": LocalTeacher(wide, top_k)}
    found = torch.zeros(2, *drawn.tokens_BT.shape)
    found[:, drawn.mask_BT.bool()] = scores(RoutedTeacher(teachers), drawn, "reverse_kl", chunk, names)
    for name, teacher in teachers.items():
        alone = torch.zeros_like(found)
        alone[:, drawn.mask_BT.bool()] = scores(teacher, drawn, "reverse_kl", chunk)
        rows = [row for row, asked in enumerate(names) if asked == name]
        torch.testing.assert_close(found[:, rows], alone[:, rows], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(scores(teachers[""], drawn, "reverse_kl"), scores(teachers["wide"], drawn, "reverse_kl"))


# What vLLM reports


def candidates(found: Judgement, drawn: Rollout, keep: int | None) -> list[list[dict[int, tuple[float, int]]]]:
    """A full judgement, told as vLLM tells it: the likeliest tokens, and the sampled one wherever it ranks."""
    assert isinstance(found, Full)
    logprobs_BTV = found.logits(*found.given).log_softmax(-1)
    rows = []
    for b, length in enumerate(drawn.lengths_B.long().tolist()):
        rows.append([])
        for t in range(length):
            order = logprobs_BTV[b, t].argsort(descending=True).tolist()
            told = {v: (logprobs_BTV[b, t, v].item(), rank) for rank, v in enumerate(order, start=1)}
            sampled = int(drawn.tokens_BT[b, t])
            rows[-1].append({v: told[v] for v in {*order[:keep], sampled}})
    return rows


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("top_k", [0, 3, -1])
def test_candidates_of_vllm_say_what_the_model_says(loss: str, top_k: int) -> None:
    drawn, taught = rollout(), LocalTeacher(tiny.guesser(9, 1), top_k)
    told = candidates(replace(taught, top_k=0).judge(drawn, [], 0), drawn, {0: None, -1: 0}.get(top_k, top_k))

    class Told:
        def judge(self, rollout: Rollout, names: Any, loss_chunk: int) -> Judgement:
            return judgement(rollout, told, taught.model.config.vocab_size, top_k)

    for chunk in (0, 3):
        found = scores(Told(), drawn, loss, chunk)
        torch.testing.assert_close(found, scores(taught, drawn, loss, chunk), atol=1e-5, rtol=1e-4)


def test_candidates_beyond_the_tokenizer_are_cut_off_or_refused() -> None:
    drawn = rollout(1)
    steps = range(int(drawn.lengths_B[0]))
    token = int(drawn.tokens_BT[0, 0])
    padded = [{v: (math.log(1 / 16), v + 1) for v in range(16)} for _ in steps]  # 8 tokens, 8 more embeddings
    found = judgement(replace(drawn, tokens_BT=drawn.tokens_BT * 0), [padded], 8, 0)
    assert isinstance(found, Full)
    assert found.logits(*found.given)[0, 0].softmax(-1).tolist() == pytest.approx([1 / 8] * 8)
    with pytest.raises(DataError, match="token 8, which the tokenizer does not have"):
        judgement(drawn, [[{8: (-0.1, 1), token: (-3.0, 2)} for _ in steps]], 8, 1)
    with pytest.raises(DataError, match="said nothing of token 0"):
        judgement(drawn, [[{token: (-3.0, 2)} for _ in steps]], 8, 0)
    with pytest.raises(DataError, match=r"told 1 likeliest tokens, teacher\.top_k asks for 2"):
        judgement(drawn, [[{token: (-3.0, 2)} for _ in steps]], 8, 2)


# Before a run


def test_embeddings_without_a_token_are_cut_off_a_teacher(tmp_path: Path) -> None:
    taught = tiny.guesser(9, 1)
    size = taught.config.vocab_size
    drawn, expected = rollout(), LocalTeacher(tiny.guesser(9, 1))
    taught.resize_token_embeddings(size + 9)
    with torch.no_grad():
        taught.lm_head.weight[size:] += 5.0  # so likely that normalising over them would show
    save_model(tmp_path / "padded", taught, tiny.tokenizer())
    params = parse(TeacherParams, "teacher", DEFAULT)
    student = Student(tiny.guesser().config, tiny.tokenizer(), torch.device("cpu"), "float32")
    found = start_local(tmp_path / "padded", "transformers", params, student)
    for loss in ALL:
        torch.testing.assert_close(scores(found, drawn, loss), scores(expected, drawn, loss), atol=1e-6, rtol=1e-5)


def test_the_first_token_that_differs_is_named() -> None:
    check_tokenizers(tiny.tokenizer(), tiny.tokenizer(), "models/teacher")
    with pytest.raises(DataError) as caught:
        check_tokenizers(tiny.tokenizer("01+?"), tiny.tokenizer("01-?x"), "models/teacher")
    assert str(caught.value) == (
        "models/teacher: the teacher has another tokenizer than the student: token 4 is '-', the student's is '+'"
    )
    with pytest.raises(DataError, match="token 5 is '\\?', the student's is None"):
        check_tokenizers(tiny.tokenizer("01+"), tiny.tokenizer("01+?"), "t")


def test_a_teacher_that_ends_with_a_token_the_student_goes_on_after_is_refused() -> None:
    config, other = tiny.guesser().config, tiny.guesser().config
    tokenizer = tiny.tokenizer()
    other.eos_token_id = [1, 7]
    check_ends((other, tokenizer), (config, tokenizer), "t")  # the student may end in more ways
    with pytest.raises(DataError, match=r"^t: the teacher ends its texts with token 7 \("):
        check_ends((config, tokenizer), (other, tokenizer), "t")


def test_the_column_teacher_is_kept_and_may_be_missing(tmp_path: Path) -> None:
    plain = [Problem("arithmetic", "1+1?", "2"), Problem("arithmetic", "2+2?", "4")]
    named = [replace(plain[0], teacher="sums"), plain[1]]
    for name, problems in (("plain", plain), ("named", named)):
        write_problems(tmp_path / name, problems)
        assert read_problems(tmp_path / name) == problems


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine": "served"}, "engine served needs a url, such as http://127.0.0.1:8000"),
        ({"engine": "served", "url": "ftp://127.0.0.1"}, "teacher.url: must be empty, or the URL of a vLLM server"),
        ({"url": "http://127.0.0.1:8000"}, "url is for the engine served, and the engine is transformers"),
        ({"revision": "a" * 40}, "revision pins a folder or a name on the hub"),
        ({"source": "Qwen/Qwen3-4B", "revision": "main"}, "teacher.revision: must be 40 hexadecimal digits, or empty"),
        (
            {"named": {"": {"source": "a", "revision": "", "engine": "vllm", "url": ""}}},
            "teacher.named.: a name has letters",
        ),
        ({"named": {"x": {"source": "a", "revision": "", "engine": "vllm"}}}, "teacher.named.x.url: field required"),
        (
            {"named": {"x": {"source": "a", "revision": "", "engine": "vllm", "url": "", "top": 1}}},
            "teacher.named.x.top: unknown key (known: source, revision, engine, url)",
        ),
    ],
)
def test_a_teacher_that_cannot_be_is_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        parse(TeacherParams, "teacher", DEFAULT | values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_top_is_what_two_likeliest_tokens_give() -> None:
    drawn = rollout(2)
    found = LocalTeacher(tiny.guesser(9, 1), 2).judge(drawn, ["", ""], 0)
    assert isinstance(found, Top)
    ids, outcomes, _ = found.given
    assert ids.shape[-1] == 2 and outcomes.shape[-1] == 3
    torch.testing.assert_close(outcomes.exp().sum(-1), torch.ones(outcomes.shape[:2]))


def test_a_teacher_keeps_its_precision_inside_a_student_under_autocast() -> None:
    teacher = LocalTeacher(tiny.guesser(9, 1))
    rollout = sample(tiny.guesser(), tiny.tokenizer(), ["1+2?"], tiny.LENGTH, uniforms(1, range(1), tiny.LENGTH))
    whole, pieces = (teacher.judge(rollout, [""], chunk) for chunk in (0, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits_BTV = pieces.logits(*pieces.given)
    assert logits_BTV.dtype == torch.float32
    torch.testing.assert_close(logits_BTV, whole.given[0])
