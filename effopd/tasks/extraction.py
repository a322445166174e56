"""Where in a completion the answer stands. Every function is linear in the text and returns None when there is none."""

from __future__ import annotations

import re

_LONGEST_LINE = 4_000
READ_FROM_END = 20_000  # characters: answers stand at the end, and a completion may be endless

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|([0-9A-Za-z]))")
_BETWEEN_BOXES = re.compile(
    r"[\s,;$.&]*(?:\\(?:text|quad|qquad|,|;|\(|\)|\[|\])|and|or|\{|\}|[a-zA-Z]\w{0,2}\s*=|[\s,;$.&])*"
)
_ANNOUNCED = re.compile(
    r"\b(?:answer|result)\s*(?:\*\*|__)?\s*(?:(?:is|are|equals)\b|:|=)\s*:?(?:\*\*|__)?\s*"
    r"(?:(?:as\s+follows|given\s+by|just|simply|then|therefore|thus)\b[\s:,]*)?(?=[^\s:])",
    re.IGNORECASE,
)
_NO_ANSWER = re.compile(
    r"""[\s!-/:-@\[-`{-~]*$  # nothing but punctuation
    | not\b
    | (?:now|quite|rather|then|very)?\s*(?:clear|easy|immediate|obvious|simple|straightforward|trivial)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_SPACES, _EMPTY_LINES = re.compile(r"[^\S\n]{2,}"), re.compile(r"\n\s*\n\s*")
_ENGLISH = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_SAYS = re.compile(r".*\b(?:is|are|be|equals?|gets?|gives?|yields?|to)\s+(\S.*)$")
_GOES_ON = re.compile(r",?\s(?:because|since)\s|\.\s+(?=(?:Hence|I|It|My|Note|So|That|The|Therefore|This|Thus|We)\b)")
_MATH_SPAN = re.compile(
    r"\$\$(.{1,500}?)\$\$|\$((?:[^$\\]|\\.){1,500})\$|\\\((.{1,500}?)\\\)|\\\[(.{1,500}?)\\\]", re.DOTALL
)


def after_thinking(text: str) -> str:
    """The end of a completion, without the thinking that some models write before their answer."""
    text = _EMPTY_LINES.sub("\n\n", _SPACES.sub(" ", text[-READ_FROM_END:]))  # long runs would slow searches down
    _, closed, answer = text.rpartition("</think>")
    return answer if closed and answer.strip() else text


def last_boxed(text: str) -> str | None:
    r"""The contents of the last whole ``\boxed{…}``; boxes joined by “and”, “or” or commas go together."""
    boxes: list[tuple[int, int, str]] = []
    closing = _closing_braces(text)
    for match in _BOXED.finditer(text):
        if match[1]:
            boxes.append((match.start(), match.end(), match[1]))
        elif (end := closing.get(match.end() - 1)) is not None:
            boxes.append((match.start(), end + 1, text[match.end() : end].strip()))
    if not boxes:
        return None
    start, _, content = boxes[-1]
    contents = [content]
    for earlier_start, earlier_end, earlier in reversed(boxes[:-1]):
        between = text[earlier_end:start]
        if earlier_end > start or len(between) > 40 or not _BETWEEN_BOXES.fullmatch(between):
            break
        if "\n\n" in between:
            break
        contents.insert(0, earlier)
        start = earlier_start
    return ", ".join(contents)


def announced(text: str) -> str | None:
    """What follows the last “the answer is” or “Answer:”, up to the end of its formula or line.

    What is called obvious, or said not to be, is no answer.
    """
    matches = list(_ANNOUNCED.finditer(text))
    for match in reversed(matches):
        rest = text[match.end() :].lstrip()
        span = _MATH_SPAN.match(rest.lstrip("*_ "))
        line = rest.split("\n", 1)[0]
        if span and not _goes_on(line, span):
            return _inner(span)
        line = bare(_GOES_ON.split(line, maxsplit=1)[0])
        if not _NO_ANSWER.match(line):
            return line
    return None


def last_line(text: str) -> str | None:
    """The last formula where the text ends in one, or its last line that is not empty."""
    text = text.rstrip().rstrip(".*_ \n")
    for opening, closing in (("\\[", "\\]"), ("$$", "$$"), ("\\(", "\\)"), ("$", "$")):
        if text.endswith(closing):
            start = text.rfind(opening, 0, len(text) - len(closing))
            if start >= 0 and (inner := text[start + len(opening) : len(text) - len(closing)].strip()):
                return inner
    line = bare(text.rsplit("\n", 1)[-1][-_LONGEST_LINE:])
    if len(_ENGLISH.findall(line)) > 2:  # a sentence: its last formula, or what stands behind its last verb
        if spans := list(_MATH_SPAN.finditer(line)):
            return _inner(spans[-1])
        if said := _SAYS.match(line):
            return bare(said[1]) or None
    return line or None


def bare(line: str) -> str:
    """A line without what Markdown, TeX and grammar put around an answer."""
    line = line.strip()
    previous = None
    while line != previous:
        previous = line
        line = line.strip().strip("*`").removesuffix(".").strip()
        for opening, closing in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
            inside = line[len(opening) : -len(closing)]
            wrapped = len(line) > len(opening + closing) and line.startswith(opening) and line.endswith(closing)
            if wrapped and opening not in inside:
                line = inside
    return line


def _goes_on(line: str, span: re.Match[str]) -> bool:
    """Whether more of the answer follows a formula on its line: ``$3$ and $4$``, ``$5$ cm``."""
    rest = line.lstrip("*_ ")[span.end() :].strip(" .*_")
    return bool(rest) and len(rest) <= 40 and (rest.startswith((",", "and ", "or ")) and "$" in rest)


def _inner(span: re.Match[str]) -> str:
    return next(group for group in span.groups() if group is not None).strip()


def _closing_braces(text: str) -> dict[int, int]:
    """Where each opening brace is closed, by position; ``\\{`` and ``\\}`` do not count."""
    closing: dict[int, int] = {}
    open_ones: list[int] = []
    for match in _BRACES.finditer(text):
        if match[0] == "{":
            open_ones.append(match.start())
        elif match[0] == "}" and open_ones:
            closing[open_ones.pop()] = match.start()
    return closing
