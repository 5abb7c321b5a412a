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
from asimbot_plugins.tokens import TokenNames


class LineEnd(StoppingCriterion):
    """Stops at the end of the first line that holds something."""

    name = "line_end"

    def keep(self, new_ids: Sequence[int], tokenizer: Any, tokens: TokenNames) -> int | None:
        for n in range(1, len(new_ids) + 1):
            text = tokenizer.decode(new_ids[:n])
            if text.strip() and "\n" in text.lstrip():
                return n
        return None


def transcript(prompt: str, friend: str, tokens: TokenNames) -> str:
    """A prompt of ours as a plain transcript: ``A: text``, one message a line, then the friend."""
    names = {token: chr(ord("A") + i) for i, token in enumerate(tokens.speakers)}
    names[tokens.reply] = names[tokens.separator] = names[tokens.response] = friend
    pattern = "|".join(re.escape(token) for token in tokens.all())
    pieces = re.split(f"\\s*({pattern})", prompt)
    lines = [
        f"{names[token]}:{text}" for token, text in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    return "\n".join(lines)


def as_plain_base(clone: Clone) -> Clone:
    """The same model, made to answer transcripts; use it inside ``clone.as_base()``."""
    return dataclasses.replace(clone, stopping=[EndToken(), LineEnd()])
