"""A prompt read back: who says what, and how it looks to a model without our tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from asimbot_plugins.tokens import TokenNames


class Turn(NamedTuple):
    """A burst of one speaker. ``speaker`` is a letter, or None for the friend."""

    speaker: str | None
    messages: tuple[str, ...]


def turns(prompt: str, tokens: TokenNames) -> list[Turn]:
    """The turns of a prompt, oldest first, without the reply that is still to come.

    Messages of one speaker that follow each other are one turn.
    """
    names = [*tokens.all()]
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    parts = re.split(f"({pattern})", prompt)
    found: list[Turn] = []
    # Text before the first token belongs to an unnamed speaker (rows of the pairs builder).
    if parts[0].strip():
        found.append(Turn("A", (parts[0].strip(),)))
    for token, text in zip(parts[1::2], parts[2::2], strict=True):
        text = text.strip()
        if not text:
            continue
        if token == tokens.separator and found:
            speaker = found[-1].speaker
        elif token in tokens.speakers:
            speaker = chr(ord("A") + tokens.speakers.index(token) % 26)
        elif token == tokens.separator:
            speaker = "A"
        else:
            speaker = None
        if found and found[-1].speaker == speaker:
            found[-1] = Turn(speaker, (*found[-1].messages, text))
        else:
            found.append(Turn(speaker, (text,)))
    return found


def answered_text(prompt: str, tokens: TokenNames) -> str:
    """What the reply answers: all that others said since the friend last spoke, by lines.

    Where the friend spoke last, the last turn of somebody else; where nobody else did, all.
    """
    said = turns(prompt, tokens)
    while said and said[-1].speaker is None and any(t.speaker is not None for t in said):
        said.pop()
    start = max((i + 1 for i, turn in enumerate(said) if turn.speaker is None), default=0)
    return joined([text for turn in said[start:] or said for text in turn.messages])


def whole_text(prompt: str, tokens: TokenNames) -> str:
    """Everything said in the prompt, by lines, without speakers."""
    return joined([text for turn in turns(prompt, tokens) for text in turn.messages])


def joined(messages: Sequence[str]) -> str:
    """A burst as one text: its messages, one a line."""
    return "\n".join(messages)
