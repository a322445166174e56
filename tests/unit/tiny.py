"""A world of toy size for tests: a character tokenizer, a one-layer Qwen3, and training runs in a few steps of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from effopd.extrapolation.leaps import Leaps
from effopd.files import read_jsonl
from effopd.losses.seen import Seen
from effopd.models.build import build_model
from effopd.models.critic import make_critic
from effopd.models.tokenizer import character_tokenizer, pad_right
from effopd.params.base import BaseParams
from effopd.params.effopd import EffOPDParams
from effopd.params.model import ModelParams
from effopd.params.opd import OPDParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.rl import RLParams
from effopd.params.section import Section
from effopd.rollout.sampler import ModelSampler, sample
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.spectral.foresight import Foresight
from effopd.tasks.arithmetic import ALPHABET
from effopd.tasks.problems import Demonstration, Problem
from effopd.teachers.local import LocalTeacher
from effopd.train.distill import Search, distill
from effopd.train.engine import TorchEngine
from effopd.train.objective import Judged
from effopd.train.ppo import reinforce_with_critic
from effopd.train.rl import reinforce
from effopd.train.session import Session
from effopd.train.sft import fine_tune
from effopd.train.training import Training
from effopd.trajectory.schedule import checkpoint_steps
from effopd.trajectory.workspace import Workspace

MODEL = ModelParams(
    source="", revision="", vocabulary=0, hidden_size=16, layers=1, heads=2, kv_heads=1, mlp_size=24, context=64
)
OPTIMIZER = OptimizerParams(beta1=0.9, beta2=0.999, weight_decay=0.01, max_grad_norm=1.0, micro_batch=64)
OPD = OPDParams(
    loss="sampled",
    exopd_lambda=1.25,
    jsd_beta=0.5,
    importance_cap=5.0,
    log_ratio_cap=20.0,
    steps=4,
    prompts_per_step=6,
    updates_per_batch=1,
    least_effective=0.5,
    learning_rate=1e-2,
    decay="none",
    warmup_steps=0,
    sweep=[1e-3],
    sweep_steps=4,
)
EFFOPD = EffOPDParams(
    steps=4,
    triggers="exponential",
    direction="update",
    multipliers=[2, 4, 8],
    anchor="accepted",
    scope="all",
    score="accuracy",
    samples=2,
    score_share=1.0,
    least_effective=0.0,
    accept=">=",
    without_signal="leap",
    optimizer="keep",
    rate="keep",
    lower=0.5,
    lowest_rate=1e-8,
    highest_rate=1.0,
)
RL = RLParams(
    algorithm="grpo",
    steps=4,
    prompts_per_step=3,
    group_size=4,
    learning_rate=1e-2,
    updates_per_batch=1,
    clip=0.2,
    clip_high=0.28,
    kl_coefficient=0.001,
    critic_learning_rate=1e-2,
    gae_lambda=1.0,
    value_clip=0.2,
)
PPO = RLParams.model_validate(RL.model_dump() | {"algorithm": "ppo"})
BASE = BaseParams(steps=4, batch_size=5, learning_rate=1e-2, warmup_steps=1)
LENGTH = 5
SEED = 7

AnySection = TypeVar("AnySection", bound=Section)


def with_values(params: AnySection, **values: Any) -> AnySection:
    """A copy of a section with other values, checked like the first."""
    return type(params).model_validate(params.model_dump() | values)


def tokenizer(alphabet: str = ALPHABET) -> PreTrainedTokenizerFast:
    return character_tokenizer(alphabet)


def model(seed: int = 0, alphabet: str = ALPHABET, sharpness: float = 1.2, layers: int = 1) -> PreTrainedModel:
    """Random weights, so large that next-token distributions are far from uniform."""
    built = build_model(with_values(MODEL, layers=layers), tokenizer(alphabet), seed).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.ndim == 2:
                parameter.mul_(sharpness)
    return built


def double(source: PreTrainedModel) -> PreTrainedModel:
    """A float64 copy: the second implementation's model."""
    copy = type(source)(deepcopy(source.config))
    copy.load_state_dict(source.state_dict())
    copy.set_experts_implementation("eager")  # the others multiply in float32 at most
    return copy.double().eval()


def next_token_logprobs(reference: PreTrainedModel, ids: list[int]) -> Tensor:
    """log π(· | ids) (L, V) of one sequence without padding, cache or mask."""
    return reference(torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)


def problems(count: int = 12, seed: int = 0) -> list[Problem]:
    """Prompts of several lengths. Any completion that holds the marker and the digit 3 is right."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for index in range(count):
        digits = torch.randint(0, 10, (index % 3 + 2,), generator=generator).tolist()
        found.append(Problem("arithmetic", "+".join(str(digit) for digit in digits) + "?", "3"))
    return found


def between(student_X: Tensor, teacher_X: Tensor) -> Seen:
    """Two distributions, to losses that look at nothing else."""
    nothing = student_X[..., 0]
    return Seen(student_X, teacher_X, nothing.long(), nothing, nothing, nothing)


def of_tokens(student: Tensor, teacher: Tensor, sampler: Tensor, reference: Tensor | None = None) -> Seen:
    """log π of sampled tokens, to losses that look at nothing else."""
    nothing = student[..., None]
    start = student if reference is None else reference
    return Seen(nothing, nothing, student.long(), student, sampler, start, told=teacher)


def demonstrations(count: int = 20) -> list[Demonstration]:
    return [Demonstration(problem.prompt, "1;" * (i % 3) + "#3") for i, problem in enumerate(problems(count))]


def rolled_out(student: PreTrainedModel, prompts_per_step: int, group: int) -> Iterator[tuple[Problem, list[int], int]]:
    """Problem, completion's tokens and prompt's length of each sequence of the first step."""
    pool = problems()
    batch = [pool[i] for i in shuffled_batch(SEED, "prompts", 1, prompts_per_step, len(pool)) for _ in range(group)]
    numbers_BT = uniforms(derive_seed(SEED, "rollout", 1), range(len(batch)), LENGTH)
    found = sample(student, tokenizer(), [problem.prompt for problem in batch], LENGTH, numbers_BT)
    for problem, tokens, mask in zip(batch, found.tokens_BT, found.mask_BT, strict=True):
        prompt = tokenizer()(problem.prompt)["input_ids"]
        yield problem, prompt + tokens[mask.bool()].tolist(), len(prompt)


def distributions(reference: PreTrainedModel, ids: list[int], start: int) -> Tensor:
    """log π (T, V) for each token behind the prompt."""
    return next_token_logprobs(reference, ids)[start - 1 : -1]


@cache
def _guesser(rights: int, wrongs: int) -> PreTrainedModel:
    fitted = build_model(MODEL, tokenizer(), 11)
    prompts = [problem.prompt for problem in problems(24, seed=2)]
    completions = ["#3"] * 2 * rights + ["1;#5", "1;1;#5"] * wrongs
    rows = [
        tokenizer()(prompt)["input_ids"] + [-1, *tokenizer()(c)["input_ids"], 1]
        for prompt in prompts
        for c in completions
    ]
    ids_BL = pad_right([[i for i in row if i >= 0] for row in rows], 0)
    targets_BL = pad_right([[-100] * row.index(-1) + row[row.index(-1) + 1 :] for row in rows], -100)
    optimizer = torch.optim.AdamW(fitted.parameters(), lr=2e-2)
    for _ in range(60):
        logits_BTV = fitted(ids_BL, use_cache=False).logits[:, :-1]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), targets_BL[:, 1:].flatten()).backward()
        optimizer.step()
    return fitted.eval()


def guesser(rights: int = 1, wrongs: int = 1) -> PreTrainedModel:
    """A model that answers `problems` with ``#3``, which is right, or longer and wrongly, in these proportions."""
    return deepcopy(_guesser(rights, wrongs))


class Killed(BaseException):
    """What ends a run in the middle of a step."""


@dataclass
class AfterEach:
    """Calls a function with the step's number after each update, and searches nothing."""

    function: Callable[[int], object]
    state: Mapping[str, Tensor] = field(default_factory=dict)
    looks_back = False
    scale = 1.0

    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        self.function(step)


@dataclass
class Trained:
    """A finished run: its model and its published folder."""

    model: PreTrainedModel
    folder: Path
    engine: TorchEngine

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return read_jsonl(self.folder / "metrics.jsonl")

    @property
    def triggers(self) -> list[dict[str, Any]]:
        return read_jsonl(self.folder / "triggers.jsonl")


@dataclass
class Lab:
    """Trains one toy run after another under `root`, as the stages do, and publishes it."""

    root: Path
    student: Callable[[], PreTrainedModel] = guesser
    teacher: Callable[[], PreTrainedModel] = field(default=lambda: guesser(9, 1))
    reference: Callable[[], PreTrainedModel] = guesser
    critic: Callable[[], PreTrainedModel] = field(default=lambda: make_critic(guesser()))
    optimizer: OptimizerParams = OPTIMIZER
    loss_chunk: int = 0
    precision: str = "float32"
    pool: list[Problem] = field(default_factory=problems)

    def open(
        self,
        engine: TorchEngine,
        steps: int,
        key: str,
        extra: Mapping[str, Tensor] | None = None,
        critic: TorchEngine | None = None,
    ) -> Session:
        return Session(
            engine=engine,
            tokenizer=tokenizer(),
            workspace=Workspace(self.root / "scratch", "run", key),
            live=self.root / "live",
            last_step=steps,
            kept_steps=checkpoint_steps(steps, 1),
            extra_state=extra,
            critic=critic,
            foresight=partial(Foresight, device=engine.device),
        )

    def training(self, engine: TorchEngine, session: Session) -> Training:
        sampler = ModelSampler(engine.module, tokenizer(), LENGTH, self.precision)
        micro_batch = self.optimizer.micro_batch
        return Training(engine, sampler, self.pool, session, SEED, micro_batch, loss_chunk=self.loss_chunk)

    def publish(self, engine: TorchEngine, session: Session) -> Trained:
        session.publish(self.root / "published", {"run": "run"})
        return Trained(engine.module, self.root / "published", engine)

    def opd(
        self,
        params: OPDParams = OPD,
        effopd: EffOPDParams | None = None,
        key: str = "k" * 16,
        search: Search | None = None,
    ) -> Trained:
        """OPD for `params.steps` steps, or EffOPD for `effopd.steps`."""
        engine = TorchEngine(self.student(), self.optimizer, params.learning_rate, self.precision)
        if effopd is not None:
            search = self.leaps(effopd, engine, params.learning_rate)
        session = self.open(engine, effopd.steps if effopd else params.steps, key, search.state if search else None)
        reference = self.reference() if params.loss == "exopd" else None
        teacher, training = LocalTeacher(self.teacher()), self.training(engine, session)
        distill(training, teacher, params, params.learning_rate, reference=reference, search=search)
        return self.publish(engine, session)

    def leaps(self, params: EffOPDParams, engine: TorchEngine, rate: float) -> Leaps:
        sampler = ModelSampler(engine.module, tokenizer(), LENGTH, self.precision)
        validation = problems(4, seed=1)
        chunk = self.loss_chunk
        return Leaps(params, engine, sampler, validation, seed=SEED, learning_rate=rate, loss_chunk=chunk)

    def effopd(self, params: EffOPDParams = EFFOPD, opd: OPDParams = OPD) -> Trained:
        return self.opd(opd, params)

    def rl(self, params: RLParams = RL, key: str = "k" * 16) -> Trained:
        engine = TorchEngine(self.student(), self.optimizer, params.learning_rate, self.precision)
        critic, train = None, reinforce
        if params.algorithm == "ppo":
            critic = TorchEngine(self.critic(), self.optimizer, params.critic_learning_rate, self.precision)
            train = partial(reinforce_with_critic, critic)
        session = self.open(engine, params.steps, key, critic=critic)
        train(self.training(engine, session), self.reference(), params)
        return self.publish(engine, session)

    def ppo(self, params: RLParams = PPO) -> Trained:
        return self.rl(params)

    def sft(self, params: BaseParams = BASE, key: str = "k" * 16) -> Trained:
        engine = TorchEngine(self.student(), self.optimizer, params.learning_rate)
        session = self.open(engine, params.steps, key)
        fine_tune(
            engine,
            tokenizer(),
            demonstrations(),
            params,
            session,
            seed=SEED,
            micro_batch=self.optimizer.micro_batch,
        )
        return self.publish(engine, session)
