"""Habits side by side: how long, how many, which emoji, marks, casing and catch-phrases."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asimbot_plugins.evaluate import bootstrap
from asimbot_plugins.evaluate.diversity import ngrams, words_of
from asimbot_plugins.evaluate.style import EMOJI

if TYPE_CHECKING:
    import numpy as np

_WORD_BINS: tuple[tuple[int, str], ...] = (
    (0, "0"), (1, "1"), (2, "2"), (3, "3"), (5, "4-5"), (8, "6-8"), (12, "9-12"), (20, "13-20"),
    (10**9, "21+"),
)  # fmt: skip
_PHRASES = 12
_EMOJI = 8


class Habits:
    """Makes one distribution a habit from replies; emoji and phrases to look for are learnt."""

    def __init__(self, friend_texts: Sequence[str], other_texts: Sequence[str]) -> None:
        used = Counter(e for text in friend_texts for e in EMOJI.findall(text))
        self.emoji = [e for e, _ in used.most_common(_EMOJI)]
        self.phrases = catch_phrases(friend_texts, other_texts, _PHRASES)

    def names(self) -> list[str]:
        return ["words in a reply", "messages in a reply", "emoji", "end of a message",
                "casing", "catch-phrases"]  # fmt: skip

    def labels(self, habit: str) -> list[str]:
        """Names of the columns of ``counts``."""
        return {
            "words in a reply": [label for _, label in _WORD_BINS],
            "messages in a reply": ["0", "1", "2", "3", "4", "5", "6+"],
            "emoji": ["none", *self.emoji, "other"],
            "end of a message": ["nothing", ".", "!", "?", "…", "emoji", "other"],
            "casing": ["all small", "starts small", "starts large", "ALL LARGE", "no letters"],
            "catch-phrases": ["none", *self.phrases],
        }[habit]

    def counts(self, habit: str, texts: Sequence[str]) -> np.ndarray:
        """How often each text shows each column: float, shape (texts, columns)."""
        import numpy as np

        of = {
            "words in a reply": _words, "messages in a reply": _messages,
            "emoji": self._emoji, "end of a message": _ends,
            "casing": _casing, "catch-phrases": self._phrases,
        }[habit]  # fmt: skip
        columns = {label: i for i, label in enumerate(self.labels(habit))}
        table = np.zeros((len(texts), len(columns)))
        for row, text in enumerate(texts):
            for label in of(text):
                table[row, columns[label]] += 1
        return table

    def _emoji(self, text: str) -> list[str]:
        found = EMOJI.findall(text)
        return [e if e in self.emoji else "other" for e in found] or ["none"]

    def _phrases(self, text: str) -> list[str]:
        padded = f" {' '.join(words_of(text))} "
        return [phrase for phrase in self.phrases if f" {phrase} " in padded] or ["none"]


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _words(text: str) -> list[str]:
    n = len(text.split())
    return [next(label for most, label in _WORD_BINS if n <= most)]


def _messages(text: str) -> list[str]:
    n = len(_lines(text))
    return [str(n) if n < 6 else "6+"]


def _ends(text: str) -> list[str]:
    found = []
    for line in _lines(text):
        line = line.rstrip()
        matches = list(EMOJI.finditer(line))
        if matches and matches[-1].end() == len(line):
            found.append("emoji")
        elif line.endswith(("…", "...", "..")):
            found.append("…")
        elif line[-1] in ".!?":
            found.append(line[-1])
        else:
            found.append("nothing" if line[-1].isalnum() else "other")
    return found


def _casing(text: str) -> list[str]:
    found = []
    for line in _lines(text):
        letters = [c for c in line if c.isalpha()]
        if not letters:
            found.append("no letters")
        elif len(letters) > 1 and all(c.isupper() for c in letters):
            found.append("ALL LARGE")
        elif not any(c.isupper() for c in letters):
            found.append("all small")
        else:
            found.append("starts large" if letters[0].isupper() else "starts small")
    return found


def catch_phrases(friend: Sequence[str], others: Sequence[str], count: int) -> list[str]:
    """Phrases of one to three words that the friend uses and others don't, strongest first.

    Log-odds with an informative Dirichlet prior as z-scores (Monroe et al., "Fightin' Words",
    2008). Signs alone and placeholders are none.
    """
    own, theirs = (
        Counter(gram for text in texts for n in (1, 2, 3) for gram in set(ngrams(text, n)))
        for texts in (friend, others)
    )
    total_own, total_theirs = sum(own.values()), sum(theirs.values())
    total = total_own + total_theirs
    scores: dict[str, float] = {}
    for gram, a in own.items():
        rare = a < max(4, len(friend) // 200)
        placeholder = any(word.startswith("<") and len(word) > 1 for word in gram)
        if rare or placeholder or not any(c.isalpha() for word in gram for c in word):
            continue
        b = theirs[gram]
        prior = 500 * (a + b) / total
        odds_own = math.log((a + prior) / (total_own + 500 - a - prior))
        odds_theirs = math.log((b + prior) / (total_theirs + 500 - b - prior))
        score = (odds_own - odds_theirs) / math.sqrt(1 / (a + prior) + 1 / (b + prior))
        if score > 2:
            scores[" ".join(gram)] = score
    best: list[str] = []
    # Of two that always go together the longer one says more.
    for phrase in sorted(scores, key=lambda p: (-round(scores[p], 6), -p.count(" "), p)):
        if not any(f" {phrase} " in f" {b} " or f" {b} " in f" {phrase} " for b in best):
            best.append(phrase)
    return best[:count]


def js_distance(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon distance of two histograms (Lin 1991; base 2): 0 the same, 1 disjoint.

    An empty histogram is as far from any other as can be, and no distance from another empty one.
    """
    import numpy as np

    if p.sum() == 0 or q.sum() == 0:
        return float(p.sum() != q.sum())
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2

    def divergence(a: np.ndarray) -> float:
        kept = a > 0
        return float((a[kept] * np.log2(a[kept] / middle[kept])).sum())

    return math.sqrt(max(0.0, (divergence(p) + divergence(q)) / 2))


def distance(real: np.ndarray, other: np.ndarray, resamples: int, seed: int) -> bootstrap.Estimate:
    """Distance of two tables of counts (rows are replies), ``other``'s rows resampled."""
    target = real.sum(axis=0)
    return bootstrap.statistic(
        lambda drawn: js_distance(target, drawn @ other), len(other), resamples, seed
    )
