"""Near-duplicates of short texts in linear time: MinHash over character trigrams.

Broder (1997), "On the resemblance and containment of documents". Two texts of Jaccard
similarity s share one of the ``_BANDS`` band keys with probability 1 − (1 − s²)^16: .999 at .6,
above .9999 at .8. Candidates are then compared exactly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_BANDS = 16
_ROWS = 2
_MOST = 50  # candidates of one band that are compared; keeps the whole linear
_SQUEEZED = re.compile(r"(\w)\1{2,}")
_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_BETWEEN = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    """``text`` without what makes no other text of it: case, punctuation, longer letters."""
    return _BETWEEN.sub(" ", _SQUEEZED.sub(r"\1\1", text.casefold())).strip()


def count_words(text: str) -> int:
    """Words, emoji and other signs not counted."""
    return len(_WORDS.findall(text))


class NearIndex:
    """Finds the texts put into it that are at least ``similarity`` alike (Jaccard of trigrams)."""

    def __init__(self, similarity: float) -> None:
        import numpy as np

        self.similarity = similarity
        numbers = np.random.default_rng(7)
        self._factors = numbers.integers(1, 2**32, _BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
        self._offsets = numbers.integers(0, 2**32, _BANDS * _ROWS, dtype=np.uint64)
        self._buckets: dict[tuple[int, int], list[int]] = {}
        self._texts: dict[str, int] = {}
        self._grams: list[np.ndarray] = []

    def add(self, text: str) -> int:
        """Puts a text in; returns its number. Texts equal when normalised share one."""
        text = normalise(text)
        if text in self._texts:
            return self._texts[text]
        number = self._texts[text] = len(self._grams)
        grams = _trigrams(text)
        self._grams.append(grams)
        for key in self._keys(grams):
            self._buckets.setdefault(key, []).append(number)
        return number

    def near(self, text: str) -> list[int]:
        """Numbers of the texts that are near to ``text``, ascending."""
        text = normalise(text)
        found = {self._texts[text]} if text in self._texts else set()
        if self._grams:
            grams = _trigrams(text)
            candidates: set[int] = set()
            for key in self._keys(grams):
                candidates.update(self._buckets.get(key, ())[:_MOST])
            found |= {n for n in candidates if _jaccard(grams, self._grams[n]) >= self.similarity}
        return sorted(found)

    def _keys(self, grams: np.ndarray) -> list[tuple[int, int]]:
        import numpy as np

        # Multiply-shift: the low 32 bits of the product are dropped, they mix badly.
        hashes = (grams[:, None] * self._factors + (self._offsets << np.uint64(32))) >> np.uint64(
            32
        )
        least = hashes.min(axis=0).reshape(_BANDS, _ROWS)
        keys = (least[:, 0] << np.uint64(32)) | least[:, 1]
        return list(enumerate(keys.tolist()))


def _trigrams(text: str) -> np.ndarray:
    """The different character trigrams of a normalised text: sorted uint64, at least one."""
    import numpy as np

    codes = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = codes.astype(np.uint64)
    if len(codes) < 3:
        codes = np.resize(codes, 3)
    grams = (codes[:-2] << np.uint64(42)) ^ (codes[1:-1] << np.uint64(21)) ^ codes[2:]
    return np.unique(grams)


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    import numpy as np

    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
