"""Prompts and replies as ids, in the form of the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asimbot_plugins.sft.masking import IGNORED, encode_row
from asimbot_plugins.tokens import TokenNames, format_row

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe


def length_limit(recipe: Recipe) -> int:
    """Tokens of a row at most: ``sequence_len`` of the SFT recipe."""
    return int(recipe.sft.data.get("sequence_len") or 512)


def encode_reply(
    tokenizer: Any, tokens: TokenNames, prompt: str, reply: str, limit: int
) -> tuple[list[int], list[int]]:
    """(prompt ids, reply ids with the end token); the oldest messages go where it is too long."""
    row = encode_row(
        tokenizer, format_row(prompt, reply), _reply_token(prompt, tokens), limit, tokens.speakers
    )
    start = row["labels"].count(IGNORED)
    return row["input_ids"][:start], row["input_ids"][start:]


def encode_prompt(tokenizer: Any, tokens: TokenNames, prompt: str, limit: int) -> list[int]:
    """Ids of a prompt, at most ``limit`` where messages can be left out."""
    row = encode_row(
        tokenizer, prompt.rstrip(), _reply_token(prompt, tokens), limit + 1, tokens.speakers
    )
    return row["input_ids"][:-1]


def _reply_token(prompt: str, tokens: TokenNames) -> str:
    return tokens.response if prompt.rstrip().endswith(tokens.response) else tokens.reply
