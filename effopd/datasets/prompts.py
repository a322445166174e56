"""From a question to the text that a model goes on from: plain, or through its tokenizer's chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from effopd.datasets.rows import Example
from effopd.datasets.spec import Prompt
from effopd.errors import one_line
from effopd.files import DataError
from effopd.params.prompt import PromptParams
from effopd.tasks.choice import LETTERS

AS_IT_IS = Prompt(instruction="{question}")


class Renderer:
    """Renders examples in the style of `params`; holds the tokenizer whose template it needs, if any."""

    def __init__(self, params: PromptParams) -> None:
        self._params = params
        self._tokenizer: Any = _chat_tokenizer(params) if params.style == "chat" else None

    def render(self, example: Example, prompt: Prompt) -> str:
        """The prompt's text. Few-shot examples come as turns of a chat, or one after the other."""
        turns = messages(example, prompt)
        if self._tokenizer is None:
            return plain(turns)
        options = {"enable_thinking": self._params.thinking} if self._can_think() else {}
        conversation = [{"role": role, "content": content} for role, content in turns]
        try:
            text = self._tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=True, **options
            )
        except Exception as error:  # noqa: BLE001 - a template is a program: its author's mistakes are of any kind
            said = one_line(f"{type(error).__name__}: {error}", 200)
            raise DataError(f"{self._params.tokenizer}: its chat template fails ({said})") from None
        begin = self._tokenizer.bos_token
        if begin and self._tokenizer("")["input_ids"][:1] == [self._tokenizer.bos_token_id]:
            return str(text).removeprefix(begin)  # tokenizing adds it again
        return str(text)

    def _can_think(self) -> bool:
        return "enable_thinking" in str(self._tokenizer.chat_template)


def messages(example: Example, prompt: Prompt) -> list[tuple[str, str]]:
    """The conversation before the model's turn, as (role, content)."""
    if example.messages:
        return list(example.messages)
    turns = [("system", prompt.system)] if prompt.system else []
    for shot in prompt.shots:
        turns += [("user", _filled(prompt, shot.question, ())), ("assistant", shot.answer)]
    return [*turns, ("user", _filled(prompt, example.question, example.choices))]


def plain(turns: list[tuple[str, str]]) -> str:
    """A conversation as text, for base models: a single question as it is, several with an empty line between."""
    return "\n\n".join(content.strip() for _, content in turns) + "\n"


def _filled(prompt: Prompt, question: str, choices: tuple[str, ...]) -> str:
    listed = "\n".join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
    return prompt.instruction.replace("{choices}", listed).replace("{question}", question).strip()


def _chat_tokenizer(params: PromptParams) -> Any:
    from transformers import AutoTokenizer

    where, local = params.tokenizer, Path(params.tokenizer).is_dir()
    if not local and not params.revision:
        raise DataError(
            f"prompt.tokenizer is {where}, which is no folder here: pin the commit of that name on the hub that you "
            f"trust with prompt.revision (`effopd pin --model {where}` names the newest)"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            where, revision=params.revision or None, trust_remote_code=False, local_files_only=local
        )
    except (OSError, ValueError) as error:
        raise DataError(f"{where}: the tokenizer cannot be loaded ({' '.join(str(error).split())[:200]})") from None
    if not tokenizer.chat_template:
        raise DataError(f"{where}: this tokenizer has no chat template; set prompt.style to plain")
    if params.thinking and "enable_thinking" not in str(tokenizer.chat_template):
        raise DataError(f"{where}: its chat template knows no thinking mode; set prompt.thinking to false")
    return tokenizer
