"""Axolotl's keys that can't work with our rows and collator, and why.

Axolotl 0.19 accepts every one of them; what would follow is a wrong result or a key ignored in
silence. ``docs/sft.md`` lists the keys that work. Nothing here loads torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe

_ROWS = "rows are made from asimbot.chat_path"
_PACKED = "the collator packs already: set micro_batch_size or asimbot.batch_tokens"
_TOKENS = "asimbot.tokens names the chat tokens, and the prepared base has them already"
_SPLIT = "it splits a packed row among GPUs, whose parts would no longer see their context"
_GENERATES = "it generates from batches of padded rows: use 'asimbot eval'"

REFUSED: dict[str, str] = {
    "sample_packing": _PACKED,
    "eval_sample_packing": _PACKED,
    "batch_flattening": _PACKED,
    "multipack_real_batches": _PACKED,
    "pad_to_sequence_len": "the collator decides about padding: the key would be ignored",
    "pad_to_multiple_of": "the collator decides about padding: the key would be ignored",
    "datasets": _ROWS,
    "test_datasets": "held-out rows are split off by asimbot.heldout_share",
    "val_set_size": "held-out rows are split off by asimbot.heldout_share",
    "pretraining_dataset": _ROWS,
    "streaming": _ROWS,
    "skip_prepare_dataset": _ROWS,
    "chat_template": "rows are written with chat tokens, not by a template: it would be ignored",
    "train_on_inputs": "asimbot.train_on says which tokens are trained on",
    "tokens": _TOKENS,
    "special_tokens": _TOKENS,
    "added_tokens_overrides": _TOKENS,
    "peft_trainable_token_indices": _TOKENS,
    "resize_token_embeddings_to_32x": _TOKENS,
    "shrink_embeddings": _TOKENS,
    "fix_untrained_tokens": _TOKENS,
    "rl": "that is a stage of its own: a recipe with asimbot.stage dpo, ppo or grpo",
    "reward_model": "that is a stage of its own: a recipe with asimbot.stage reward",
    "process_reward_model": "that is a stage of its own: a recipe with asimbot.stage reward",
    "trainer_cls": "it would replace the trainer that weighs every token alike",
    "relora": "it merges and restarts the adapter, of which nothing is saved at the end",
    "use_eaft": "it replaces the loss, which then counts tokens that are not kept",
    "tiled_mlp": "it cuts sequences, of which a packed batch is one: not known to work",
    "torch_compile": "packed rows change their length at every step: it would compile for ever",
    "use_pose": "it changes positions, by which packed rows are told apart",
    "s2_attention": "it shifts attention over the borders of packed rows",
    "context_parallel_size": _SPLIT,
    "sequence_parallel_degree": _SPLIT,
    "tensor_parallel_size": "not known to work with trained token rows: use deepspeed",
    "fsdp": "not known to work with trained token rows: use deepspeed",
    "fsdp_config": "not known to work with trained token rows: use deepspeed",
    "do_causal_lm_eval": _GENERATES,
    "do_bench_eval": _GENERATES,
    "eval_table_size": _GENERATES,
    "generate_samples": _GENERATES,
}
"""Keys refused when they are set to anything but false, 0 or nothing; for degrees, 1."""

_ATTENTIONS = ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention")
_ATTENTION_KEYS = ("xformers_attention", "sage_attention")
_DEGREES = ("context_parallel_size", "sequence_parallel_degree", "tensor_parallel_size")
_FUSED_HEADS = ("CutCrossEntropyPlugin", "LigerPlugin")


def key_problems(data: dict[str, Any]) -> list[str]:
    """What of a flattened SFT recipe can't work on any machine, one line each."""
    problems = [
        f"{key}: {reason}: remove the key"
        for key, reason in REFUSED.items()
        if data.get(key) and not (key in _DEGREES and data[key] == 1)
    ]
    if data.get("adapter") not in ("lora", "qlora"):
        problems.append(
            "adapter: must be lora or qlora: nothing else is saved, merged and generated from"
        )
    modules = data.get("lora_modules_to_save") or []
    if {"embed_tokens", "lm_head", "wte"} & set(modules):
        problems.append(f"lora_modules_to_save: {_TOKENS}: leave embed_tokens and lm_head out")
    if data.get("merge_method") not in (None, "legacy"):
        problems.append("merge_method: must be legacy: the others drop the trained token rows")
    if data.get("excess_length_strategy") == "truncate":
        problems.append(
            "excess_length_strategy: truncate would cut the reply; rows are cut before their "
            "oldest message: remove the key"
        )
    attention = data.get("attn_implementation")
    if attention is not None and attention not in _ATTENTIONS:
        problems.append(
            f"attn_implementation: {attention} is not known to keep packed rows apart: use sdpa"
        )
    problems += [
        f"{key}: not known to keep packed rows apart: use attn_implementation: sdpa"
        for key in _ATTENTION_KEYS
        if data.get(key)
    ]
    for plugin in data.get("plugins") or []:
        if str(plugin).rpartition(".")[2] in _FUSED_HEADS and _fuses_head(str(plugin), data):
            problems.append(
                f"plugins: {plugin} multiplies by the output layer past its trained token rows, "
                "which would learn nothing; logits are made for replies alone anyway"
            )
    return problems


def _fuses_head(plugin: str, data: dict[str, Any]) -> bool:
    # Liger's other kernels leave the output layer alone; its fused loss is on only if asked.
    return "Liger" not in plugin or bool(data.get("liger_fused_linear_cross_entropy"))


def gpu_needs(data: dict[str, Any]) -> list[str]:
    """What of a flattened recipe needs a CUDA GPU, one line each."""
    needs = []
    if data.get("adapter") == "qlora" or data.get("load_in_4bit"):
        needs.append("adapter: qlora and load_in_4bit need a GPU: use lora and load_in_4bit: false")
    for key in ("load_in_8bit", "gptq", "fp8"):
        if data.get(key):
            needs.append(f"{key}: needs a GPU: remove the key")
    for kernel in ("mlp", "qkv", "o", "embedding"):
        if data.get(f"lora_{kernel}_kernel"):
            needs.append(f"lora_{kernel}_kernel: Triton kernels need a GPU: remove the key")
    if data.get("attn_implementation") == "flex_attention" or data.get("flex_attention"):
        needs.append("flex_attention: has no backward on a CPU: use attn_implementation: sdpa")
    if str(data.get("optimizer") or "").startswith(("paged_", "adamw_apex", "adamw_torch_8bit")):
        needs.append(f"optimizer: {data['optimizer']} needs a GPU: use adamw_torch")
    return needs


def missing_gpu(recipe: Recipe) -> list[str]:
    """``gpu_needs`` of a recipe that is to be trained here; [] where there is a GPU."""
    return [] if recipe.stage != "sft" or has_gpu_driver() else gpu_needs(recipe.data)


def has_gpu_driver() -> bool:
    """Whether this machine has NVIDIA's driver; asks the system, not torch."""
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()
