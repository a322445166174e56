"""Where in a completion the answer stands. Every function is linear in the text and returns None when there is none."""

from __future__ import annotations

import re

READ_FROM_END = 50_000  # characters: answers stand at the end, and a completion may be endless

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|([0-9A-Za-z]))")
_BETWEEN_BOXES = re.compile(
    r"[\s,;$.&]*(?:\\(?:text|quad|qquad|,|;|\(|\)|\[|\])|and|or|\{|\}|[a-zA-Z]\w{0,2}\s*=|[\s,;$.&])*"
)
_ANNOUNCED = re.compile(
    r"(?:final\s+answer|correct\s+answer|answer|result)\s*(?:\*\*|__)?\s*(?:is|are|equals|:|=)\s*:?(?:\*\*|__)?"
    r"[ \t]*\n?[ \t]*(?=\S)",
    re.IGNORECASE,
)
_MATH_SPAN = re.compile(
    r"\$\$(.{1,2000}?)\$\$|\$((?:[^$\\]|\\.){1,2000})\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]", re.DOTALL
)


def after_thinking(text: str) -> str:
    """The end of a completion, without the thinking that some models write before their answer."""
    text = text[-READ_FROM_END:]
    _, closed, answer = text.rpartition("</think>")
    return answer if closed and answer.strip() else text


def last_boxed(text: str) -> str | None:
    r"""The contents of the last whole ``\boxed{…}``; boxes joined by “and”, “or” or commas go together."""
    boxes: list[tuple[int, int, str]] = []
    for match in _BOXED.finditer(text):
        if match[1]:
            boxes.append((match.start(), match.end(), match[1]))
        elif (end := _closing_brace(text, match.end())) is not None:
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
    """What follows the last “the answer is” or “Answer:”, up to the end of its formula or line."""
    matches = list(_ANNOUNCED.finditer(text))
    for match in reversed(matches):
        rest = text[match.end() :].lstrip()
        span = _MATH_SPAN.match(rest.lstrip("*_ "))
        line = rest.split("\n", 1)[0]
        if span and not _goes_on(line, span):
            return _inner(span)
        if line := bare(line):
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
    line = text.rsplit("\n", 1)[-1]
    return bare(line) or None


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


def _closing_brace(text: str, start: int) -> int | None:
    """Where the brace opened before `start` closes; ``\\{`` and ``\\}`` do not count."""
    depth, position = 1, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return None
