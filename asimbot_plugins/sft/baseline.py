"""What the base model says before any training, asked in a form it knows.

It never saw the chat tokens, so it gets the conversation as a plain transcript and its answer
ends with the line.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from asimbot_plugins.components import StoppingCriterion
from asimbot_plugins.generation.sampler import Clone
from asimbot_plugins.generation.stopping import EndToken
from asimbot_plugins.redaction.placeholders import plain_role
from asimbot_plugins.tokens import TokenNames


class LineEnd(StoppingCriterion):
    """Stops at the end of the first line that holds something."""

    name = "line_end"

    def keep(self, new_ids: Sequence[int], tokenizer: Any, tokens: TokenNames) -> int | None:
        def ended(n: int) -> bool:
            return "\n" in tokenizer.decode(new_ids[:n]).lstrip()

        if not ended(len(new_ids)):
            return None
        return next(n for n in range(1, len(new_ids) + 1) if ended(n))


def transcript(prompt: str, friend: str, tokens: TokenNames) -> str:
    """A prompt of ours as a plain transcript: ``A: text``, one message a line, then the friend."""
    names = _names(friend, tokens)
    pattern = "|".join(re.escape(token) for token in tokens.all())
    pieces = re.split(f"\\s*({pattern})", prompt)
    lines = [
        f"{names[token]}:{plain_names(text, friend, tokens)}"
        for token, text in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    return "\n".join(lines)


def plain_names(text: str, friend: str, tokens: TokenNames) -> str:
    """``text`` with those it mentions by role (``USR_A``, ``SYS``) named as in a transcript."""
    roles = (*tokens.speakers, tokens.reply)
    names = {plain_role(role): _names(friend, tokens)[role] for role in roles}
    any_role = "|".join(map(re.escape, names))
    return re.sub(rf"(?<!\w)(?:{any_role})(?!\w)", lambda m: names[m[0]], text)


def _names(friend: str, tokens: TokenNames) -> dict[str, str]:
    names = {token: chr(ord("A") + i) for i, token in enumerate(tokens.speakers)}
    names[tokens.reply] = names[tokens.separator] = names[tokens.response] = friend
    return names


def as_plain_base(clone: Clone) -> Clone:
    """The same model, made to answer transcripts; use it inside ``clone.as_base()``."""
    return dataclasses.replace(clone, stopping=[EndToken(), LineEnd()])
