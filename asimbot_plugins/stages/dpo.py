"""DPO: the SFT clone learns to prefer the better reply of each pair (TRL).

    python -m asimbot_plugins.stages.dpo RECIPE        (or: asimbot train RECIPE)

Rafailov et al. (2023), "Direct Preference Optimization". ``loss_type: [sigmoid, sft]`` with
``loss_weights`` adds the SFT term of RPO (Pang et al., 2024), ``robust`` and
``label_smoothing`` are for noisy judges. The log holds the log-probabilities of chosen and
rejected replies: both falling is likelihood collapse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from asimbot_plugins.generation.sampler import left_padded
from asimbot_plugins.host import load_host
from asimbot_plugins.preferences.formats import Pair
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.rlhf.encode import encode_reply, length_limit
from asimbot_plugins.rlhf.log import say
from asimbot_plugins.rlhf.pairs import read_pairs
from asimbot_plugins.rlhf.rollouts import right_padded
from asimbot_plugins.stages import _common


def main(recipe: Recipe, resume: bool) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, set_seed
    from trl import DPOConfig, DPOTrainer

    from asimbot_plugins.cluster.distributed import check_world
    from asimbot_plugins.cluster.preemption import PreemptionCallback
    from asimbot_plugins.sft.step import make_layers_cheap
    from asimbot_plugins.stages._callbacks import LogCallback, WatchCallback

    # Data: ids as in SFT; TRL would append the end token as text and cut replies, not prompts.
    # Logits are computed for replies alone (see ``collate``).
    class Trainer(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    split = read_pairs(recipe)
    if split.lengths.separable:
        say(f"{split.lengths.longer:.0%} of the pairs are won by the longer reply")
    tokenizer = _common.load_tokenizer(recipe)
    tokens, limit = recipe.section.tokens, length_limit(recipe)

    def dataset(pairs: list[Pair]) -> Dataset:
        rows = []
        for pair in pairs:
            prompt, chosen = encode_reply(tokenizer, tokens, pair.prompt, pair.chosen, limit)
            same, rejected = encode_reply(tokenizer, tokens, pair.prompt, pair.rejected, limit)
            shorter = min(prompt, same, key=len)  # both see the same messages
            rows.append({"prompt_ids": shorter, "chosen_ids": chosen, "rejected_ids": rejected})
        return Dataset.from_list(rows)

    # Model: the merged clone with a fresh LoRA; with the adapter off it is the reference.
    checkpoint, log = _common.start(recipe, resume)
    set_seed(recipe.seed)
    model = _common.load_model(recipe, AutoModelForCausalLM)

    # Training: looks at held-out prompts choose the checkpoint; the held-out loss is logged.
    train = dataset(split.train)
    plain = _common.trl_config(DPOConfig, recipe, max_length=None)
    batch = plain.per_device_train_batch_size * plain.gradient_accumulation_steps * plain.world_size
    steps = plain.max_steps
    if steps <= 0:
        steps = math.ceil(math.ceil(len(train) / batch) * plain.num_train_epochs)
    every = max(1, steps // recipe.section.rlhf.looks)
    trainer = Trainer(
        model=model,
        args=_common.trl_config(
            DPOConfig,
            recipe,
            max_length=None,
            eval_strategy="steps",
            eval_steps=every,
            prediction_loss_only=True,  # else it keeps the logits of the whole held-out part
            **({} if "save_steps" in recipe.data else {"save_steps": every}),
        ),
        train_dataset=train,
        eval_dataset=dataset(split.heldout),
        data_collator=partial(collate, pad_id=tokenizer.pad_token_id),
        processing_class=tokenizer,
        peft_config=_common.lora_config(recipe, "CAUSAL_LM"),
    )
    check_world(trainer, say)
    policy: Any = trainer.model
    make_layers_cheap(policy)
    policy.register_forward_pre_hook(_whole_rows, with_kwargs=True)
    clone = _common.clone_of(recipe, policy, tokenizer, load_host())
    watch = _common.Watch(recipe, clone, log, steps)
    for callback in (LogCallback(log), WatchCallback(watch), PreemptionCallback(say)):
        trainer.add_callback(callback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    watch.finish()


def collate(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, Any]:
    """A batch whose ``input_ids`` hold the last prompt token and the reply, chosen ones first.

    That is all that TRL needs logits of; with a large vocabulary those of the prompts would be
    most of the work and memory. ``earlier_ids`` holds the rest of the prompts, padded on the
    left; ``attention_mask`` covers both. All int64, (2 · rows, …).
    """
    import torch

    replies = [row["chosen_ids"] for row in rows] + [row["rejected_ids"] for row in rows]
    prompts, there = left_padded([row["prompt_ids"] for row in rows] * 2, pad_id, "cpu")
    ids, mask = right_padded(replies, pad_id)
    batch = {
        "input_ids": torch.cat([prompts[:, -1:], ids], 1),
        "completion_mask": torch.cat([torch.zeros_like(mask[:, :1]), mask], 1),
        "attention_mask": torch.cat([there, mask], 1),
        "earlier_ids": prompts[:, :-1],
    }
    for name in ("ref_chosen_logps", "ref_rejected_logps"):
        if name in rows[0]:
            batch[name] = torch.tensor([row[name] for row in rows])
    return batch


def _whole_rows(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Puts the rows of ``collate`` together where the model is called."""
    import torch

    earlier = kwargs.pop("earlier_ids", None)
    if earlier is not None:
        replies = kwargs["input_ids"]
        kwargs["input_ids"] = torch.cat([earlier, replies], 1)
        kwargs["position_ids"] = (kwargs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        kwargs["logits_to_keep"] = replies.shape[1]
    return args, kwargs


if __name__ == "__main__":
    _common.run("dpo", main)
