"""Where the sizes of a model are read; those of the paper's models are known before they are fetched."""

from __future__ import annotations

from pathlib import Path

from effopd.files import DataError
from effopd.params.model import ModelParams
from effopd.params.teacher import RL, TeacherParams, TeacherSource
from effopd.planning.memory import Teaching
from effopd.planning.shapes import Shape, built_shape, read_shape
from effopd.tasks.arithmetic import ALPHABET


def _qwen(
    hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocabulary: int, tied: bool, new: bool
) -> Shape:
    """new: Qwen3; else Qwen2.5. A head is 128 wide in all of them."""
    return Shape(vocabulary, hidden, layers, heads, kv_heads, 128, mlp, tied, qkv_bias=not new, qk_norm=new)


_DISTILLED = _qwen(1536, 28, 12, 2, 8960, 151_936, tied=False, new=False)

PUBLISHED = {
    "Qwen/Qwen3-4B": _qwen(2560, 36, 32, 8, 9728, 151_936, tied=True, new=True),
    "Qwen/Qwen3-8B-Base": _qwen(4096, 36, 32, 8, 12_288, 151_936, tied=False, new=True),
    "Qwen/Qwen2.5-7B": _qwen(3584, 28, 28, 4, 18_944, 152_064, tied=False, new=False),
    "Open-Reasoner-Zero/Open-Reasoner-Zero-7B": _qwen(3584, 28, 28, 4, 18_944, 152_064, tied=False, new=False),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _DISTILLED,
    "hbx/JustRL-DeepSeek-1.5B": _DISTILLED,
    "nvidia/Nemotron-Research-Reasoning-Qwen-1.5B": _DISTILLED,
}
"""From their config.json, with the embeddings that training cuts off."""


def student_shape(params: ModelParams, sources: Path) -> Shape:
    """The shape of the student; `sources` holds local models. Raises `DataError` when it cannot be known."""
    if params.source:
        return source_shape(params.source, params.revision, sources)
    return built_shape(params, params.vocabulary or len(ALPHABET) + 2)


def source_shape(source: str, revision: str, sources: Path) -> Shape:
    """The shape of a folder in `sources` or of a model on the hub: of its cached config.json, else a published one."""
    if "/" not in source:
        return read_shape(sources / source)
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(source, "config.json", revision=revision or None)
    if isinstance(cached, str):
        return read_shape(Path(cached).parent)
    if source in PUBLISHED:
        return PUBLISHED[source]
    raise DataError(f"{source}: its sizes are not known here; fetch them: hf download {source} config.json")


def teaching(params: TeacherParams, student: Shape) -> Teaching:
    """What the teachers of `params` are to each rank; a teacher of `rl` has the student's shape. Raises as above."""
    here = [source for source in (params, *params.named.values()) if source.engine != "served"]
    shapes = [_teacher_shape(source, student) for source in here]
    return Teaching(
        scoring=max(shapes, key=lambda shape: shape.parameters, default=None),
        held=sum(s.parameters for s, source in zip(shapes, here, strict=True) if source.engine == "transformers"),
        engines=sum(source.engine == "vllm" for source in here),
    )


def _teacher_shape(source: TeacherSource, student: Shape) -> Shape:
    if source.source == RL:
        return student
    folder = Path(source.source)
    return read_shape(folder) if folder.is_dir() else source_shape(source.source, source.revision, folder.parent)
