"""Where in a completion the answer stands. Every function is linear in the text and returns None when there is none."""

from __future__ import annotations

import re

TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|operatorname|mbox)\s*\{([^{}]*)\}")

_LONGEST_LINE = 4_000
READ_FROM_END = 20_000  # characters: answers stand at the end, and a completion may be endless

_BOXED = re.compile(r"(?:\\(?:boxed|fbox)|\bboxed(?=\{))\s*(?:\{|(\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z])))")
_BETWEEN_BOXES = re.compile(
    r"[\s,;$.&]*(?:\\(?:text|quad|qquad|,|;|\(|\)|\[|\])|and|or|\{|\}|[a-zA-Z]\w{0,2}\s*=|[\s,;$.&])*"
)
ANSWER_ELSEWHERE = (
    r"(?:\b(?:Antwort|Ergebnis|Lösung|réponse|résultat|respuesta|resultado|risposta|resposta|antwoord|odpowiedź|svaret|"
    r"svar|vastaus|cevap|ответ|đáp án|jawaban(?:nya)?)|(?:最终)?答案|答え|正解|정답|답|الجواب|الإجابة|उत्तर)"
)
"""What an answer is called in other languages."""
IS_ELSEWHERE = (
    r"(?:\s*[:：=]|\s+[–—-](?=\s)|\s*(?:是|为|為|は|은|는)|\s+(?:ist|lautet|is|est|es|è|é|är|er|to|là|adalah)\b)"
)
_IS = r"(?:\s+(?:are|equals|would\s+be|must\s+be|should\s+be|turns\s+out\s+to\s+be|comes\s+(?:out\s+)?to)\b)"
_ABOUT = r"(?:\s+(?:to|for|of)\s+(?:the|this|that|your|part|question|problem)\b[^\n.:=$?!]{0,60}?)?"
_ANNOUNCED = re.compile(
    rf"(?:\b(?:answers?|ans\.?|results?)|{ANSWER_ELSEWHERE}){_ABOUT}\s*(?:\*\*|__)?(?:{_IS}|{IS_ELSEWHERE})\s*[:：]?\s*(?:\*\*|__)?\s*"
    r"(?:(?:as\s+follows|given\s+by|just|simply|then|therefore|thus|hence|clearly|definitely|actually|indeed)\b[\s:,]*){0,2}"
    r"(?=[^\s:])",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"^[\s#*_]*(?:(?:the|my|final|correct)\s+){0,2}answer[\s*_:]*\n\s*(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE
)
_TAGGED = re.compile(r"<answer>(.{1,2000}?)</answer>", re.IGNORECASE | re.DOTALL)
_HASHED = re.compile(r"^####\s+(\S.*)$", re.MULTILINE)
_FIELD = re.compile(
    r"""[{,]\s*["'](?:final[_ ]?)?(?:answer|result|solution)["']\s*:\s*
    (?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|\[([^\[\]]*)\]|([-+\d.eE]+|true|false))\s*(?=[,}])""",
    re.IGNORECASE | re.VERBOSE,
)
_NAMED_FIRST = re.compile(
    r"(?:^|[.!?:,]\s|\b(?:so|thus|hence|therefore)\s)\s*(\$[^$\n]{1,200}\$|\\\(.{1,200}?\\\)|\*\*[^*\n]{1,200}\*\*|[-\d.,/]+)"
    r"\s+is\s+(?:the|our|my)\s+(?:final\s+|correct\s+)?answer\b",
    re.IGNORECASE | re.MULTILINE,
)
_DENIED = re.compile(r"(?:\b(?:not|never|doubt|unlikely|wrong|incorrect)|n['’]t)\b[^.!?\n]{0,30}$", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"""[\s!-/:-@\[-`{-~]*$  # nothing but punctuation
    | not\b(?!.*\bbut\b)
    | (?:now|quite|rather|then|very)?\s*(?:clear|easy|immediate|obvious|simple|straightforward|trivial)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_SPACES, _EMPTY_LINES = re.compile(r"[^\S\n]{2,}"), re.compile(r"\n\s*\n\s*")
_ENGLISH = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_SAYS = re.compile(
    r".*\b(?:is|are|be|equals?|gets?|gives?|have|obtains?|yields?|totals?|to(?=\s+[-\d$\\*(]))\s+"
    r"(?:(?:equal to|exactly|just|simply|then|therefore|thus|hence)\s+)?(\S.*)$"
)
_COUNTED = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s+([A-Za-z]+(?:\s[A-Za-z]+){0,7})$")  # 52 ways to do it
_COMPARED = re.compile(
    r"\b(?:more|less|fewer|most|least|under|over|above|below|between|times|of the|not|or|except|doubt|never|unlikely)\b"
    r"|n['’]t\b"
)
_NEXT = (
    "Also|And|Because|But|Check|Feel|For|Hence|Here|Hope|I|If|In|Is|It|Let|My|Note|Now|Please|Since|So|Thanks|That|The|"
    "Therefore|This|Thus|To|We|Would|You"
)
_GOES_ON = re.compile(
    rf",?\s(?:because|since|which|where)\s|,\s(?:and\s|but\s)?not\s|\.\*{{0,2}}\s+(?=(?:{_NEXT})\b)|(?<=[\d)\]}}$°%])\.\*{{0,2}}\s+(?=[A-Z])"
    r"|\s\((?:see|approximately|approx|about|rounded|as|i\.e)\b[^()]*\)\.?$"
)
_BUT = re.compile(r"^not\b.*\bbut\s+(?:rather\s+)?", re.IGNORECASE)
_MATH_SPAN = re.compile(
    r"\$\$(.{1,500}?)\$\$|\$((?:[^$\\]|\\.){1,500})\$|\\\((.{1,500}?)\\\)|\\\[(.{1,500}?)\\\]", re.DOTALL
)
_FIRST = re.compile(
    r"^(?:finally|hence|so|then|therefore|thus),?\s+(?:we\s+(?:find|get|have|obtain)\s+)?", re.IGNORECASE
)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_POLITE = re.compile(r"(?:です|입니다|이다)$")


def after_thinking(text: str) -> str:
    """The end of a completion, without the thinking that some models write before their answer."""
    text = _EMPTY_LINES.sub("\n\n", _SPACES.sub(" ", text[-READ_FROM_END:]))  # long runs would slow searches down
    _, closed, answer = text.rpartition("</think>")
    return answer if closed and answer.strip() else text


def last_boxed(text: str) -> str | None:
    r"""The contents of the last whole ``\boxed{…}`` that is not empty; boxes joined by “and”, “or” or commas go
    together."""
    boxes: list[tuple[int, int, str]] = []
    closing = _closing_braces(text)
    for match in _BOXED.finditer(text):
        if match[1]:
            boxes.append((match.start(), match.end(), match[1]))
        elif (end := closing.get(match.end() - 1)) is not None and (content := text[match.end() : end].strip()):
            boxes.append((match.start(), end + 1, content))
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
    """What follows the last “the answer is” or “Answer:”, up to the end of its formula or line; or a field of JSON.

    What is called obvious, or said not to be, is no answer.
    """
    if marked := [*_TAGGED.finditer(text), *_HASHED.finditer(text)]:
        return bare(max(marked, key=re.Match.end)[1])
    if fields := list(_FIELD.finditer(text)):
        return next(group for group in fields[-1].groups() if group is not None).replace("\\\\", "\\").strip()
    found = [(match.start(), text[match.end() :]) for match in _ANNOUNCED.finditer(text)]
    found += [(match.start(), match[1]) for match in _HEADED.finditer(text)]
    found += [(match.start(), match[1] + "\n") for match in _NAMED_FIRST.finditer(text)]
    for start, rest in sorted(found, key=lambda pair: pair[0], reverse=True):
        if _DENIED.search(text[max(0, start - 40) : start]):
            continue
        rest = rest.lstrip()
        span = _MATH_SPAN.match(rest.lstrip("*_ "))
        line = rest.split("\n", 1)[0]
        if span and not _goes_on(line, span):
            return _inner(span)
        line = _POLITE.sub("", bare(_GOES_ON.split(line, maxsplit=1)[0]).removesuffix("。"))
        if not _NO_ANSWER.match(line) and not line.rstrip(" .").endswith("?"):
            return bare(_BUT.sub("", line))
    return None


def last_line(text: str) -> str | None:
    """The last formula where the text ends in one, or its last line that is not empty."""
    text = text.rstrip()
    ended = text.rstrip(".*_ \n")
    for opening, closing in (("\\[", "\\]"), ("$$", "$$"), ("\\(", "\\)"), ("$", "$")):
        if ended.endswith(closing):
            start = ended.rfind(opening, 0, len(ended) - len(closing))
            before = ended[:start].rsplit("\n", 1)[-1]
            inner = ended[start + len(opening) : len(ended) - len(closing)].strip()
            if start >= 0 and inner and not _COMPARED.search(before):
                return inner
    line = bare(text.rsplit("\n", 1)[-1][-_LONGEST_LINE:])
    if len(_ENGLISH.findall(line)) > 2 and "\\text" not in line:  # a sentence: its last formula, or what it says
        return _said(line)
    return _FIRST.sub("", line) or None


def bare(line: str) -> str:
    """A line without what Markdown, TeX and grammar put around an answer."""
    line = line.strip()
    previous = None
    while line != previous:
        previous = line
        line = line.strip().strip("`")
        if line.startswith("*"):
            line = line.strip("*")
        if line.endswith("**") and line.count("**") == 1:
            line = line.removesuffix("**")
        line = line.removesuffix(".").strip() if not line.endswith("..") else line
        for opening, closing in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
            inside = line[len(opening) : -len(closing)]
            wrapped = len(line) > len(opening + closing) and line.startswith(opening) and line.endswith(closing)
            if wrapped and opening not in inside:
                line = inside
    return line


def _said(sentence: str) -> str | None:
    """The last formula of a sentence, its last bold words, or what stands behind its last verb."""
    spans = list(_MATH_SPAN.finditer(sentence)) or [m for m in _BOLD.finditer(sentence) if re.search(r"\d|\\", m[1])]
    if spans:
        before = sentence[: spans[-1].start()]
        return None if _COMPARED.search(before) else _inner(spans[-1])
    said = _SAYS.match(sentence)
    if said is None:
        return sentence
    if _COMPARED.search(sentence[: said.start(1)]):
        return None
    text = bare(said[1])
    counted = _COUNTED.match(text)
    return (counted[1] if counted and not _COMPARED.search(text) else text) or None


def _goes_on(line: str, span: re.Match[str]) -> bool:
    """Whether more of the answer follows a formula on its line: ``$3$ and $4$``."""
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
