"""Merges an adapter into its base, trained token rows included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asimbot_plugins.errors import UserError
from asimbot_plugins.generation.sampler import write_sidecar
from asimbot_plugins.paths import replacing
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.rlhf.base import source_of


def merge(recipe: Recipe, say: Callable[[str], None] = lambda _: None) -> Path:
    """Writes ``<output_dir>/merged`` and returns it.

    Weights keep the dtype of the prepared base. Raises UserError if there is no adapter.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    adapter = recipe.output_dir
    if not (adapter / "adapter_config.json").is_file():
        raise UserError(f"there is no adapter in {adapter}", f"run 'asimbot train {recipe.path}'")
    source = source_of(recipe, say)
    say("merging …")
    dtype = AutoConfig.from_pretrained(source).dtype or torch.float32
    # Deltas are added in float32: rounding them to bfloat16 first would lose small ones.
    base = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    folder = adapter / "merged"
    with replacing(folder) as temporary:
        merged.to(dtype).save_pretrained(temporary)
        AutoTokenizer.from_pretrained(source).save_pretrained(temporary)
        write_sidecar(temporary, recipe)
        notice = source / "NOTICE"
        if notice.is_file():
            (temporary / "NOTICE").write_bytes(notice.read_bytes())
    return folder
