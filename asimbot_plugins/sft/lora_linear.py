"""A linear layer with its LoRA adapter as one step of autograd.

PEFT composes it of a dozen operations: the input is cast to float32 and back, a dropout mask of
the input's size is drawn, product, scaled product and sum are written one after another, and
autograd keeps most of them. Here the update is added inside the matrix product, the backward is
written out, and dropout draws only the positions to drop.
"""

from __future__ import annotations

import math
from types import MethodType
from typing import Any

import torch


def use_lora_linear(model: Any) -> int:
    """Gives every plain LoRA layer of a PEFT model this forward; returns how many there are.

    Outputs and gradients stay those of PEFT up to rounding (dropout: its distribution, not its
    draws). Layers in a state this does not cover (quantised or trainable base, several active
    adapters, DoRA, merged) keep PEFT's forward.
    """
    from peft.tuners.lora.layer import Linear

    count = 0
    for module in model.modules():
        if type(module) is Linear and type(module.base_layer) is torch.nn.Linear:
            module.forward = MethodType(_forward, module)  # type: ignore[method-assign]
            count += 1
    return count


def _forward(layer: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    if args or kwargs or layer.disable_adapters or layer.merged or len(active) != 1:
        return type(layer).forward(layer, x, *args, **kwargs)
    (name,) = active
    weight, bias = layer.base_layer.weight, layer.base_layer.bias
    a, b = layer.lora_A[name], layer.lora_B[name]
    kind = x.device.type
    autocast = kind != "meta" and torch.is_autocast_enabled(kind)  # the estimate of memory
    dtype = torch.get_autocast_dtype(kind) if autocast else x.dtype
    covered = (
        weight.dtype == dtype
        and (autocast or a.weight.dtype == dtype)
        and a.weight.numel() > 0  # ZeRO-3 keeps parameters elsewhere
        and weight.numel() > 0
        and not weight.requires_grad
        and (bias is None or not bias.requires_grad)
        and name not in layer.lora_variant
        and b.bias is None
    )
    if not covered:
        return type(layer).forward(layer, x, *args, **kwargs)
    dropout = layer.lora_dropout[name]
    p = dropout.p if isinstance(dropout, torch.nn.Dropout) and dropout.training else 0.0
    x = x.to(dtype)
    dropped = _positions(x, p) if p else None
    a16, b16 = a.weight.to(dtype), b.weight.to(dtype)
    scaling = layer.scaling[name] / (1 - p)
    output: torch.Tensor = _LoraLinear.apply(x, weight, bias, a16, b16, scaling, dropped)
    return output


def _positions(x: torch.Tensor, p: float) -> torch.Tensor:
    """Flat positions of ``x`` to drop, int64, some twice; each is in it with probability ``p``.

    k draws with replacement from n leave a position out with probability (1 − 1/n)^k = 1 − p.
    """
    n = x.numel()
    k = round(math.log1p(-p) / math.log1p(-1 / n)) if n > 1 else 0
    return torch.randint(n, (k,), device=x.device)


class _LoraLinear(torch.autograd.Function):
    """``x W' + bias + s · drop(x) A' B'``; x (…, in), W (out, in), A (r, in), B (out, r)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
        dropped: torch.Tensor | None,
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        inner = _without(flat, dropped) @ a.t()
        output = torch.nn.functional.linear(flat, weight, bias)
        output.addmm_(inner, b.t(), alpha=scaling)
        ctx.save_for_backward(flat, weight, a, b, inner, dropped)
        ctx.scaling = scaling
        return output.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[Any, ...]:
        flat, weight, a, b, inner, dropped = ctx.saved_tensors
        grad = upstream.reshape(-1, upstream.shape[-1])
        inner_grad = (grad @ b).mul_(ctx.scaling)
        b_grad = (grad.t() @ inner).mul_(ctx.scaling)
        a_grad = inner_grad.t() @ _without(flat, dropped)
        x_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = grad @ weight
            if dropped is None:
                x_grad.addmm_(inner_grad, a)
            else:
                through = inner_grad @ a
                through.view(-1).index_fill_(0, dropped, 0)
                x_grad += through
            x_grad = x_grad.view(*upstream.shape[:-1], -1)
        return x_grad, None, None, a_grad, b_grad, None, None


def _without(x: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
    if positions is None:
        return x
    x = x.clone(memory_format=torch.contiguous_format)
    x.view(-1).index_fill_(0, positions, 0)
    return x
