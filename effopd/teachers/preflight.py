"""Whether a teacher can judge a student at all: told before a run starts, not by its results."""

from __future__ import annotations

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from effopd.files import DataError
from effopd.models.tokenizer import end_tokens


def check_tokenizers(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase, where: str) -> None:
    """Raises `DataError` naming the first token that differs.

    The teacher scores the student's token ids, so ids must mean the same; how a text is cut into them need not agree.
    A prompt is made into text once, by the stage `prepare`: the teacher's chat template is never applied.
    """
    ours, theirs = (
        {index: token for token, index in tokenizer.get_vocab().items()} for tokenizer in (student, teacher)
    )
    for index in sorted(ours.keys() | theirs.keys()):
        if ours.get(index) != theirs.get(index):
            raise DataError(
                f"{where}: the teacher has another tokenizer than the student: token {index} is "
                f"{theirs.get(index)!r}, the student's is {ours.get(index)!r}"
            )


def check_ends(
    student: tuple[PretrainedConfig, PreTrainedTokenizerBase],
    teacher: tuple[PretrainedConfig, PreTrainedTokenizerBase],
    where: str,
) -> None:
    """Raises `DataError` when the teacher ends texts with a token that does not end the student's.

    The student would learn to write that token and then go on, to the limit.
    """
    ours, theirs = end_tokens(*student), end_tokens(*teacher)
    if strange := sorted(set(theirs) - set(ours)):
        name = student[1].convert_ids_to_tokens(strange[0])
        raise DataError(
            f"{where}: the teacher ends its texts with token {strange[0]} ({name}), which does not end the student's "
            f"({', '.join(student[1].convert_ids_to_tokens(ours))}); name it in eos_token_id of the student's config"
        )
