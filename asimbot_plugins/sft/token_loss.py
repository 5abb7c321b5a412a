"""Cross-entropy over a large vocabulary without float32 copies of the logits.

Hugging Face's loss casts all logits to float32 and leaves three more tensors of that size to
autograd. Here loss and gradient come out of one pass, a few rows at a time while they are in
the cache; what stays is the gradient in the dtype of the logits (the scheme of Liger Kernel,
Hsu et al. 2024, arXiv:2410.10989, without its kernels). Numbers are those of
``transformers.loss.loss_utils.ForCausalLMLoss``: float32 inside, one rounding of the gradient.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from asimbot_plugins.sft.masking import IGNORED

_CHUNK = {"cpu": 2**19, "cuda": 2**27}
"""Logits handled at once: about what a core's cache holds; on a GPU, enough to fill it."""


def use_token_loss(model: Any, end: tuple[int, float] | None = None) -> bool:
    """Gives a causal model this loss in place of the library's own; says whether it did.

    A model with a loss of its own keeps it. ``end``: the id of the end token and what it counts in
    training (the others count 1; held-out loss never weighs); None for the same as the others.
    """
    from transformers.loss.loss_utils import ForCausalLMLoss

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if getattr(base, "loss_function", None) is not ForCausalLMLoss:
        return False
    base.loss_function = partial(causal_loss, end=end) if end else causal_loss
    return True


def causal_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    vocab_size: int,
    num_items_in_batch: torch.Tensor | int | None = None,
    ignore_index: int = IGNORED,
    shift_labels: torch.Tensor | None = None,
    end: tuple[int, float] | None = None,
    **_: Any,
) -> torch.Tensor:
    """``ForCausalLMLoss``: mean over targets, or their sum over ``num_items_in_batch``.

    ``logits`` (B, T, V) floating, ``labels`` or ``shift_labels`` (B, T) int64; float32 scalar.
    ``end`` is a target's id and what it counts where gradients are wanted; what is divided by
    stays the number of targets, so that the others weigh what they did.
    """
    if shift_labels is None:
        shift_labels = torch.nn.functional.pad(labels, (0, 1), value=ignore_index)[..., 1:]
    targets = shift_labels.reshape(-1).to(logits.device)
    flat = logits.reshape(-1, vocab_size)
    items = (targets != ignore_index).sum() if num_items_in_batch is None else num_items_in_batch
    scale = 1 / torch.as_tensor(items, device=logits.device, dtype=torch.float32)
    weights = torch.ones(len(targets), device=logits.device)
    if end is not None and logits.requires_grad:
        weights[targets == end[0]] = end[1]
    loss: torch.Tensor = _TokenLoss.apply(flat, targets, weights, scale, ignore_index)
    return loss


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
        scale: torch.Tensor,
        ignored: int,
    ) -> torch.Tensor:
        rows = (targets != ignored).nonzero().flatten()
        needs_grad = ctx.needs_input_grad[0]
        everything = len(rows) == len(targets)
        grad = None
        if needs_grad:
            grad = torch.empty_like(logits) if everything else torch.zeros_like(logits)
        total = torch.zeros((), device=logits.device)
        step = max(1, _CHUNK.get(logits.device.type, 2**27) // logits.shape[-1])
        for start in range(0, len(rows), step):
            index = slice(start, start + step) if everything else rows[start : start + step]
            z = logits[index].to(torch.float32, copy=True)
            target, weight = targets[index][:, None], weights[index][:, None]
            wanted = z.gather(-1, target)
            highest = z.amax(dim=-1, keepdim=True)
            mass = z.sub_(highest).exp_().sum(dim=-1, keepdim=True)
            total += (weight * (mass.log() + highest - wanted)).sum()
            if grad is not None:
                z.mul_(scale * weight / mass)
                z.scatter_add_(-1, target, -scale * weight)
                grad[index] = z.to(grad.dtype)
        ctx.grad = grad
        return total * scale

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad, ctx.grad = ctx.grad, None
        if upstream.device.type != "cpu" or upstream.item() != 1:
            grad = grad.mul_(upstream.to(grad.dtype))
        return grad, None, None, None, None
