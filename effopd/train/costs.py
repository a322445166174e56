"""What training costs, in numbers that no other guest of the machine can change.

Tokens are counted without padding, over all ranks. Floating-point operations are estimated: 2 for each token and
parameter of a forward pass, twice as many of a backward pass; attention over long texts, optimisers and graders are
left out. A pass over completions reads their prompts too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from transformers import PreTrainedModel


@dataclass(frozen=True)
class Costs:
    """batches: of completions, drawn to train on. sampled_tokens: of all completions, those for validation included.

    read_tokens: of prompts, read to sample. teacher_tokens: read by the teacher. forward_tokens, backward_tokens:
    passed through the student to train it or to score it.
    """

    batches: int = 0
    sampled_tokens: int = 0
    read_tokens: int = 0
    teacher_tokens: int = 0
    forward_tokens: int = 0
    backward_tokens: int = 0

    def __add__(self, other: Costs) -> Costs:
        return Costs(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def student_flops(self, parameters: int) -> int:
        """Estimated operations of a student with so many `computing_parameters`, sampling included."""
        passed = self.sampled_tokens + self.read_tokens + self.forward_tokens + 2 * self.backward_tokens
        return 2 * parameters * passed


def computing_parameters(model: PreTrainedModel) -> int:
    """Parameters that every token is multiplied with: all but an embedding that is looked up alone."""
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    looked_up = 0 if head is not None and head.weight is embedding else _size(embedding)
    return sum(_size(parameter) for parameter in model.parameters()) - looked_up


def _size(parameter: Any) -> int:
    return int(getattr(parameter, "ds_numel", parameter.numel()))  # ZeRO stage 3 leaves a rank an empty tensor
