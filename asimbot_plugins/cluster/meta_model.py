"""A model without memory: built on PyTorch's meta device, where tensors have only shapes.

One forward pass of a recipe's own kind of batch is run there, and what autograd keeps for the
backward pass is added up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from asimbot_plugins.recipe import Recipe
from asimbot_plugins.sft.collator import PACKABLE

_ATTENTION = "asimbot_estimate"
_REPLY_SHARE = 0.25
"""Share of a row's tokens that belong to the reply: for these alone there are logits."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters: frozen ``linear`` layers (what quantisation shrinks) and ``other``."""

    linear: int
    other: int
    trainable: int
    largest_matrix: int
    largest_block: int

    @classmethod
    def of(cls, model: Any) -> Sizes:
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        output = {id(module) for module in model.get_output_embeddings().modules()}
        linear = [
            module.weight.numel()
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear)
            and id(module) not in output
            and not module.weight.requires_grad
            and "lora_" not in name
        ]
        frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
        blocks = [
            sum(p.numel() for p in module.parameters())
            for module in model.modules()
            if isinstance(module, torch.nn.ModuleList)
            for module in module
        ]
        return cls(
            sum(linear), frozen - sum(linear), trainable, max(linear, default=0), max(blocks)
        )


def on_meta(config: Any, data: dict[str, Any], recipe: Recipe, dtype: Any) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    _register_attention()
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation=_ATTENTION
        )
        if data.get("adapter"):
            new_tokens = len(recipe.section.tokens.all())
            model = get_peft_model(
                model,
                LoraConfig(
                    r=int(data.get("lora_r") or 8),
                    lora_dropout=float(data.get("lora_dropout") or 0.0),
                    target_modules=data.get("lora_target_modules") or "all-linear",
                    fan_in_fan_out=bool(data.get("lora_fan_in_fan_out")),
                    trainable_token_indices=list(range(new_tokens)),
                ),
            )
    if data.get("adapter"):
        _make_cheap(model, data)
        if dtype == torch.bfloat16:
            _as_under_autocast(model)
    return model.train()


def _make_cheap(model: Any, data: dict[str, Any]) -> None:
    """``sft.step.make_cheap``, but for what reads numbers: attention is ours, the loss a stub."""
    from asimbot_plugins.cluster.zero import zero_of
    from asimbot_plugins.sft.frozen_norm import use_frozen_norm
    from asimbot_plugins.sft.lora_linear import use_lora_linear
    from asimbot_plugins.sft.token_loss import use_token_loss
    from asimbot_plugins.sft.token_rows import use_sparse_rows

    use_sparse_rows(model)
    quantised = data.get("load_in_4bit") or data.get("load_in_8bit")
    if not quantised and zero_of(data).stage < 3:  # it leaves such layers to PEFT
        use_lora_linear(model)
    use_frozen_norm(model)
    if use_token_loss(model):
        model.get_base_model().loss_function = lambda logits, *_, **__: _TokenLoss.apply(logits)


class _TokenLoss(torch.autograd.Function):
    """Keeps nothing that is counted here: its gradient is added by ``_linear_part``."""

    @staticmethod
    def forward(ctx: Any, logits: Any) -> Any:
        return logits.new_empty((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> None:
        raise NotImplementedError


def _as_under_autocast(model: Any) -> None:
    """Lets LoRA layers keep what they keep under autocast, which overlooks the meta device.

    An adapter is float32, so PEFT makes its input float32, of which autocast makes a bfloat16
    copy for each layer.
    """
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and ("lora_A" in name or "lora_B" in name):
            module.to(torch.bfloat16)
            module.register_forward_pre_hook(
                lambda _, inputs: (inputs[0].to(torch.bfloat16, copy=True),)
            )


def activations_of(model: Any, recipe: Recipe, checkpointed: bool) -> Callable[[int], float]:
    """Bytes at the peak of a step that are neither parameters, gradients nor states, by rows."""
    length = int(recipe.data.get("sequence_len") or 512)
    size = 2 if model.config.dtype == torch.bfloat16 else 4
    mode = recipe.section.collator.options.get("mode", "auto")
    reply_only = mode == "reply_only" or (mode == "auto" and model.config.model_type in PACKABLE)
    packed = reply_only or mode == "packed"
    one, two = (
        _linear_part(model, rows, length, packed, reply_only, checkpointed) for rows in (1, 2)
    )
    layers = 1 if checkpointed else int(model.config.num_hidden_layers)
    window = getattr(model.config, "sliding_window", None)

    def activations(rows: int) -> float:
        kept = one + (two - one) * (rows - 1)
        if not packed:
            return kept
        # Packed rows are kept apart by a mask of all tokens against all, as booleans. A LoRA is
        # attended to row by row; else every layer keeps the mask again as numbers for its
        # backward pass, and in any case that of a sliding window which is shorter than the row.
        mask = (rows * length) ** 2
        if not recipe.data.get("adapter"):
            kept += mask * layers * size
        elif window is not None and length > window:
            kept += rows * length**2 * layers * size
        # While it is made, before the layers, there are two conditions and what both give.
        return max(kept + mask, 3.0 * mask)

    return activations


def _linear_part(
    model: Any, rows: int, length: int, packed: bool, reply_only: bool, checkpointed: bool
) -> float:
    shape = (1, rows * length) if packed else (rows, length)
    targets = max(1, int(rows * length * _REPLY_SHARE)) if reply_only else rows * length

    def zeros(*size: int) -> torch.Tensor:
        return torch.zeros(size, dtype=torch.long, device="meta")

    batch: dict[str, Any] = {"input_ids": zeros(*shape)}
    labels = zeros(1, targets) if reply_only else zeros(*shape)
    if packed:
        batch["position_ids"] = zeros(*shape)
    if reply_only:
        batch["logits_to_keep"] = zeros(targets)
    half = model.config.dtype == torch.bfloat16
    size = 2 if half else 4
    kept = _Kept(model)
    with kept.watching(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        model(**batch, labels=labels, shift_labels=labels, use_cache=False)
    count = targets * int(model.config.vocab_size)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if getattr(base.loss_function, "__module__", None) == __name__:
        # Logits and their gradient, which is all that ``sft.token_loss`` leaves.
        logits, at_the_loss = 0, 2 * count * size
    else:
        # Autograd keeps one float32 copy of the logits, their log-softmax; in its backward pass
        # there are two gradients of the same size. Nothing of the layers is freed yet.
        logits, at_the_loss = count * 4, 2 * count * 4
    if not checkpointed:
        return kept.bytes + at_the_loss
    # Inputs of all layers are kept; after the logits, one layer at a time is computed again, and
    # the gradients of what it keeps take at most as much.
    layers = int(model.config.num_hidden_layers)
    body = max(0.0, kept.bytes - logits)
    boundaries = layers * rows * length * int(model.config.hidden_size) * size
    return boundaries + max(logits + at_the_loss, 2 * body / layers)


class _Kept:
    """Adds up the storages that autograd saves, parameters and buffers excepted."""

    def __init__(self, model: Any) -> None:
        tensors = [*model.parameters(), *model.buffers()]
        self._own = {tensor.untyped_storage()._cdata for tensor in tensors}
        self._alive: dict[int, Any] = {}

    def watching(self) -> Any:
        return torch.autograd.graph.saved_tensors_hooks(self._add, lambda tensor: tensor)

    def _add(self, tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._own:
            # Held on to: the address of a freed storage would be used again.
            self._alive[storage._cdata] = storage
        return tensor

    @property
    def bytes(self) -> float:
        return float(sum(storage.nbytes() for storage in self._alive.values()))


def _register_attention() -> None:
    """An attention without arithmetic that keeps what a fused one (flash, sdpa) keeps."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    class Fused(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, query: Any, key: Any, value: Any) -> Any:
            out = torch.empty_like(query)
            ctx.save_for_backward(query, key, value, out, query[..., 0].float())
            return out

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            raise NotImplementedError

    def attention(module: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
        return Fused.apply(query, key, value).transpose(1, 2).contiguous(), None

    ALL_ATTENTION_FUNCTIONS.register(_ATTENTION, attention)
