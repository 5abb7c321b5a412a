"""The real texts that an evaluation compares with, all redacted, training and held-out apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asimbot_plugins.errors import UserError
from asimbot_plugins.evaluate.transcript import joined
from asimbot_plugins.tokens import split_reply

if TYPE_CHECKING:
    from asimbot_plugins.building.builder import Threaded
    from asimbot_plugins.host import Host
    from asimbot_plugins.recipe import Recipe
    from asimbot_plugins.tokens import TokenNames

Burst = tuple[str, ...]
"""The messages of one reply; () for an empty one."""
_UNGUESSABLE = 6  # letters and digits: a run of luck in 10^6 draws


@dataclass(frozen=True)
class Case:
    """A prompt and what was really replied."""

    prompt: str
    reply: Burst


@dataclass(frozen=True)
class Material:
    """What is known of friend and others.

    ``cases``: held-out prompts with the friend's replies; ``rival``: held-out prompts of another
    member with theirs. ``train_rows``: what the clone was trained on. ``friend_texts`` and
    ``other_texts``: bursts of the training part in the order of time. ``members``: everybody's
    names, ``secrets``: personal data of the training part as it was before redaction.
    """

    cases: list[Case]
    heldout: int
    rival: list[Case]
    train_rows: list[dict[str, Any]]
    friend_texts: list[str]
    other_texts: list[str]
    members: list[str]
    secrets: set[str]
    counts: dict[str, int]


def collect(recipe: Recipe, host: Host) -> Material:
    """Reads chat and dataset of a recipe; the dataset is built if it is missing.

    Raises UserError where the held-out part is too small, or the dataset is not the one that the
    clone was trained on.
    """
    from asimbot_plugins.building.builder import thread_chat
    from asimbot_plugins.building.splits import split_by_time
    from asimbot_plugins.dataset import ensure_dataset
    from asimbot_plugins.readers import read_chat

    options, recipe = recipe.section.evaluation, recipe.sft
    tokens = recipe.section.tokens
    files = ensure_dataset(recipe, host)
    heldout, train_rows = files.rows("heldout"), files.rows("train")
    cases = [Case(row["prompt"], tuple(split_reply(row["reply"], tokens))) for row in heldout]
    if len(cases) < 10:
        raise UserError(
            f"{len(cases)} held-out replies are too few to evaluate on",
            "raise asimbot.heldout_share or give a longer chat",
        )
    chat = read_chat(recipe, host)
    threaded = thread_chat(chat, recipe)
    train, rest = split_by_time(threaded, recipe.section.heldout_share)
    senders = sorted({str(m.sender) for m in train.messages})
    return Material(
        cases=spread(cases, options.prompts),
        heldout=len(cases),
        rival=spread(_rival_cases(rest, recipe), options.prompts),
        train_rows=train_rows,
        friend_texts=bursts(train, train.friend, tokens),
        other_texts=_others(train, senders, tokens),
        members=sorted({*senders, *(str(m.sender) for m in rest.messages), *recipe.names}),
        secrets=_secrets(chat, train_rows),
        counts={
            "training replies": len(train_rows),
            "held-out replies": len(cases),
            "messages of the friend, training part": sum(
                m.sender == train.friend for m in train.messages
            ),
            "messages of others, training part": sum(
                m.sender != train.friend for m in train.messages
            ),
            "chat members": len(senders),
        },
    )


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most ``most`` items, evenly spread, in order."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]


def bursts(part: Threaded, sender: str, tokens: TokenNames) -> list[str]:
    """Bursts of one member as texts."""
    from asimbot_plugins.building.threads import replies_of
    from asimbot_plugins.redaction.redactor import Numbering

    texts = (
        Numbering().place([m.text for m in part.messages[reply.start : reply.end]])
        for reply in replies_of(part.messages, sender, part.burst)
    )
    return [plain(joined(messages), tokens) for messages in texts]


def plain(text: str, tokens: TokenNames) -> str:
    """The same placeholder for everybody and everything of a kind: whom a text names is not how
    it is written. ``USR_A`` and ``<NAME_2>`` become ``<NAME>``, ``<PHONE_1>`` ``<PHONE>``.
    """
    roles = "|".join(
        re.escape(token.strip("<>|")) for token in [*tokens.speakers, tokens.reply] if token
    )
    text = re.sub(rf"<?\b(?:{roles})\b>?", "<NAME>", text)
    return re.sub(r"<([A-Z]+)_\d+>", r"<\1>", text)


def _others(part: Threaded, senders: Sequence[str], tokens: TokenNames) -> list[str]:
    return [
        text for sender in senders if sender != part.friend for text in bursts(part, sender, tokens)
    ]


def _rival_cases(part: Threaded, recipe: Recipe) -> list[Case]:
    """Replies of the other member who writes most, each with a context of its own."""
    import dataclasses
    from collections import Counter

    from asimbot_plugins.building.builder import ChatBuilder
    from asimbot_plugins.building.threads import replies_of

    counts = Counter(str(m.sender) for m in part.messages if m.sender != part.friend)
    if not counts:
        return []
    rival = counts.most_common(1)[0][0]
    theirs = dataclasses.replace(part, friend=rival)
    replies = replies_of(theirs.messages, rival, theirs.burst)
    rows = ChatBuilder().rows(theirs, replies, recipe)
    tokens = recipe.section.tokens
    return [
        Case(row["prompt"], tuple(split_reply(row["reply"], tokens)))
        for _, row in rows
        if row is not None and row["reply"].strip()
    ]


def _secrets(chat: Any, train_rows: Sequence[dict[str, Any]]) -> set[str]:
    """Personal data of the chat that a model can only know from training on it.

    A code of a few digits that stands in no training row would be a lucky guess ("1234").
    """
    from asimbot_plugins.evaluate.personal import personal_data

    trained = {word for row in train_rows for word in re.findall(r"\w+", row["text"].casefold())}
    return {
        value
        for message in chat.messages
        if message.kind == "text"
        for value in personal_data(message.text)
        if len(value) >= _UNGUESSABLE or value in trained
    }
