"""What the built-in selectors share: rank best first, fit a budget, give back in order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic import Field

from asimbot_plugins.components import Component, ContextSelector, Reply
from asimbot_plugins.messages import Message


def estimate_tokens(text: str) -> int:
    """About how many tokens ``text`` costs in a prompt, its role token and newline included.

    Three UTF-8 bytes a token: more than English needs with any of our bases, so that a
    budget is rather underspent. Set ``count_tokens`` of a selector to count exactly.
    """
    return 3 + -(-len(text.encode("utf-8", "surrogatepass")) // 3)


class BudgetOptions(Component.Options):
    """How much a selector may choose."""

    k: int | None = Field(default=8, ge=0)
    """Most messages to choose; null for no limit."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Most tokens all chosen messages may have together; null for no limit."""


class RankingSelector(ContextSelector):
    """A selector that ranks messages best first and takes as many as the options allow."""

    Options: type[Component.Options] = BudgetOptions
    options: Any
    count_tokens: Callable[[str], int] = staticmethod(estimate_tokens)

    @abstractmethod
    def rank_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str, k: int | None
    ) -> Iterator[list[int]]:
        """For each reply up to ``k`` indices < ``reply.start``, best first."""

    def rank(
        self, messages: Sequence[Message], reply: Reply, friend: str, k: int | None
    ) -> list[int]:
        """Up to ``k`` indices < ``reply.start``, best first; ``k=None`` for all of them."""
        return next(iter(self.rank_many(messages, [reply], friend, k)))

    def rank_thread(self, messages: Sequence[Message], trigger: int, k: int | None) -> list[int]:
        """Up to ``k`` indices < ``trigger``, best first: what a given message belongs to.

        The trigger's own text may be used: it is known whenever it is answered.
        """
        sender = messages[trigger].sender or ""
        return self.rank(messages, Reply(trigger, trigger + 1), sender, k)

    def select(self, messages: Sequence[Message], reply: Reply, friend: str) -> list[int]:
        return next(iter(self.select_many(messages, [reply], friend)))

    def select_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str
    ) -> Iterator[list[int]]:
        for ranked in self.rank_many(messages, replies, friend, self.options.k):
            yield sorted(self.fit(messages, ranked))

    def fit(self, messages: Sequence[Message], ranked: Iterable[int]) -> list[int]:
        """Those of ``ranked`` (best first) that fit the token budget; too long ones are passed."""
        if self.options.max_tokens is None:
            return list(ranked)
        left = self.options.max_tokens
        chosen = []
        for index in ranked:
            cost = self.count_tokens(messages[index].text)
            if cost <= left:
                chosen.append(index)
                left -= cost
        return chosen
