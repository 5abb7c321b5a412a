"""The chat tokens, and the one place where a prompt is formatted.

Training and generation both call ``format_prompt``, so the clone meets at run time exactly
what it was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, model_validator


class TokenNames(BaseModel):
    """Recipe block ``asimbot.tokens``: how the new tokens are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    response: str = "<|response|>"
    reply: str = "<SYS>"
    separator: str = "<SEP>"
    speakers: tuple[str, ...] = tuple(f"<USR_{letter}>" for letter in "ABCDEFGH")

    @model_validator(mode="after")
    def _distinct(self) -> TokenNames:
        names = self.all()
        if any(not name or name != name.strip() for name in names):
            raise ValueError("a token must be neither empty nor start or end with a space")
        if len(set(names)) != len(names):
            raise ValueError("two tokens are written the same way")
        if not self.speakers:
            raise ValueError("at least one speaker token is needed")
        return self

    def all(self) -> list[str]:
        """Every new token, in the order in which they get their ids."""
        return [self.response, *self.speakers, self.reply, self.separator]


@dataclass(frozen=True)
class ContextMessage:
    """One message of a prompt. ``sender`` is only compared, never written."""

    sender: str
    text: str
    is_friend: bool = False
    continues: bool = False
    """True if it belongs to the same burst as the message before it in the prompt."""


# Control tokens of common bases: text of a chat must never turn into one of them.
_FOREIGN = re.compile(
    r"<(?=(?:bos|eos|pad|unk|mask|s|/s|start_of_turn|end_of_turn|\|[^<>|]{1,40}\|)>)"
)


def clean_text(text: str, tokens: TokenNames) -> str:
    """``text`` without anything that a tokenizer would read as a control token.

    The first character of such a piece becomes a look-alike (``<`` → ``‹``); nothing else is
    changed. Spaces at the edges go.
    """
    for token in tokens.all():
        if token in text:
            text = text.replace(token, "‹" + token[1:])
    return _FOREIGN.sub("‹", text).strip()


def format_prompt(context: Sequence[ContextMessage], tokens: TokenNames) -> str:
    """The prompt: ``<USR_A> text <USR_B> text <SYS>``.

    Speakers are lettered in order of appearance; the friend's own earlier messages carry the
    reply token, a burst of them is joined by the separator. Where there are more speakers than
    tokens, the oldest messages go until the rest fits.
    """
    context = _within_speakers(context, len(tokens.speakers))
    letters = speaker_tokens(context, tokens)
    parts: list[str] = []
    for i, message in enumerate(context):
        if message.is_friend:
            joins = i > 0 and message.continues and context[i - 1].is_friend
            token = tokens.separator if joins else tokens.reply
        else:
            token = letters[message.sender]
        parts.append(f"{token} {clean_text(message.text, tokens)}")
    parts.append(tokens.reply)
    return " ".join(parts)


def speaker_tokens(context: Sequence[ContextMessage], tokens: TokenNames) -> dict[str, str]:
    """The token of each sender of a prompt but the friend, in order of appearance."""
    letters: dict[str, str] = {}
    for message in _within_speakers(context, len(tokens.speakers)):
        if not message.is_friend and message.sender not in letters:
            letters[message.sender] = tokens.speakers[len(letters)]
    return letters


def format_reply(messages: Sequence[str], tokens: TokenNames) -> str:
    """A burst as one reply: ``text <SEP> text``."""
    return f" {tokens.separator} ".join(clean_text(text, tokens) for text in messages)


def format_row(prompt: str, reply: str) -> str:
    """The training text; the end token is added where the ids are made."""
    return f"{prompt} {reply}"


def split_reply(text: str, tokens: TokenNames) -> list[str]:
    """The messages of a reply, empty ones dropped."""
    return [part.strip() for part in text.split(tokens.separator) if part.strip()]


def _within_speakers(context: Sequence[ContextMessage], limit: int) -> Sequence[ContextMessage]:
    start = len(context)
    senders: set[str] = set()
    for i in range(len(context) - 1, -1, -1):
        if not context[i].is_friend:
            senders.add(context[i].sender)
            if len(senders) > limit:
                break
        start = i
    return context[start:]
