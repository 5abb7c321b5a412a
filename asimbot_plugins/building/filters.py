"""Quality control of rows: every filter is a score and a cut.

Scores are kept for every row, the dropped ones too, so that a cut can be made after looking
(``asimbot build --report``). Filters of one row are in ``FILTERS``; those that compare rows
(duplicates, near-duplicates, the same reply again) follow below.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asimbot_plugins.building.near import NearIndex, count_words, normalise
from asimbot_plugins.building.options import KINDS, Filters

Row = dict[str, Any]

_NAMELESS = "|".join(kind for kind in KINDS if kind != "NAME")
_PLACEHOLDER = re.compile(rf"<(?:{_NAMELESS})(?:_\d+)?>|https?://\S+|www\.\S+")
_WORD = re.compile(r"\w")
_NEAR_WORDS = 6
"""Shorter replies ("ok see you then") are said again and again: that is how people talk."""


@dataclass(frozen=True)
class Habits:
    """What is usual for the friend: learnt from the training part before anything is dropped."""

    scripts: frozenset[str]
    words_a_message: float
    others_texts: frozenset[str]
    """Long texts that others wrote as well (normalised)."""

    @classmethod
    def of(cls, friends: Iterable[str], others: Iterable[str]) -> Habits:
        letters: Counter[str] = Counter()
        lengths: list[int] = []
        long: set[str] = set()
        for text in friends:
            letters.update(filter(None, map(script_of, text)))
            words = text.split()
            lengths.append(len(words))
            if len(words) >= _COPIED_WORDS:
                long.add(normalise(text))
        total = sum(letters.values())
        copied = {
            plain
            for text in others
            if text.count(" ") >= _COPIED_WORDS - 1 and (plain := normalise(text)) in long
        }
        lengths.sort()
        return cls(
            frozenset(script for script, n in letters.items() if n >= 0.02 * total),
            max(1.0, float(lengths[len(lengths) // 2])) if lengths else 1.0,
            frozenset(copied),
        )


_COPIED_WORDS = 12


@dataclass(frozen=True)
class Filter:
    """``score`` of the messages of a reply, and whether ``drops`` it under a recipe's cuts."""

    name: str
    score: Callable[[Sequence[str], Habits], float]
    drops: Callable[[float, Filters], bool]


def words(reply: Sequence[str], habits: Habits) -> float:
    """Words of the reply."""
    return sum(len(text.split()) for text in reply)


def one_emoji(reply: Sequence[str], habits: Habits) -> float:
    """1 if all there is is one emoji or sign (repeated or not), else 0."""
    text = "".join("".join(reply).split())
    if _WORD.search(text):
        return 0.0
    signs = {c for c in text if unicodedata.category(c) not in ("Mn", "Cf", "Sk")}
    return float(len(signs) <= 1 and len(reply) == 1)


def links_only(reply: Sequence[str], habits: Habits) -> float:
    """Share of the reply's characters that belong to links and other placeholders."""
    text = " ".join(reply)
    rest = _PLACEHOLDER.sub("", text)
    if rest == text:
        return 0.0
    return round(1 - len(rest) / len(text), 3) if any(map(str.isalnum, rest)) else 1.0


_MARK = re.compile(
    r"\A\W*(?:fwd?:|forwarded(?: many times| message)?\b|-+ ?forwarded|weitergeleitet|transféré"
    r"|reenviado|inoltrato|doorgestuurd|encaminhad[ao]|przekazan[oa]|переслан|iletildi|转发|転送)",
    re.IGNORECASE,
)
_CHAIN = re.compile(
    r"(?:forward|send|pass|share) (?:this|it)(?: message)? (?:on )?(?:to|with)"
    r" (?:\d+|at least|everyone|ten|(?:all )?(?:your|ur) (?:friends|contacts))"
    r"|please (?:forward|share widely)|leite[nt]? (?:das|diese)(?: nachricht)? .{0,30}weiter"
    r"|(?:envoie|transf[eé]re)[zs]? (?:ce|à) .{0,30}(?:contacts|amis|personnes)"
    r"|reenv[ií]a(?:lo)? a (?:\d+|todos)|(?:repasse|envie) (?:para|esta) (?:\d+|todos|mensagem)"
    r"|(?:inoltra|manda) (?:questo|a tutti)|stuur (?:dit|deze) .{0,20}door",
    re.IGNORECASE,
)


def forwarded(reply: Sequence[str], habits: Habits) -> float:
    """Signs that a message was forwarded, the most of any; 2 and more is a forwarded text.

    A mark counts 2, and so do a chain letter and a text that somebody else wrote too; one each:
    ten times as long as usual, laid out (headings, lists), three signs of emphasis.
    """
    return float(max((_forward_signs(text, habits) for text in reply), default=0))


def _forward_signs(text: str, habits: Habits) -> int:
    n = text.count(" ") + 1
    signs = 2 * bool(_MARK.search(text)) + 2 * bool(_CHAIN.search(text))
    if n < _COPIED_WORDS:
        return signs
    signs += 2 * (bool(habits.others_texts) and normalise(text) in habits.others_texts)
    signs += n >= max(40, 10 * habits.words_a_message)
    signs += text.count("\n") >= 4
    signs += len(re.findall(r"\*\w[^*\n]*\*|[❗‼️👉🙏✅⚠]|!!!", text)) >= 3
    return signs


def other_script(reply: Sequence[str], habits: Habits) -> float:
    """Share of the letters that are in a script the friend hardly uses (under 2 %)."""
    if "LATIN" in habits.scripts and all(map(str.isascii, reply)):
        return 0.0
    scripts = [script for text in reply for c in text if (script := script_of(c))]
    if len(scripts) < 3:
        return 0.0
    return round(sum(script not in habits.scripts for script in scripts) / len(scripts), 3)


@lru_cache(maxsize=20_000)
def script_of(char: str) -> str:
    """The script of a letter (``LATIN``, ``CYRILLIC``, ``HAN``, …), "" for anything else."""
    if char.isascii():
        return "LATIN" if char.isalpha() else ""
    if not char.isalpha():
        return ""
    first = unicodedata.name(char, "").split(" ")[0]
    return "HAN" if first in ("CJK", "HIRAGANA", "KATAKANA") else first


FILTERS: tuple[Filter, ...] = (
    Filter("too long", words, lambda n, cut: cut.max_words is not None and n > cut.max_words),
    Filter("one emoji", one_emoji, lambda n, cut: cut.one_emoji and n == 1),
    Filter("links only", links_only, lambda n, cut: cut.links_only and n == 1),
    Filter("forwarded", forwarded, lambda n, cut: cut.forwarded and n >= 2),
    Filter(
        "other script",
        other_script,
        lambda n, cut: cut.other_script is not None and n > cut.other_script,
    ),
)


def score_rows(rows: Iterable[Row], replies: Iterable[Sequence[str]], habits: Habits) -> None:
    """Gives each row ``scores`` by filter name; ``replies`` are the messages of each."""
    for row, reply in zip(rows, replies, strict=True):
        row["scores"] = {filter_.name: filter_.score(reply, habits) for filter_ in FILTERS}


def sift(rows: Sequence[Row], replies: Iterable[Sequence[str]], cuts: Filters) -> None:
    """Gives each scored row ``dropped``: the first reason against it, or None.

    Comparing filters only count rows that are still there; of equal rows the first stays, of
    the same reply over and over the newest.
    """
    seen: set[str] = set()
    near = NearIndex(cuts.near_duplicates) if cuts.near_duplicates else None
    for row, reply in zip(rows, replies, strict=True):
        scores = row["scores"]
        why = next((f.name for f in FILTERS if f.drops(scores[f.name], cuts)), None)
        if why is None and cuts.duplicates and row["text"] in seen:
            why = "duplicate"
        if why is None and near is not None:
            text = " ".join(reply)
            if count_words(text) >= _NEAR_WORDS:
                if near.near(text):
                    why = "near-duplicate"
                else:
                    near.add(text)
        row["dropped"] = why
        if why is None:
            seen.add(row["text"])
    said: Counter[str] = Counter()
    for row in reversed(rows):
        if row["dropped"] is None:
            reply = normalise(row["reply"]) or row["reply"]
            said[reply] += 1
            row["scores"]["same reply"] = said[reply]
            if cuts.same_reply is not None and said[reply] > cuts.same_reply:
                row["dropped"] = "same reply"
