"""Multiple choice: the letter that a completion settles on, however it is written."""

from __future__ import annotations

import re
import unicodedata

from effopd.tasks.extraction import ANSWER_ELSEWHERE, IS_ELSEWHERE, after_thinking, last_boxed
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, right, shortened, wrong

TASK = "choice"
LETTERS = "ABCDEFGHIJ"

_WRAPPED = r"[\s_(\[{\"'“‘]{0,8}"
_CLOSED = r"[)\].:}\"'”’]{0,6}"
_PRONOUN = (
    r"(?!(?<=I)\s(?:am|believe|can|choose|could|do|guess|have|mean|pick|say|select|should|think|was|will|would)\b)"
)
_SPECIES = (  # E. coli is no option E
    "abortus albicans anthracis aureus baumannii botulinum burgdorferi cereus cerevisiae coli difficile discoideum "
    "elegans faecalis gambiae histolytica jejuni lamblia melanogaster perfringens pertussis pneumoniae pombe rerio "
    "subtilis tetani thaliana tumefaciens trachomatis"
)
_INITIAL = rf"(?!\.\s?(?:[A-Z]\.|(?:{_SPECIES.replace(' ', '|')})\b))"
_LETTER = r"(?P<letter>[A-J])(?![A-Za-z0-9_À-ɏ]|['’]\w|-\w|\s?[&+=^])" + _INITIAL + _PRONOUN
_IS = (
    r"(?:\s?(?::|=|-|–|—)|(?:,\s[^,.\n]{1,20},)?(?:\shere)?\s(?:is|are|(?:can|could|may|must|should|will|would|appears\sto|has\sto|"
    r"ought\sto|seems\sto|turns\sout\sto)\s(?!not\b)(?:[a-z]{2,9}\s)?be)\b)"
)
_SURELY = (
    r"(?:(?:actually|clearly|definitely|indeed|most\slikely|obviously|probably|simply|the|then|therefore|thus)\s){0,2}"
)
_THEN = r"[\s_:]{0,4}" + _SURELY + r"(?:(?:option|choice|answer|letter)(?:\snumber)?\s?)?" + _WRAPPED + _LETTER
_GOES_ON = (  # but not as “B cells”
    r"(?=(?!\s[a-z])|\s(?:and|as|based|because|but|by|due|for|from|given|hence|if|in|is|not|or|over|rather|since|so|that|"
    r"therefore|was|when|where|which|while|with)\b)"
)
_HEADING = r"^\s?(?:(?:best|correct|final|my|right|the)\s){0,2}answer"
_ANNOUNCED = (
    re.compile(
        r"(?:\bans\.?|answer(?:\s(?:choice|option|letter))?(?:\s(?:to|for|of)\s[^.:=\n]{1,40}?)?|(?:best|correct|final|right)\s"
        r"(?:choice|option|letter))" + _IS + _THEN + "(?-i:" + _GOES_ON + ")",
        re.IGNORECASE,
    ),
    re.compile(_HEADING + r"\n" + _WRAPPED + _LETTER, re.IGNORECASE | re.MULTILINE),
    re.compile(_HEADING + r"\s" + _WRAPPED + _LETTER + _CLOSED + r"\s?$", re.IGNORECASE | re.MULTILINE),
)
_ELSEWHERE = re.compile(
    rf"(?:{ANSWER_ELSEWHERE}(?:\scorr?ett?a|\scorrecta)?{IS_ELSEWHERE}?|故?选[择项]?|\bans\.)\s*" + _WRAPPED + _LETTER
    + rf"(?-i:{_GOES_ON})",
    re.IGNORECASE,
)  # fmt: skip
_MADE = re.compile(r"\bmakes\s" + _WRAPPED + r"(?P<letter>[A-J])[)\]]?\s(?:the|our)\s(?:best|correct|only|right)\b")
_FIELD = re.compile(
    r"""["'](?:\w+_)?(?:answer|choice|option|letter)(?:_\w+)?["']\s*:\s*\[?\s*["']\(?(?P<letter>[A-J])\)?(?:[.):]\s[^"']*)?["']""",
    re.IGNORECASE,
)
_CORRECT = re.compile(r"(?<![\w'’])(?P<letter>[A-J])[)\]]?\sis\s(?:the\s)?(?:correct|right|best|answer)\b")
_CHOSEN = re.compile(
    r"(?:\bI(?:['’]d|['’]ll|\swill|\swould|['’]m|\sam)?\s(?:choose|pick|select|go(?:ing)?\s(?:for|with)|opt\sfor)|\bmy\s(?:choice|pick)"
    + _IS + r"|\bI\s(?:believe|guess|say|think)\s(?:that\s)?it(?:['’]s|\sis|\smust\sbe|\sshould\sbe))" + _THEN,
    re.IGNORECASE,
)  # fmt: skip
_HENCE = re.compile(r"\b(?:hence|so|therefore|thus),?\s\((?P<letter>[A-J])\)\.?$", re.IGNORECASE | re.MULTILINE)
_MENTIONED = re.compile(
    r"(?:answer(?=\s(?:choice|letter|option))|option|choice|choose|pick|select)(?:\s(?:choice|option|letter))?(?:"
    + _IS
    + ")?"
    + _THEN,
    re.IGNORECASE,
)
_CONCLUDED = r"(?:(?:correct|final|hence|so|therefore|thus)[,:]?\s)?(?:it(?:['’]s|\sis|\smust\sbe)\s)?"
_LINE = re.compile(r"\s?" + _CONCLUDED + _WRAPPED + r"(?P<letter>[A-J])" + _CLOSED + r"\s?", re.IGNORECASE)
_WITH_TEXT = r"(?P<letter>[A-J])" + _INITIAL + _CLOSED + r"\s?(?:$|(?<=[).:\]]\s)|[–—]\s)"
_ALONE = re.compile(r"^" + _WRAPPED + _WITH_TEXT, re.MULTILINE)
_ONLY_LINE = re.compile(_WRAPPED + _WITH_TEXT + r"[^\n]*", re.IGNORECASE)
_BOXED = re.compile(
    _WRAPPED
    + r"(?:(?:the\s)?(?:answer|choice|option)(?:\sis)?)?[\s(:]*(?P<letter>[A-J])(?!\s?[-+=^<>/*_\\(]|\w|'|\s[a-z]{2,})",
    re.IGNORECASE,
)
_BOXED_BEHIND = re.compile(r".*\((?P<letter>[A-J])\)\s*$")
_OTHER = r"\s?(?:option|choice)?\s?[(\[]?(?P<{}>[A-J])(?![\w'’])[)\]]?"
_ANOTHER = re.compile(
    r"[)\]]?(?:\s?(?:,\s?or\b|/|or\b|and/or\b)" + _OTHER.format("either")
    + r"|(?:\s?(?:,\s?(?:and|or)\b|[,/&]|and\b|or\b)" + _OTHER.format("also") + r")+(?=\s?(?:$|[.!?}])))",
    re.MULTILINE,
)  # fmt: skip
_ONE_BEFORE = re.compile(r"(?<![\w'’])[A-J][)\]]?\s?(?:,\s?(?:and|or)\b|[,/]|and\b|or\b)\s?[(\[]?$")
_END = re.compile(_CLOSED + r"\s?$", re.MULTILINE)
_NOT = re.compile(r"(?:doubt|not|n't|cannot be|incorrect|wrong|isn't|rule out|eliminate)[\s\w,]{0,24}$", re.IGNORECASE)
_NOT_IN_CLAUSE = re.compile(r"(?:doubt|not|n't|cannot be|incorrect|wrong|isn't)[\s\w]{0,24}$", re.IGNORECASE)
_MARKUP = re.compile(r"</?[A-Za-z]+>|[*`$#>]+|\\[()\[\]]|(?<![A-Za-z0-9}])_+|_+(?![A-Za-z0-9{])")
_LATIN, _LOOKS_LATIN = str.maketrans("АВСЕ", "ABCE"), re.compile(r"(?<![а-яёА-ЯЁ])[АВСЕ](?![а-яёА-ЯЁ])")
_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s?\{([^{}]*)\}")


def verify(problem: Problem, completion: str) -> Verdict:
    """1 for the letter of `problem.answer`, else 0; never raises on what a model writes."""
    letter = extract_letter(completion)
    if letter is None:
        return wrong("no option named")
    if letter == problem.answer.strip().upper():
        return right(f"option {letter}")
    return wrong(f"option {letter}, not {shortened(problem.answer)}")


def extract_letter(completion: str) -> str | None:
    """The option that a completion settles on: boxed, else announced or called correct, else chosen or alone on the
    first or last line, else mentioned, else at the start of a line; the last of its kind. None where that last one
    leaves several, “A or B”.

    What is announced stands before what is mentioned, since explanations go on about the other options.
    """
    text = unicodedata.normalize("NFKC", after_thinking(completion))
    text = _LOOKS_LATIN.sub(lambda match: match[0].translate(_LATIN), text)
    boxed = last_boxed(text)
    if fields := list(_FIELD.finditer(text)):
        return fields[-1]["letter"].upper()
    text = _TEXT.sub(r" \1 ", _MARKUP.sub(" ", text))
    text = re.sub(r"[^\S\n]*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()
    if boxed is not None:
        boxed = " ".join(_TEXT.sub(r" \1 ", re.sub(r"[*`$]", " ", boxed)).split())
        if match := _BOXED.match(boxed) or _BOXED_BEHIND.match(boxed):
            return _settled(boxed, match)
    announced = [match for pattern in (*_ANNOUNCED[1:], _ELSEWHERE, _MADE) for match in _found(pattern, text)]
    announced += _found(_ANNOUNCED[0], text, _NOT_IN_CLAUSE) + _found(_CORRECT, text, _NOT, 20)
    if announced:
        return _settled(text, max(announced, key=re.Match.end))
    if chosen := _found(_CHOSEN, text, _NOT) + _found(_HENCE, text, _NOT):
        return _settled(text, max(chosen, key=re.Match.end))
    lines = text.split("\n")
    for line in (lines[-1], lines[0]):
        if match := _LINE.fullmatch(line):
            return match["letter"].upper()
    if match := _ONLY_LINE.fullmatch(text):
        return match["letter"].upper()
    mentioned = _found(_MENTIONED, text, _NOT) or _found(_ALONE, text)
    return _settled(text, mentioned[-1]) if mentioned else None


def _found(
    pattern: re.Pattern[str], text: str, denied: re.Pattern[str] | None = None, before: int = 40
) -> list[re.Match[str]]:
    """The matches that name an option, but for those that follow a denial."""
    return [
        match
        for match in pattern.finditer(text)
        if _is_option(text, match)
        and not (denied and denied.search(text[max(0, match.start() - before) : match.start()]))
    ]


def _is_option(text: str, match: re.Match[str]) -> bool:
    """Whether a letter is no word: a capital, in brackets, or ends a line, but “a” and “i” behind a colon alone."""
    start, end = match.span("letter")
    if match["letter"].isupper() or text[start - 1 : start] + text[end : end + 1] == "()":
        return True
    no_word = match["letter"] not in "ai" or text[:start].rstrip(" \"'").endswith(":")
    return no_word and _END.match(text, end) is not None


def _settled(text: str, match: re.Match[str]) -> str | None:
    """The letter of a match; None where another is named along with it."""
    start, end = match.span("letter")
    letter = match["letter"].upper()
    after = _ANOTHER.match(text, end)
    if (after and letter not in after.group("either", "also")) or _ONE_BEFORE.search(text[max(0, start - 12) : start]):
        return None
    return letter
