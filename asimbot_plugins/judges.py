"""The built-in judge: local, no key, no network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asimbot_plugins import hookimpl
from asimbot_plugins.components import Judge, JudgeCase, Verdict
from asimbot_plugins.errors import UserError

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe

_N = 4  # characters of an n-gram


class StyleJudge(Judge):
    """Local: likes replies whose characters run the way the friend's do, not the others'."""

    name = "style"

    def prepare(self, recipe: Recipe) -> None:
        from asimbot_plugins.builder import split_by_time, thread_chat
        from asimbot_plugins.host import load_host
        from asimbot_plugins.readers import read_chat

        threaded = thread_chat(read_chat(recipe, load_host()), recipe)
        train, _ = split_by_time(threaded, recipe.section.heldout_share)
        self._friend: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        for message in train.messages:
            counts = self._friend if message.sender == train.friend else self._others
            counts.update(_grams(message.text))

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Scores are mean log-likelihood ratios a character n-gram, friend against others."""
        if not hasattr(self, "_friend"):
            raise UserError("the style judge was asked before it was prepared")
        return [Verdict(tuple(self._score(reply) for reply in case.replies)) for case in cases]

    def _score(self, reply: str) -> float:
        grams = _grams(reply)
        types = len(self._friend.keys() | self._others.keys()) + 1
        own, others = sum(self._friend.values()) + types, sum(self._others.values()) + types
        ratios = [
            math.log((self._friend[g] + 1) / own) - math.log((self._others[g] + 1) / others)
            for g in grams
        ]
        return sum(ratios) / len(ratios) if ratios else 0.0


def _grams(text: str) -> list[str]:
    padded = f"^{text}$"
    return [padded[i : i + _N] for i in range(max(1, len(padded) - _N + 1))]


@hookimpl
def register_judges() -> list[type[Judge]]:
    return [StyleJudge]
