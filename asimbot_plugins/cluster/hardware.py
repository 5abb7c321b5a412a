"""Will this recipe fit? An estimate of the memory that training takes, before anything is loaded.

Parameters and activations are counted on a model without memory (``meta_model``), not looked up.
Optimizer states follow from the trainable parameters; ZeRO divides (Rajbhandari et al. 2020,
arXiv:1910.02054, section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asimbot_plugins.cluster.zero import zero_of
from asimbot_plugins.cpu import has_bf16
from asimbot_plugins.errors import UserError
from asimbot_plugins.recipe import Recipe

GIB = 2**30
_NF4 = 0.5 + 0.5 / 64 + 4 / (64 * 256)
"""Bytes a weight in bitsandbytes' 4 bit with double quantisation: one 8-bit scale for 64 weights
(half a byte each), one float32 scale for 256 of those. Dettmers et al. 2023, arXiv:2305.14314."""
_CUDA_CONTEXT = 0.8 * GIB
_ALLOCATOR = 1.08
"""Blocks that the caching allocator can't use up, on top of what is asked for."""
_OPTIMIZER_BYTES = {"8bit": 2.0, "sgd": 4.0, "adafactor": 4.0}


@dataclass(frozen=True)
class Estimate:
    """Bytes on one GPU. ``activations`` is a function of the micro batch (rows a GPU)."""

    parameters: int
    trainable: int
    weights: float
    gradients: float
    optimizer: float
    fixed: float
    activations: Callable[[int], float]
    notes: tuple[str, ...] = ()

    def total(self, micro_batch: int) -> float:
        """Bytes in all with this micro batch."""
        held = self.weights + self.gradients + self.optimizer + self.activations(micro_batch)
        return self.fixed + held * (_ALLOCATOR if self.fixed else 1.0)

    def largest(self, memory: float) -> int:
        """The largest micro batch that fits into ``memory`` bytes; 0 if not even one row does."""
        if self.total(1) > memory:
            return 0
        low, high = 1, 2
        while self.total(high) <= memory and high < 2**16:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.total(middle) <= memory else (low, middle)
        return low


def estimate(recipe: Recipe, *, gpus: int = 1, on_gpu: bool = True) -> Estimate:
    """The memory that the SFT recipe needs on each of ``gpus`` GPUs (or in RAM).

    Rows are taken as long as ``sequence_len`` allows, so real runs need less. Raises UserError
    if the base's configuration can't be loaded.
    """
    import torch

    if recipe.stage != "sft":
        raise UserError(
            f"{recipe.path} has stage {recipe.stage}; the estimate knows SFT recipes",
            f"check {recipe.sft.path}: later stages hold the same base and more",
        )
    from asimbot_plugins.cluster.meta_model import Sizes, activations_of, on_meta

    data = recipe.data
    config = _config_of(recipe)
    half = _trains_in_half(data, on_gpu)
    model = on_meta(config, data, recipe, torch.bfloat16 if half else torch.float32)
    own = Sizes.of(model)
    stage, offload, param_offload = zero_of(data)
    share_states = gpus if stage >= 1 else 1
    share_weights = gpus if stage == 3 else 1
    four_bit = bool(data.get("load_in_4bit")) and on_gpu
    eight_bit = bool(data.get("load_in_8bit")) and on_gpu
    dense = 2.0 if half else 4.0
    linear = _NF4 if four_bit else 1.0 if eight_bit else dense
    frozen = own.linear * linear + own.other * dense
    trainable = own.trainable
    # A PEFT adapter stays in float32 whatever the base is in; a full fine-tune keeps its own.
    each = 4.0 if data.get("adapter") else dense
    states = _optimizer_bytes(str(data.get("optimizer") or "adamw_torch"))
    notes = []
    if four_bit or eight_bit:
        notes.append("quantised layers: one layer at a time is restored for its product")
    if stage == 3:
        notes.append("ZeRO-3: two layers are gathered at a time")
    gathered = 2 * own.largest_block * dense if stage == 3 else 0.0
    restored = own.largest_matrix * dense if four_bit or eight_bit else 0.0
    weights = 0.0 if param_offload else (frozen + trainable * each) / share_weights
    checkpointed = bool(data.get("gradient_checkpointing"))
    return Estimate(
        parameters=own.linear + own.other if data.get("adapter") else trainable,
        trainable=trainable,
        weights=weights + gathered + restored,
        gradients=trainable * each / (gpus if stage >= 2 else 1),
        optimizer=0.0 if offload else trainable * states / share_states,
        fixed=_CUDA_CONTEXT if on_gpu else 0.0,
        activations=activations_of(model, recipe, checkpointed),
        notes=tuple(notes),
    )


def _config_of(recipe: Recipe) -> Any:
    from transformers import AutoConfig

    from asimbot_plugins.sft.vocabulary import MARKER, base_folder, prepared_folder

    prepared = prepared_folder(recipe)
    ready = (prepared / MARKER).is_file()
    try:
        config = AutoConfig.from_pretrained(prepared if ready else base_folder(recipe))
    except (OSError, ValueError) as error:
        raise UserError(
            f"the configuration of {recipe.base_model!r} can't be loaded: "
            f"{str(error).splitlines()[0]}",
            "the estimate needs the model's config.json, in a folder or from the hub",
        ) from error
    if not ready:
        config.vocab_size += len(recipe.section.tokens.all())
    return config


def _trains_in_half(data: dict[str, Any], on_gpu: bool) -> bool:
    bf16 = data.get("bf16")
    if bf16 in (None, "auto"):
        return on_gpu or has_bf16()
    return bool(bf16) or bool(data.get("fp16"))


def _optimizer_bytes(name: str) -> float:
    return next((size for part, size in _OPTIMIZER_BYTES.items() if part in name.lower()), 8.0)


def memory_here() -> tuple[float, str, bool]:
    """(bytes, name, whether it is a GPU) of what a run on this machine would use."""
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return float(properties.total_memory), properties.name, True
    import psutil

    return float(psutil.virtual_memory().total), "the RAM of this machine", False


def report(recipe: Recipe, gpu_gib: float | None, gpus: int) -> tuple[list[str], bool]:
    """Lines for people, and whether the recipe fits."""
    if gpu_gib is None:
        memory, name, on_gpu = memory_here()
    else:
        memory, name, on_gpu = gpu_gib * GIB, f"a GPU of {gpu_gib:g} GiB", True
    found = estimate(recipe, gpus=gpus, on_gpu=on_gpu)
    rows = int(recipe.data.get("micro_batch_size") or 1)
    total = found.total(rows)
    length = int(recipe.data.get("sequence_len") or 512)
    lines = [
        f"{found.parameters:>16,}  parameters, {found.trainable:,} trainable",
        f"{found.weights / GIB:>12.2f} GiB  weights",
        f"{(found.gradients + found.optimizer) / GIB:>12.2f} GiB  gradients and optimizer",
        f"{found.activations(rows) / GIB:>12.2f} GiB  activations, {rows} rows of {length} tokens",
        f"{total / GIB:>12.2f} GiB  in all" + (f" on each of {gpus} GPUs" if gpus > 1 else ""),
        *(f"{'':>16}  {note}" for note in found.notes),
    ]
    fits = total <= memory
    largest = found.largest(memory)
    verdict = "fits" if fits else "does not fit"
    if largest:
        advice = f"the largest micro_batch_size that fits is {largest}"
    else:
        advice = "not even micro_batch_size 1 does: see docs/cluster.md for what helps"
    lines.append(f"{verdict} into {name} ({memory / GIB:.1f} GiB); {advice}")
    return lines, fits
