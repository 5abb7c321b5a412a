"""Everything that makes a training step cheap, without changing what it computes."""

from __future__ import annotations

from typing import Any

from asimbot_plugins.errors import UserError
from asimbot_plugins.sft.frozen_norm import use_frozen_norm
from asimbot_plugins.sft.lora_linear import use_lora_linear
from asimbot_plugins.sft.row_attention import use_row_attention
from asimbot_plugins.sft.token_loss import use_token_loss
from asimbot_plugins.sft.token_rows import use_sparse_rows


def make_cheap(model: Any, end: tuple[int, float] | None = None) -> None:
    """Call on a PEFT model before it trains; parts that can't be replaced stay as they are.

    ``end``: the end token's id and its weight in the loss, None for that of the other tokens.
    Raises UserError if the model's loss can't give it one.
    """
    make_layers_cheap(model)
    if not use_token_loss(model, end) and end is not None:
        raise UserError(
            "asimbot.end_token_weight: this model has a loss of its own, which knows no weights",
            "leave the key out",
        )
    use_row_attention(model)


def make_layers_cheap(model: Any) -> None:
    """The part of it that does not ask for our collator or loss: for generation and for TRL."""
    use_sparse_rows(model)
    use_lora_linear(model)
    use_frozen_norm(model)
