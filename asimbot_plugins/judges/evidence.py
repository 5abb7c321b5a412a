"""What a judge may know of a friend: real exchanges of the training part, and the others' words.

Texts are redacted like the dataset's. A burst is one text, its messages one a line.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from asimbot_plugins.building.builder import present, thread_chat
from asimbot_plugins.building.splits import split_by_time
from asimbot_plugins.building.threads import Threaded, replies_of
from asimbot_plugins.components import Reply
from asimbot_plugins.dataset import ensure_dataset
from asimbot_plugins.embedding import Embedder
from asimbot_plugins.evaluate.relevance import Embed
from asimbot_plugins.evaluate.transcript import answered_text, joined, whole_text
from asimbot_plugins.host import Host, load_host
from asimbot_plugins.readers import read_chat
from asimbot_plugins.redaction.chat import redactor_for
from asimbot_plugins.tokens import ContextMessage, TokenNames, split_reply

if TYPE_CHECKING:
    import numpy as np

    from asimbot_plugins.recipe import Recipe
    from asimbot_plugins.redaction.redactor import Redactor

SAME_TALK = timedelta(hours=1)
"""Exchanges this near in time overlap: one would give the other's reply away."""
_CONTEXT = 8  # messages before a burst that give its people their roles
_CHUNK = 256  # prompts compared with all exchanges at a time


class Exchange(NamedTuple):
    """A prompt and the friend's real reply to it. ``time`` is None where the rows have none."""

    prompt: str
    reply: str
    time: datetime | None


class Burst(NamedTuple):
    """A burst of somebody who is not the friend."""

    text: str
    time: datetime


@dataclass(frozen=True)
class Evidence:
    """One part of a chat: the friend's exchanges and the others' bursts, each in time order."""

    exchanges: list[Exchange]
    others: list[Burst]

    @staticmethod
    def of_training(recipe: Recipe) -> Evidence:
        return read_evidence(recipe)[0]

    @staticmethod
    def of_heldout(recipe: Recipe) -> Evidence:
        return read_evidence(recipe)[1]

    def said_next(self, exchange: Exchange, n: int = 0) -> str | None:
        """The n-th burst of somebody else after an exchange in the same talk, None without one.

        It is about the same things in another voice.
        """
        if exchange.time is None:
            return None
        i = bisect.bisect_right(self.others, exchange.time, key=lambda burst: burst.time) + n
        if i < len(self.others) and self.others[i].time - exchange.time < SAME_TALK:
            return self.others[i].text
        return None

    def before(self, share: float) -> tuple[Evidence, Evidence]:
        """The first ``share`` of the exchanges and the rest, others cut at the same moment."""
        cut = int(len(self.exchanges) * share)
        first, rest = self.exchanges[:cut], self.exchanges[cut:]
        border = rest[0].time if rest else None
        if border is None:
            at = int(len(self.others) * share)
            return Evidence(first, self.others[:at]), Evidence(rest, self.others[at:])
        return (
            Evidence(first, [b for b in self.others if b.time < border]),
            Evidence(rest, [b for b in self.others if b.time >= border]),
        )


def read_evidence(recipe: Recipe, host: Host | None = None) -> tuple[Evidence, Evidence]:
    """Training and held-out part of the recipe's chat. Builds the dataset if it is missing."""
    recipe = recipe.sft
    host = host or load_host()
    files = ensure_dataset(recipe, host)
    threaded = thread_chat(read_chat(recipe, host), recipe)
    tokens = recipe.section.tokens
    found = []
    parts = split_by_time(threaded, recipe.section.heldout_share)
    for part, name in zip(parts, ("train", "heldout"), strict=True):
        exchanges = [
            Exchange(
                str(row["prompt"]),
                joined(split_reply(row["reply"], tokens)),
                datetime.fromisoformat(row["time"]) if "time" in row else None,
            )
            for row in files.rows(name)
        ]
        others = [
            Burst(_presented(part, reply, tokens), part.messages[reply.start].timestamp)
            for sender in sorted({m.sender or "" for m in part.messages} - {part.friend})
            for reply in replies_of(part.messages, sender, part.burst)
        ]
        found.append(Evidence(exchanges, sorted(others, key=lambda burst: burst.time)))
    return found[0], found[1]


def _presented(part: Threaded, reply: Reply, tokens: TokenNames) -> str:
    """A burst with its placeholders as a row would have them after the last few messages."""
    before = part.messages[max(0, reply.start - _CONTEXT) : reply.start]
    context = [ContextMessage(m.sender or "", m.text, m.sender == part.friend) for m in before]
    _, numbering = present(context, tokens, part.friend)
    return joined(numbering.place([m.text for m in part.messages[reply.start : reply.end]]))


def redactor_of(recipe: Recipe) -> Redactor:
    """The recipe's redactor, for texts that leave the machine: never off, and no names kept."""
    recipe = recipe.sft
    chat = read_chat(recipe, load_host())
    block = recipe.section.redaction
    changes: dict[str, str] = {"mode": "on" if block.mode == "off" else block.mode}
    if block.names == "keep":
        changes["names"] = "role"
    section = recipe.section.model_copy(update={"redaction": block.model_copy(update=changes)})
    messages = [m for m in chat.messages if m.kind == "text" and m.sender is not None]
    return redactor_for(replace(recipe, section=section), messages, recipe.friend)


def embedder_of(recipe: Recipe) -> Embed:
    """The recipe's embedder. Embeddings tell a lot of what was said: they stay with the data."""
    return Embedder(recipe.section.embedder, recipe.dataset_dir / "embeddings").encode


class ReplyIndex:
    """Finds exchanges whose context resembles a prompt's, by embeddings of the context."""

    def __init__(self, evidence: Evidence, recipe: Recipe, embed: Embed | None = None) -> None:
        self.exchanges = evidence.exchanges
        self.tokens: TokenNames = recipe.section.tokens
        self.embed = embed or embedder_of(recipe)
        self._contexts = self.contexts([exchange.prompt for exchange in self.exchanges])
        self._time_of = {exchange.prompt: exchange.time for exchange in self.exchanges}

    def contexts(self, prompts: Sequence[str]) -> np.ndarray:
        """Embeddings of what is answered and of the whole prompt side by side, float32 (n, 2d)."""
        import numpy as np

        answered = self.embed([answered_text(prompt, self.tokens) for prompt in prompts])
        whole = self.embed([whole_text(prompt, self.tokens) for prompt in prompts])
        return np.hstack([answered, whole])

    def nearest(self, prompts: Sequence[str], k: int) -> list[list[tuple[str, str, int]]]:
        """For each prompt up to ``k`` (prompt, reply, index), the most similar first.

        An exchange of the same talk is left out: its reply, or its context, could hold the
        very reply that is judged.
        """
        import numpy as np

        found: list[list[tuple[str, str, int]]] = []
        for start in range(0, len(prompts), _CHUNK):
            chunk = prompts[start : start + _CHUNK]
            similar = self.contexts(chunk) @ self._contexts.T
            for prompt, row in zip(chunk, similar, strict=True):
                near: list[tuple[str, str, int]] = []
                for i in np.argsort(-row, kind="stable"):
                    exchange = self.exchanges[i]
                    if len(near) == k:
                        break
                    if not self._same_talk(prompt, exchange):
                        near.append((exchange.prompt, exchange.reply, int(i)))
                found.append(near)
        return found

    def _same_talk(self, prompt: str, exchange: Exchange) -> bool:
        time = self._time_of.get(prompt)
        if prompt == exchange.prompt:
            return True
        if time is None or exchange.time is None:
            return False
        return abs(time - exchange.time) < SAME_TALK
