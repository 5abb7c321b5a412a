"""Redaction of whole chats, the same for training and for a conversation that is going on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from asimbot_plugins.components import Ledger
from asimbot_plugins.messages import Message
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.redaction.names import names_in_chat, ordinary_names
from asimbot_plugins.redaction.placeholders import Finding, replaced

if TYPE_CHECKING:
    from asimbot_plugins.redaction.redactor import Redactor

_NEIGHBOURS = 3  # earlier messages whose cues still count
_FRESH = timedelta(hours=1)  # how long a question for a code makes the answers one
_EVERY = 2000  # messages between two reports of progress


def redactor_for(recipe: Recipe, messages: Sequence[Message], friend: str) -> Redactor:
    """The redactor of a recipe; it knows the names of those who write ``messages``.

    ``friend`` is the friend's name as the messages have it.
    """
    from asimbot_plugins.redaction.redactor import (
        Redactor,  # compiles patterns: not for every command
    )

    block = recipe.section.redaction
    kinds = [kind for kind in block.kinds if kind != "NAME" or block.names != "keep"]
    people = names_in_chat(messages, dict.fromkeys(recipe.names, friend))
    for name in block.name_paths:
        people.setdefault(name, [])
    return Redactor(
        block.mode,
        people,
        kinds=kinds,
        allow=block.allow_paths,
        ordinary=ordinary_names(messages, people),
        roles=block.names == "role",
    )


def redact_messages(
    messages: Sequence[Message],
    redactor: Redactor,
    ledger: Ledger | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Message]:
    """The messages with marked texts (see ``Redactor.mark``); what is found is counted."""
    done = list(messages)
    for i, findings in enumerate(find_in_chat(messages, redactor, progress)):
        if findings:
            done[i] = done[i]._replace(text=replaced(done[i].text, findings))
            for finding in findings if ledger is not None else ():
                ledger.add(f"redacted: {finding.kind}")  # type: ignore[union-attr]
    return done


def find_in_chat(
    messages: Sequence[Message],
    redactor: Redactor,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Sequence[Finding]]:
    """What is found in each message.

    A message is read with those before it; a code or account number found once is found
    everywhere in the chat.
    """
    if redactor.mode == "off":
        return [()] * len(messages)
    found: list[Sequence[Finding]] = []
    for i, message in enumerate(messages):
        findings = redactor.find(message.text, texts_before(messages, i))
        found.append(findings or ())
        redactor.learn(findings)
        if i % _EVERY == 0:
            progress(i, len(messages))
    for i, message in enumerate(messages):
        if redactor.knows(message.text):
            found[i] = redactor.find(message.text, texts_before(messages, i))
    progress(len(messages), len(messages))
    return found


def texts_before(messages: Sequence[Message], i: int) -> list[str]:
    """The texts of the messages right before message ``i``, while they are fresh."""
    oldest = messages[i].timestamp - _FRESH
    return [m.text for m in messages[max(0, i - _NEIGHBOURS) : i] if m.timestamp >= oldest]
