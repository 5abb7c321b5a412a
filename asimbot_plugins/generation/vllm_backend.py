"""Replies by vLLM, where it is installed: the same prompts, stops and bursts, faster on a GPU.

vLLM reads a merged model: it can't load trained token rows from an adapter.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asimbot_plugins.errors import UserError
from asimbot_plugins.generation.sampler import Clone, stored_sampling
from asimbot_plugins.host import Host
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.sft.masking import prompt_ids


def is_usable() -> bool:
    """Whether vLLM is installed and there is a GPU for it."""
    if importlib.util.find_spec("vllm") is None:
        return False
    import torch

    return torch.cuda.is_available()


class VllmClone:
    """The clone of a recipe inside vLLM; draws like ``Clone.replies``."""

    def __init__(self, recipe: Recipe, host: Host) -> None:
        folder = merged_folder(recipe)
        # vLLM reports its usage to its makers unless told not to.
        os.environ["VLLM_NO_USAGE_STATS"] = "1"
        os.environ["VLLM_DO_NOT_TRACK"] = "1"
        from transformers import AutoTokenizer
        from vllm import LLM

        self.engine: Any = LLM(model=str(folder), trust_remote_code=False)
        self.clone = Clone(
            None,
            AutoTokenizer.from_pretrained(folder),
            recipe.section.tokens,
            stored_sampling(recipe.output_dir) or recipe.section.sampling,
            [host.make("stopping criterion", s.name, s.options) for s in recipe.section.stopping],
        )

    def replies(
        self, prompts: Sequence[str], n: int = 1, *, seed: int | None = None
    ) -> list[list[list[str]]]:
        """For each prompt ``n`` replies, each a list of messages.

        With a seed each prompt gets a seed of its own; vLLM promises equal replies only for
        equal batches on equal hardware.
        """
        from vllm import SamplingParams

        clone, chosen = self.clone, self.clone.sampling
        parameters = [
            SamplingParams(
                n=n,
                temperature=chosen.temperature,
                top_p=chosen.top_p,
                top_k=chosen.top_k,
                repetition_penalty=chosen.repetition_penalty,
                max_tokens=chosen.max_new_tokens,
                stop_token_ids=clone.stop_ids(),
                skip_special_tokens=False,
                seed=None if seed is None else seed + i,
            )
            for i in range(len(prompts))
        ]
        inputs = [{"prompt_token_ids": prompt_ids(clone.tokenizer, p)} for p in prompts]
        outputs = self.engine.generate(inputs, parameters, use_tqdm=False)
        return [[clone.messages_of(list(o.token_ids)) for o in out.outputs] for out in outputs]


def merged_folder(recipe: Recipe) -> Path:
    """The merged model of the recipe, as vLLM needs it. Raises UserError if there is none."""
    for folder in (recipe.output_dir / "merged", recipe.output_dir):
        if (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file():
            return folder
    raise UserError(
        f"vLLM needs a merged model, and there is none in {recipe.output_dir}",
        f"run 'asimbot merge {recipe.path}' first, or use --backend transformers",
    )
