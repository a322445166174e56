"""From a question to the text that a model goes on from: plain, or through its tokenizer's chat template."""

from __future__ import annotations

from datetime import date
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
    """Renders examples in the style of `params`; holds the tokenizer whose template it needs, if any.

    merged_system: whether a template had no place for a system turn, so that its text opens the first user's turn.
    """

    def __init__(self, params: PromptParams) -> None:
        self._params = params
        self._tokenizer: Any = _chat_tokenizer(params) if params.style == "chat" else None
        self.merged_system = False

    def render(self, example: Example, prompt: Prompt) -> str:
        """The prompt's text. Few-shot examples come as turns of a chat, or one after the other.

        Raises `DataError` where the template refuses the conversation, or writes a date that is not pinned.
        """
        turns = messages(example, prompt)
        if self._tokenizer is None:
            return plain(turns)
        if turns[0][0] == "system" and not self._takes_system(turns):
            self.merged_system = True
            turns = _merged(turns)
        try:
            text = self._rendered(turns)
        except DataError as error:
            raise DataError(f"row {example.row}: {error}") from None
        begin = self._tokenizer.bos_token
        if begin and self._tokenizer("")["input_ids"][:1] == [self._tokenizer.bos_token_id]:
            return text.removeprefix(begin)  # tokenizing adds it again
        return text

    def _takes_system(self, turns: list[tuple[str, str]]) -> bool:
        """Whether the template takes a system turn: some refuse one, some leave it out."""
        try:
            return turns[0][1].strip() in self._rendered(turns)
        except _RefusedError:
            return False

    def _rendered(self, turns: list[tuple[str, str]]) -> str:
        conversation = [{"role": role, "content": content} for role, content in turns]
        options = {"enable_thinking": self._params.thinking} if self._can_think() else {}
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    conversation, tokenize=False, add_generation_prompt=True, strftime_now=self._today, **options
                )
            )
        except DataError:
            raise
        except Exception as error:  # noqa: BLE001 - a template is a program: its author's mistakes are of any kind
            said = one_line(f"{type(error).__name__}: {error}", 200)
            raise _RefusedError(f"{self._params.tokenizer}: its chat template fails ({said})") from None

    def _today(self, form: str) -> str:
        """What templates call for the present time."""
        if not self._params.date:
            raise DataError(
                f"the chat template of {self._params.tokenizer} writes today's date: set prompt.date, or the prompts "
                "would differ from day to day"
            )
        return date.fromisoformat(self._params.date).strftime(form)

    def _can_think(self) -> bool:
        return "enable_thinking" in str(self._tokenizer.chat_template)


class _RefusedError(DataError):
    """A template's own complaint."""


def _merged(turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A conversation whose system text opens the first turn of the user."""
    (_, system), *rest = turns
    first = next((place for place, (role, _) in enumerate(rest) if role == "user"), 0)
    rest[first] = (rest[first][0], f"{system.strip()}\n\n{rest[first][1]}")
    return rest


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
