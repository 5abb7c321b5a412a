"""Attention of a packed batch, row by row.

PyTorch's attention takes a mask to keep packed rows apart and then works on all of
(tokens of the batch)²; eight rows cost eight times what they need. The collator tells where
rows begin (``cu_seq_lens_q``, the name flash attention has for it), and each row is attended
to by itself, causal, without a mask.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "sdpa_rows"
"""Name of this attention among those of transformers."""


def use_row_attention(model: Any) -> bool:
    """Switches a model from ``sdpa`` to this attention; says whether it did.

    Whatever is not a packed batch is still attended to by ``sdpa``, so results are those of
    ``sdpa`` in every mode.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if base.config._attn_implementation != "sdpa":
        return False
    ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
    base.set_attn_implementation(NAME)
    return True


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as ``transformers`` asks for it.

    ``query`` (B, heads, T, D), ``key`` and ``value`` (B, key heads, T, D); ``cu_seq_lens_q``
    (rows + 1,) int, where rows begin and the last one ends; output (B, T, heads, D).
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if cu_seq_lens_q is None or query.shape[2] != key.shape[2]:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask,
            dropout=dropout, scaling=scaling, sliding_window=sliding_window, **kwargs,
        )  # fmt: skip
        return output, None
    lengths = cu_seq_lens_q.diff().tolist()
    parts = []
    for q, k, v in zip(*(x.split(lengths, dim=2) for x in (query, key, value)), strict=True):
        mask = _band(q, sliding_window)
        parts.append(
            torch.nn.functional.scaled_dot_product_attention(
                q, k, v,
                attn_mask=mask, is_causal=mask is None, dropout_p=dropout, scale=scaling,
                enable_gqa=q.shape[1] != k.shape[1],
            )
        )  # fmt: skip
    return torch.cat([part.transpose(1, 2) for part in parts], dim=1), None


def _band(query: torch.Tensor, window: int | None) -> torch.Tensor | None:
    """Mask (T, T) of causal attention to the last ``window`` tokens; None if it hides none."""
    length = query.shape[2]
    if window is None or length <= window:
        return None
    ones = torch.ones(length, length, dtype=torch.bool, device=query.device)
    return ones.tril().triu(1 - window)
