"""Selectors by cosine of sentence embeddings: the seed's, and the same without its leak."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from asimbot_plugins.components import Component, Reply
from asimbot_plugins.context.base import RankingSelector
from asimbot_plugins.context.window import newest_first
from asimbot_plugins.messages import Message

if TYPE_CHECKING:
    import numpy as np

    from asimbot_plugins.embedding import Embedder

CHUNK = 2048
"""Replies whose embeddings are held in memory at a time."""


class SemanticOptions(Component.Options):
    model: str = "sentence-transformers/all-mpnet-base-v2"
    select_k: int = Field(default=5, ge=0)
    """Messages to choose."""
    top_k: int = Field(default=20, ge=0)
    """Prior messages to choose from."""
    max_tokens: int | None = Field(default=None, ge=0)
    cache_dir: Path | None = None
    """Folder of cached embeddings; null for the user's cache folder."""

    @property
    def k(self) -> int:
        return self.select_k


class _Cosine(RankingSelector):
    """Ranks the prior ``top_k`` messages by cosine with a query; equal cosines newest first."""

    Options = SemanticOptions
    options: SemanticOptions
    embedder: Embedder | None = None

    @abstractmethod
    def queries(self, messages: Sequence[Message], reply: Reply) -> list[str]:
        """The texts whose mean embedding is compared; [] to take the last messages instead."""

    def rank_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str, k: int | None
    ) -> Iterator[list[int]]:
        for start in range(0, len(replies), CHUNK):
            yield from self._rank_chunk(messages, replies[start : start + CHUNK], k)

    def _rank_chunk(
        self, messages: Sequence[Message], replies: Sequence[Reply], k: int | None
    ) -> Iterator[list[int]]:
        import numpy as np

        pools = [newest_first(reply.start, self.options.top_k) for reply in replies]
        queries = [self.queries(messages, reply) for reply in replies]
        row_of: dict[str, int] = {}
        for pool, query in zip(pools, queries, strict=True):
            if query and pool:
                for text in [*query, *(messages[i].text for i in pool)]:
                    row_of.setdefault(text, len(row_of))
        vectors = self._embed(list(row_of)) if row_of else None
        for pool, query in zip(pools, queries, strict=True):
            if vectors is None or not query or not pool:
                yield pool[:k]
                continue
            wanted = vectors[[row_of[text] for text in query]].mean(axis=0)
            cosines = vectors[[row_of[messages[i].text] for i in pool]] @ wanted
            yield [pool[j] for j in np.argsort(-cosines, kind="stable")[:k]]

    def _embed(self, texts: list[str]) -> np.ndarray:
        if self.embedder is None:
            from asimbot_plugins.embedding import Embedder, default_cache_dir

            self.embedder = Embedder(
                self.options.model, self.options.cache_dir or default_cache_dir()
            )
        return self.embedder.encode(texts)


class Semantic(_Cosine):
    """The seed's: cosine with the reply itself. LEAKS: that text is unknown when the clone talks.

    Without a reply, as at generation time, it can only take the last messages.
    """

    name: ClassVar[str] = "semantic"
    leaks: ClassVar[bool] = True

    def queries(self, messages: Sequence[Message], reply: Reply) -> list[str]:
        if reply.start == reply.end:
            return []
        return ["\n".join(message.text for message in messages[reply.start : reply.end])]


class SemanticLiveOptions(SemanticOptions):
    query_messages: int = Field(default=3, ge=1)
    """How many last messages make the query (the mean of their embeddings)."""


class SemanticLive(_Cosine):
    """Cosine with the last messages: the same in training and when the clone talks."""

    name: ClassVar[str] = "semantic_live"
    Options = SemanticLiveOptions
    options: SemanticLiveOptions

    def queries(self, messages: Sequence[Message], reply: Reply) -> list[str]:
        first = max(0, reply.start - self.options.query_messages)
        return [message.text for message in messages[first : reply.start]]
