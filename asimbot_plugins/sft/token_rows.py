"""Trainable token rows without rebuilding the embedding.

PEFT's ``trainable_token_indices`` copies the whole embedding matrix at every forward to put a
few rows into it, and its backward fills a gradient of the same size: with 262,144 tokens that
doubles a training step. The same result follows from the few rows alone: replace the looked-up
vectors of new tokens, and the logits of new tokens. Parameters, saved files and merging stay
PEFT's own.
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def use_sparse_rows(model: Any) -> int:
    """Makes every trainable-tokens layer of a PEFT model cheap; returns how many there are.

    Loss and gradients stay those of PEFT's way up to rounding. Layers in a state this does not
    cover (several active adapters, quantised output layers) keep PEFT's forward.
    """
    from peft.tuners.trainable_tokens.layer import TrainableTokensLayer

    count = 0
    for module in model.modules():
        if isinstance(module, TrainableTokensLayer):
            module.forward_adapters = MethodType(_forward, module)  # type: ignore[method-assign]
            count += 1
    return count


def _forward(layer: Any, x: torch.Tensor, active: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    import torch

    base = layer.base_layer
    plain = layer.disable_adapters or not active or layer.merged
    # Exact types: quantised layers derive from these and compute something else. A subclass of
    # Embedding (Gemma 3 scales in one) is covered, because its own forward is called.
    covered = type(base) is torch.nn.Linear or isinstance(base, torch.nn.Embedding)
    if plain or not covered or len(active) != 1 or getattr(base, "max_norm", None) is not None:
        original = type(layer).forward_adapters(layer, x, active, *args, **kwargs)
        return original
    (name,) = active
    rows = layer.trainable_tokens_delta[name]
    ids = torch.as_tensor(layer.token_indices[name], device=x.device)
    if isinstance(base, torch.nn.Linear):
        logits = base(x)
        # In place is safe: the backward of a linear layer does not need its output.
        return logits.index_copy_(-1, ids, torch.nn.functional.linear(x, rows.to(x.dtype)))
    return _embed(layer, base, x, ids, rows)


def _embed(
    layer: Any, base: Any, x: torch.Tensor, ids: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor:
    import torch

    vectors = base(x)
    matches = x[..., None] == ids  # (…, n): n is the handful of new tokens
    new = rows[matches.int().argmax(dim=-1)]
    scale = layer._get_embed_scale()
    if scale is not None:
        new = new * scale.to(new.dtype)
    return torch.where(matches.any(dim=-1, keepdim=True), new.to(vectors.dtype), vectors)
