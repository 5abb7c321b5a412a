"""The default selector: a small network that predicts which messages the friend answers.

It never sees the reply, so that a clone is given the same kind of context in training and
when it talks. See ``docs/context.md`` for its figures and ``model_card.md`` for its training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from asimbot_plugins.components import Reply
from asimbot_plugins.context.base import BudgetOptions, RankingSelector
from asimbot_plugins.errors import UserError
from asimbot_plugins.messages import Message

if TYPE_CHECKING:
    import numpy as np

    from asimbot_plugins.context.features import WindowReader
    from asimbot_plugins.context.network import Network
    from asimbot_plugins.embedding import Embedder

MODEL = Path(__file__).with_name("ranker.npz")
CHUNK = 16
"""Replies scored at a time."""
SPARED = 5_000
"""Messages read before those that are needed: earlier replies find them done."""
SPAN = 20_000
"""Messages whose vectors are held at a time, at most."""


class RankedOptions(BudgetOptions):
    embedder: str | None = None
    """Sentence-transformers model that helps to compare texts; null does without."""
    model: Path = MODEL
    """Model file of the ranker."""
    start_share: float = Field(default=0.5, ge=0, le=1)
    """A reply that answers nothing with at least this probability is given little context."""
    start_k: int = Field(default=2, ge=0)
    """How many messages such a reply is given."""
    cache_dir: Path | None = None
    """Folder of cached embeddings; null for the user's cache folder."""


class Ranked(RankingSelector):
    """Messages the friend most likely answers, by a small learned ranker. The default."""

    name: ClassVar[str] = "ranked"
    Options = RankedOptions
    embedder: Embedder | None = None

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._network: Network | None = None
        self._seen: list[Message] = []
        self._first = 0
        self._reader: WindowReader | None = None

    def rank_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str, k: int | None
    ) -> Iterator[list[int]]:
        for index, answered, _ in self._score(messages, [r.start for r in replies], friend):
            yield _best(index, answered[:-1], k)

    def rank_thread(self, messages: Sequence[Message], trigger: int, k: int | None) -> list[int]:
        sender = messages[trigger].sender or ""
        for index, _, together in self._score(messages, [trigger], sender, known=True):
            return _best(index, together, k)
        return []

    def select_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str
    ) -> Iterator[list[int]]:
        import numpy as np

        scored = self._score(messages, [reply.start for reply in replies], friend)
        for index, answered, _ in scored:
            shares = np.exp(answered - answered.max())
            starts = shares[-1] >= self.options.start_share * shares.sum()
            k = self.options.k
            if starts:
                k = self.options.start_k if k is None else min(k, self.options.start_k)
            ranked = _best(index, answered[:-1], None)
            # The last message and the friend's own last one come before all others.
            own = next((i for i in index.tolist() if i >= 0 and messages[i].sender == friend), None)
            first = [i for i in (ranked and [int(index[0])]) + [own] if i is not None]
            order = list(dict.fromkeys([*first, *ranked]))
            yield sorted(self.fit(messages, order[:k]))

    def _score(
        self, messages: Sequence[Message], starts: list[int], friend: str, known: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each start: candidates, newest first (int64 (W,), −1 for none), and two logits.

        ``known``: the text of the message at each start may be read (it is not the reply).
        """
        import numpy as np

        if not starts:
            return
        network = self._network = self._network or _load(self.options.model)
        if max(starts) + known == 0:  # nothing was written yet
            none = np.full(network.window, -1)
            yield from [(none, np.zeros(network.window + 1), np.zeros(network.window))] * len(
                starts
            )
            return
        reader = self._read(messages, starts, network.window, known)
        number = reader.table.number_of.get(friend, -1)
        for part in _chunks(starts, network.window):
            at = np.array(part, np.int64)
            windows = reader.read(at, np.full(len(at), number, np.int64))
            first = max(0, int(at.min()) - network.window)
            end = int(at.max()) + known
            meaning = self._meaning(messages, reader.table.mention, first, end)
            texts = network.text_vectors(reader.table, first, end, meaning)
            answered, together = network.scores(windows, texts, at if known else None)
            yield from zip(windows.index, answered, together, strict=True)

    def _read(
        self, messages: Sequence[Message], starts: list[int], window: int, known: bool
    ) -> WindowReader:
        """The chat as numbers up to the last start; kept for the next call on the same chat."""
        from asimbot_plugins.context.features import HISTORY, WindowReader, make_table

        end = max(starts) + known
        # What lies far back need not be read, but a small chat is read whole and kept.
        first = max(0, min(starts) - HISTORY - window - SPARED)
        old = self._reader
        if (
            old is None
            or first < self._first
            or len(self._seen) < end
            or self._seen[:end] != list(messages[:end])
        ):
            self._seen, self._first = list(messages[:end]), first
            self._reader = old = WindowReader(make_table(self._seen, first), window)
        return old

    def _meaning(
        self, messages: Sequence[Message], mention: np.ndarray, first: int, end: int
    ) -> np.ndarray | None:
        if self.embedder is None:
            if self.options.embedder is None:
                return None
            from asimbot_plugins.embedding import Embedder, default_cache_dir

            self.embedder = Embedder(
                self.options.embedder, self.options.cache_dir or default_cache_dir()
            )
        from asimbot_plugins.context.features import without_address

        # "Anna: yes" means "yes"; whom it names is known to the network anyway.
        return self.embedder.encode(
            without_address(messages[i].text) if mention[i] >= 0 else messages[i].text
            for i in range(first, end)
        )


def _best(index: np.ndarray, scores: np.ndarray, k: int | None) -> list[int]:
    order = (-scores).argsort(kind="stable")
    return [int(i) for i in index[order] if i >= 0][:k]


def _chunks(starts: list[int], window: int) -> Iterator[list[int]]:
    """Consecutive starts that share a stretch of the chat."""
    part: list[int] = []
    for start in starts:
        span = max([*part[:1], *part[-1:], start]) - min([*part[:1], *part[-1:], start])
        if part and (len(part) == CHUNK or span + window > SPAN):
            yield part
            part = []
        part.append(start)
    if part:
        yield part


def _load(path: Path) -> Network:
    from asimbot_plugins.context.network import load_network

    try:
        return load_network(path)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"the ranker's model file {str(path)!r} can't be read ({error})",
            "leave out the option 'model', or give a file made by tools/train_ranker.py",
        ) from error
