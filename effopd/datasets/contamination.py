"""Whether test questions are among the training questions: word for word, or by a run of n common words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NGRAM = 13  # words, the custom since GPT-3 (arXiv 2005.14165, appendix C)

_SPACELESS = "\u0e01-\u0eff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff"  # Thai, Lao, kana, Chinese: a character is a word
_WORD = re.compile(rf"[{_SPACELESS}]|(?:(?![{_SPACELESS}])\w)+|[-+*/^=<>]")


@dataclass(frozen=True)
class Overlap:
    """A test question that occurs in training: rows as indices; kind: `exact`, or `ngram` with its share of n-grams."""

    test: int
    train: int
    kind: str
    share: float


def find_overlaps(train: Iterable[str], test: Sequence[str], n: int = NGRAM) -> list[Overlap]:
    """For each test question its worst match in training, if any; both without case, punctuation and spacing.

    A question of fewer than n words has no n-grams and is found word for word alone; one without words is not found.
    In writing without spaces each character counts as a word.
    """
    test_words = [tuple(_words(question)) for question in test]
    test_grams = [_ngrams(words, n) for words in test_words]
    tests_of: dict[tuple[str, ...], list[int]] = {}
    for index, (words, grams) in enumerate(zip(test_words, test_grams, strict=True)):
        for key in {*grams, words} - {()}:
            tests_of.setdefault(key, []).append(index)
    worst: dict[int, Overlap] = {}
    for row, question in enumerate(train):
        asked = tuple(_words(question))
        common = Counter(index for gram in _ngrams(asked, n) for index in tests_of.get(gram, ()))
        exact = {index for index in tests_of.get(asked, ()) if test_words[index] == asked}
        for index in {*common, *exact}:
            kind, share = ("exact", 1.0) if index in exact else ("ngram", common[index] / len(test_grams[index]))
            known = worst.get(index)
            if known is None or (kind == "exact", share) > (known.kind == "exact", known.share):
                worst[index] = Overlap(index, row, kind, share)
    return [worst[index] for index in sorted(worst)]


def _words(question: str) -> list[str]:
    return _WORD.findall(question.lower())


def _ngrams(words: Sequence[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
