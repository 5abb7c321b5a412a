"""Near-duplicates of short texts, in linear time and without hashing tricks.

Two texts are near if their character trigrams have a Jaccard similarity of at least the one
asked for. Only texts that share a quarter of their word pairs and long words are compared: a text
that is changed more is below any similarity that is asked for here. (MinHash was tried first: on
short texts its bands collide so often that it was several times as slow.)
"""

from __future__ import annotations

import itertools
import math
import re
from functools import lru_cache

_MOST = 50
"""Texts of one word pair that are compared; keeps the whole linear. The same text again is found
whatever the number."""
_LONG_WORD = 7
_SHARED = 0.25
"""Least share of pairs and long words that two texts worth comparing have in common."""
_SQUEEZED = re.compile(r"(\w)\1{2,}")
_BETWEEN = re.compile(r"[\W_]+")
_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ASCII_BETWEEN = {i: " " for i in range(128) if not chr(i).isalnum()}


def normalise(text: str) -> str:
    """``text`` without what makes no other text of it: case, punctuation, longer letters."""
    text = text.casefold()
    if [letter for letter in set(text) if letter * 3 in text]:
        text = _SQUEEZED.sub(r"\1\1", text)
    if text.isascii():  # the same as below, sooner
        return " ".join(text.translate(_ASCII_BETWEEN).split())
    return _BETWEEN.sub(" ", text).strip()


def count_words(text: str) -> int:
    """Words, emoji and other signs not counted."""
    return len(_WORDS.findall(text))


class NearIndex:
    """Finds the texts put into it that are at least ``similarity`` alike (0 to 1)."""

    def __init__(self, similarity: float) -> None:
        self.similarity = similarity
        self._texts: dict[str, int] = {}
        self._list: list[str] = []
        self._by_key: dict[str, list[int]] = {}

    def add(self, text: str) -> int:
        """Puts a text in; returns its number. Texts equal when normalised share one."""
        text = normalise(text)
        if text not in self._texts:
            number = self._texts[text] = len(self._list)
            self._list.append(text)
            for key in _keys(text):
                numbers = self._by_key.setdefault(key, [])
                if len(numbers) < _MOST:
                    numbers.append(number)
        return self._texts[text]

    def near(self, text: str) -> list[int]:
        """Numbers of the texts that are near to ``text``, ascending."""
        text = normalise(text)
        same = self._texts.get(text)
        keys = _keys(text)
        found = [same] if same is not None else []
        least = _SHARED * len(keys)
        known = [self._by_key[key] for key in keys if key in self._by_key]
        if len(known) < least:
            return found
        # Who has enough of them has one of all but the last few: the longest lists, of what is
        # said all the time, bring nobody new.
        known.sort(key=len)
        few = len(known) + 1 - max(1, math.ceil(least))
        shared: dict[int, int] = {}
        for numbers in known[:few]:
            for number in numbers:
                shared[number] = shared.get(number, 0) + 1
        for numbers in known[few:]:
            for number in numbers:
                if number in shared:
                    shared[number] += 1
        grams = None
        for number, n in shared.items():
            if n >= least and number != same:
                grams = grams or _trigrams(text)
                if self._alike(grams, self._list[number]):
                    found.append(number)
        return sorted(found)

    def _alike(self, grams: frozenset[str], other: str) -> bool:
        others = _trigrams(other)
        if min(len(grams), len(others)) < self.similarity * max(len(grams), len(others)):
            return False
        shared = len(grams & others)
        return shared >= self.similarity * (len(grams) + len(others) - shared)


def _keys(text: str) -> list[str]:
    """Word pairs and long words of a normalised text, each once; the text itself if it is one
    word."""
    words = text.split(" ")
    pairs = [f"{a} {b}" for a, b in itertools.pairwise(words)] or [text]
    return list(dict.fromkeys([*pairs, *(word for word in words if len(word) >= _LONG_WORD)]))


@lru_cache(maxsize=8192)
def _trigrams(text: str) -> frozenset[str]:
    padded = f" {text} "
    return frozenset(padded[i : i + 3] for i in range(max(1, len(padded) - 2)))
