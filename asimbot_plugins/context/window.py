"""Selectors that only look at the order: the last messages, or the turn since the friend's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from asimbot_plugins.components import Reply
from asimbot_plugins.context.base import BudgetOptions, RankingSelector
from asimbot_plugins.messages import Message


class Window(RankingSelector):
    """The last k messages, the friend's own included."""

    name: ClassVar[str] = "window"

    def rank_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str, k: int | None
    ) -> Iterator[list[int]]:
        for reply in replies:
            yield newest_first(reply.start, k)


class TurnsOptions(BudgetOptions):
    k: int | None = None


class Turns(RankingSelector):
    """Everything since the friend's last message; nothing if that came right before."""

    name: ClassVar[str] = "turns"
    Options = TurnsOptions

    def rank_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str, k: int | None
    ) -> Iterator[list[int]]:
        for reply in replies:
            first = reply.start
            while first > 0 and messages[first - 1].sender != friend:
                first -= 1
            turn = range(reply.start - 1, first - 1, -1)
            yield list(turn if k is None else turn[:k])


def newest_first(start: int, k: int | None) -> list[int]:
    """The ``k`` indices before ``start``, newest first."""
    return list(range(start - 1, -1 if k is None else max(start - k, 0) - 1, -1))
