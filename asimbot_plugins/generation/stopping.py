"""Stopping criteria: where a generated reply ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from asimbot_plugins import components, hookimpl
from asimbot_plugins.components import StoppingCriterion
from asimbot_plugins.tokens import TokenNames


class EndToken(StoppingCriterion):
    """Stops at the end token (and at a begin or padding token, which mean the same here)."""

    name = "end_token"

    def stop_ids(self, tokenizer: Any, tokens: TokenNames) -> list[int]:
        ids = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id)
        return sorted({id_ for id_ in ids if id_ is not None})


class SpeakerTokens(StoppingCriterion):
    """Stops where the clone would begin to speak for somebody: any speaker or reply token."""

    name = "speaker_tokens"

    def stop_ids(self, tokenizer: Any, tokens: TokenNames) -> list[int]:
        names = [*tokens.speakers, tokens.reply, tokens.response]
        return [int(id_) for id_ in tokenizer.convert_tokens_to_ids(names)]


class MaxMessages(StoppingCriterion):
    """Stops a burst after a number of messages."""

    name = "max_messages"

    class Options(components.Options):
        n: int = Field(default=6, ge=1)

    def keep(self, new_ids: Sequence[int], tokenizer: Any, tokens: TokenNames) -> int | None:
        separator = tokenizer.convert_tokens_to_ids(tokens.separator)
        seen = 0
        for i, id_ in enumerate(new_ids):
            seen += id_ == separator
            if seen == self.options.n:
                return i
        return None


@hookimpl
def register_stopping_criteria() -> list[type[StoppingCriterion]]:
    return [EndToken, SpeakerTokens, MaxMessages]
