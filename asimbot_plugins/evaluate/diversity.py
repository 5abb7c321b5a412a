"""Does it say different things? Distinct n-grams and repeated replies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_WORD = r"<[A-Z]+>|\w+|[^\w\s]"


def words_of(text: str) -> list[str]:
    """Words and signs, case folded; a placeholder such as ``<NAME>`` is one word."""
    import re

    return [word.casefold() for word in re.findall(_WORD, text)]


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    words = words_of(text)
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def distinct(texts: Sequence[str], n: int, sample: int) -> float:
    """Expected share of different n-grams among ``sample`` n-grams of the texts.

    distinct-n (Li et al., 2016) falls with the amount of text; the expectation over all draws
    of one size (rarefaction, Hurlbert 1971) does not. Texts with fewer n-grams use all.
    """
    counts = Counter(gram for text in texts for gram in ngrams(text, n))
    total = sum(counts.values())
    size = min(sample, total)
    if not size:
        return 0.0
    expected = 0.0
    for count in counts.values():
        missed = (
            math.exp(
                math.lgamma(total - count + 1)
                - math.lgamma(total - count - size + 1)
                - math.lgamma(total + 1)
                + math.lgamma(total - size + 1)
            )
            if total - count >= size
            else 0.0
        )
        expected += 1 - missed
    return expected / size


def repeated(texts: Sequence[str]) -> np.ndarray:
    """1.0 for each text whose words another text has, too, else 0.0; empty ones count as 1."""
    import numpy as np

    keys = [" ".join(words_of(text)) for text in texts]
    counts = Counter(keys)
    return np.array([float(counts[key] > 1 or not key) for key in keys])
