"""RMS norm with frozen weights as one step of autograd.

The library's norm is eight operations on float32 copies, all kept for the backward: with LoRA a
tenth of a step and a fifth of its memory. Here only the input and one number a token are kept.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch

_OFFSET = {
    "GemmaRMSNorm": 1.0,
    "Gemma2RMSNorm": 1.0,
    "Gemma3RMSNorm": 1.0,
    "LlamaRMSNorm": 0.0,
    "MistralRMSNorm": 0.0,
    "Qwen2RMSNorm": 0.0,
    "Qwen3RMSNorm": 0.0,
}
"""Classes of transformers this stands in for; Gemma's weights are stored less one."""


def use_frozen_norm(model: Any) -> int:
    """Gives every norm known here this forward; returns how many there are.

    Outputs and gradients stay the library's up to rounding. A norm whose weight is trained
    keeps the library's forward.
    """
    count = 0
    for module in model.modules():
        kind = type(module)
        if kind.__name__ in _OFFSET and kind.__module__.startswith("transformers."):
            module.forward = MethodType(_forward, module)
            count += 1
    return count


def _forward(norm: Any, x: torch.Tensor) -> torch.Tensor:
    weight = norm.weight
    if weight.requires_grad or not x.is_floating_point() or weight.numel() == 0:
        original: torch.Tensor = type(norm).forward(norm, x)
        return original
    eps = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
    gain = weight.float() + _OFFSET[type(norm).__name__]
    output: torch.Tensor = _FrozenNorm.apply(x, gain, eps)
    return output


class _FrozenNorm(torch.autograd.Function):
    """``gain · x / sqrt(mean(x²) + eps)`` in float32 over the last dimension."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, gain: torch.Tensor, eps: float) -> torch.Tensor:
        wide = x.to(torch.float32, copy=True)
        norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, gain, inverse)
        return wide.mul_(inverse).mul_(gain).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[Any, ...]:
        x, gain, inverse = ctx.saved_tensors
        wide = x.float()
        grad = upstream.to(torch.float32, copy=True).mul_(gain)
        along = (grad * wide).sum(dim=-1, keepdim=True).mul_(inverse.pow(3).div_(x.shape[-1]))
        return grad.mul_(inverse).addcmul_(wide, along, value=-1).to(x.dtype), None, None
