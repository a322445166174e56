"""Where the memory of a training stage goes, rank by rank, under each engine and ZeRO stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from effopd.params import teacher
from effopd.params.effopd import EffOPDParams
from effopd.params.schema import Params
from effopd.planning.shapes import Shape

MASTER = 4
"""Bytes of a float32 number: master weights, their moments, the anchor and the snapshot."""
LOGIT_COPIES = 6.5
"""Float32 numbers that the losses keep for each logit: 1,024 tokens over 151,936 entries took 3.6 GiB, 6.2 of them."""
DRAWING_BYTES = 36
"""For each logit while a token is drawn: float32 logits and log-probabilities, and three steps of it in float64."""
BUCKET = 500_000_000
"""Numbers that DeepSpeed sends at once."""
UPDATE = "AdamW's update"

Stage = Literal["rl", "opd", "effopd", "effopd-free"]
When = Literal["always", "sampling", "training"]


@dataclass(frozen=True)
class Part:
    """Bytes on one rank: on its device, or with offloading in the machine's own memory."""

    name: str
    bytes: float
    when: When
    offloaded: bool = False


@dataclass(frozen=True)
class Memory:
    """What one rank of a stage needs: everything that is always there, and the larger of sampling and training."""

    parts: tuple[Part, ...]

    @property
    def device(self) -> float:
        return self._peak(offloaded=False)

    @property
    def host(self) -> float:
        return self._peak(offloaded=True)

    def _peak(self, offloaded: bool) -> float:
        def total(when: When) -> float:
            return sum(part.bytes for part in self.parts if part.when == when and part.offloaded == offloaded)

        return total("always") + max(total("sampling"), total("training"))


@dataclass(frozen=True)
class Teaching:
    """What scores completions on each rank.

    scoring: the largest model that computes there; None when all of them are served elsewhere. held: parameters of
    those that transformers runs, in float32. engines: those that vLLM runs, each with its share of the memory.
    """

    scoring: Shape | None
    held: int
    engines: int


def reference(student: Shape) -> Teaching:
    """RL holds its own base."""
    return Teaching(student, student.parameters, 0)


def stage_memory(
    stage: Stage, params: Params, student: Shape, teaching: Teaching, prompt_tokens: int, device_memory: float
) -> Memory:
    """What a rank of `stage` needs, with prompts of `prompt_tokens` and completions of `rollout.max_new_tokens`.

    device_memory: bytes of the device, shares of which are vLLM's.
    """
    parts = [
        *_policy(params, student),
        Part("reference" if stage == "rl" else "teacher", MASTER * teaching.held, "always"),
        Part("teacher in vLLM", teaching.engines * params.teacher.gpu_memory * device_memory, "always"),
    ]
    if stage == "rl" and params.rl.algorithm == "ppo":
        parts += _critic(params, student)
    if stage != "rl" and params.opd.loss == "exopd":
        parts.append(Part("reference", MASTER * student.parameters, "always"))
    if search := search_of(stage, params):
        parts += _leaps(params, student)
    if stage != "rl" and (updates_of(stage, params) > 1 or (search and search.score == "teacher_kl")):
        parts.append(Part("teacher's outputs of a batch", _judged(params, student), "training"))
    parts += _sampling(stage, params, student, prompt_tokens, device_memory)
    tokens = params.optimizer.micro_batch * (prompt_tokens + params.rollout.max_new_tokens)
    saved = student.activation_bytes(compute_bytes(params), params.engine.activation_checkpointing)
    scored = params.engine.loss_chunk or params.optimizer.micro_batch * params.rollout.max_new_tokens
    parts += [
        Part("activations", tokens * saved, "training"),
        Part("logits", scored * student.vocabulary * MASTER * LOGIT_COPIES, "training"),
    ]
    return Memory(tuple(part for part in parts if part.bytes))


def compute_bytes(params: Params) -> int:
    """Bytes of a number in forward and backward passes."""
    return 2 if params.engine.precision == "bfloat16" else MASTER


def sampled_at_once(stage: Stage, params: Params) -> int:
    """Completions that one rank draws together."""
    ranks = params.engine.ranks
    match stage:
        case "rl":
            return -(-params.rl.prompts_per_step * params.rl.group_size // ranks)
        case _:
            search = search_of(stage, params)
            scored = params.data.validation * search.samples if search and search.score == "accuracy" else 0
            return -(-max(params.opd.prompts_per_step, scored) // ranks)


def search_of(stage: Stage, params: Params) -> EffOPDParams | None:
    """What a stage searches by, if it does."""
    match stage:
        case "effopd":
            return params.effopd
        case "effopd-free":
            return params.effopd_free
        case _:
            return None


def updates_of(stage: Stage, params: Params) -> int:
    """Optimiser updates on each batch of completions."""
    match stage:
        case "rl":
            return params.rl.updates_per_batch
        case "effopd-free":
            return params.effopd_free.updates_per_batch
        case _:
            return params.opd.updates_per_batch


def _shards(params: Params) -> int:
    """Over how many ranks masters and moments are spread."""
    return params.engine.ranks if params.engine.name == "deepspeed" and params.engine.zero_stage else 1


def _leaps(params: Params, student: Shape) -> list[Part]:
    """The anchor, and at a trigger the weights before the leap; with LoRA also those with its products, and these."""
    if params.engine.lora_rank:
        leaping = MASTER * student.projections  # frozen, so whole on every rank
        return [Part("anchor", leaping, "always"), Part("snapshot", 3 * leaping, "sampling")]
    shard, offloaded = MASTER * student.parameters / _shards(params), params.engine.offload_optimizer
    return [Part("anchor", shard, "always", offloaded), Part("snapshot", shard, "sampling", offloaded)]


def _judged(params: Params, student: Shape) -> float:
    """Bytes of what the teacher says of one rank's completions, kept while the batch is trained on.

    Of the whole vocabulary, in chunks, its last hidden states are kept, assumed to be as wide as the student's.
    """
    completions = -(-params.opd.prompts_per_step // params.engine.ranks)
    match params.teacher.top_k:
        case teacher.WHOLE:
            numbers = student.hidden_size if params.engine.loss_chunk else student.vocabulary
        case teacher.SAMPLED:
            numbers = _outcomes(1)
        case likeliest:
            numbers = _outcomes(likeliest)
    return MASTER * completions * params.rollout.max_new_tokens * numbers


def _outcomes(likeliest: int) -> int:
    """Four-byte numbers a token: ids of eight bytes, log-probabilities of these and of any other, and the token's."""
    return 2 * likeliest + (likeliest + 1) + 1


def _policy(params: Params, student: Shape) -> list[Part]:
    if rank := params.engine.lora_rank:
        return _lora(params, student.parameters, student.factors(rank))
    return _whole(params, student.parameters)


def _critic(params: Params, student: Shape) -> list[Part]:
    """PPO's second model, which is trained like the first; their forward passes and steps come one after the other."""
    if rank := params.engine.lora_rank:
        parts = _lora(params, student.below_head, student.factors(rank) + student.hidden_size)
    else:
        parts = _whole(params, student.critic)
    return [replace(part, name=f"critic's {part.name}") for part in parts if part.name != UPDATE]


def _lora(params: Params, frozen: int, trained: int) -> list[Part]:
    """Frozen weights whole and in float32; gradients, moments and their shards are those of the factors alone."""
    engine, factors, number = params.engine, MASTER * trained, compute_bytes(params)
    shard, offloaded = factors / _shards(params), engine.offload_optimizer
    sharded = engine.name == "deepspeed" and engine.zero_stage > 0
    return [
        Part("weights", MASTER * frozen + factors, "always"),
        Part("weights in bfloat16", number * frozen if number < MASTER else 0, "training"),
        Part("gradients", factors / (_shards(params) if engine.zero_stage >= 2 else 1), "training"),
        Part("float32 masters", shard if sharded else 0, "always", offloaded),
        Part("float32 gradients", shard if sharded else 0, "training", offloaded),
        Part("moments", 2 * shard, "always", offloaded),
        Part(UPDATE, shard, "training", offloaded),
    ]


def _whole(params: Params, count: int) -> list[Part]:
    """All of `count` parameters are trained."""
    engine, number = params.engine, compute_bytes(params)
    shard = MASTER * count / _shards(params)
    offloaded = engine.offload_optimizer
    moments = [
        Part("moments", 2 * shard, "always", offloaded),
        Part(UPDATE, shard, "training", offloaded),
    ]
    if engine.name == "torch" or engine.zero_stage == 0:
        cast = number * count if number < MASTER else 0
        return [
            Part("weights", MASTER * count, "always"),
            Part("weights in bfloat16", cast, "training"),
            Part("gradients", MASTER * count, "training"),
            *moments,
        ]
    ranks = engine.ranks
    return [
        Part("weights", number * count / (ranks if engine.zero_stage == 3 else 1), "always"),
        Part("float32 masters", shard, "always", offloaded),
        Part("gradients", MASTER * count / (ranks if engine.zero_stage >= 2 else 1), "training"),  # summed in float32
        Part("float32 gradients", shard, "training", offloaded),
        Part("buckets", number * min(BUCKET, count), "training"),
        *moments,
    ]


def _sampling(stage: Stage, params: Params, student: Shape, prompt_tokens: int, device_memory: float) -> list[Part]:
    if params.rollout.engine == "vllm":
        return [Part("vLLM", params.rollout.gpu_memory * device_memory, "sampling")]
    sequences, number = sampled_at_once(stage, params), compute_bytes(params)
    parts = []
    if params.engine.name == "deepspeed" and params.engine.zero_stage in (0, 3):
        number = MASTER
    if params.engine.name == "deepspeed" and params.engine.zero_stage == 3:
        parts.append(Part("sampler's copy", MASTER * student.parameters, "always"))
    tokens = sequences * (prompt_tokens + params.rollout.max_new_tokens)
    return [
        *parts,
        Part("key-value cache", tokens * student.cached_values * number, "sampling"),
        Part("drawing tokens", sequences * student.vocabulary * DRAWING_BYTES, "sampling"),
    ]
