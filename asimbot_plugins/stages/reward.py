"""Reward model: a score head and a LoRA on the SFT clone, from preference pairs (TRL).

    python -m asimbot_plugins.stages.reward RECIPE        (or: asimbot train RECIPE)

Writes the adapter with its head, ``reward_report.json`` and the log of the run. The checkpoint
with the lowest loss on held-out pairs is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from asimbot_plugins.cluster.zero import zero_of
from asimbot_plugins.generation.sampler import load_base
from asimbot_plugins.host import load_host
from asimbot_plugins.paths import write_json
from asimbot_plugins.preferences.formats import Pair
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.rlhf import reward_report
from asimbot_plugins.rlhf.base import read_origin, write_origin
from asimbot_plugins.rlhf.encode import encode_reply, length_limit
from asimbot_plugins.rlhf.log import say
from asimbot_plugins.rlhf.pairs import Split, prompts_of, read_pairs, spread
from asimbot_plugins.rlhf.plot import plot_log
from asimbot_plugins.rlhf.rollouts import right_padded
from asimbot_plugins.stages import _common
from asimbot_plugins.tokens import format_reply

if TYPE_CHECKING:
    import numpy as np


def main(recipe: Recipe, resume: bool) -> None:
    import torch
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import AutoModelForSequenceClassification, set_seed
    from trl import RewardConfig, RewardTrainer

    from asimbot_plugins.cluster.distributed import (
        check_adapter,
        check_world,
        expected_adapter,
        loading_whole,
        whole,
    )
    from asimbot_plugins.cluster.preemption import PreemptionCallback
    from asimbot_plugins.sft.step import make_layers_cheap
    from asimbot_plugins.stages._callbacks import FiniteCallback, LogCallback

    # Data: whole rows of ids, the end token included.
    split = read_pairs(recipe)
    if split.lengths.separable:
        say(f"{split.lengths.longer:.0%} of the pairs are won by the longer reply")
    tokenizer = _common.load_tokenizer(recipe)
    tokens, limit = recipe.section.tokens, length_limit(recipe)

    def ids_of(pair: Pair, reply: str) -> list[int]:
        prompt, completion = encode_reply(tokenizer, tokens, pair.prompt, reply, limit)
        return prompt + completion

    def dataset(pairs: list[Pair]) -> Dataset:
        rows = [
            {"chosen_ids": ids_of(p, p.chosen), "rejected_ids": ids_of(p, p.rejected)}
            for p in pairs
        ]
        return Dataset.from_list(rows)

    # Model: the merged clone; the head starts at zero, so every reward starts at zero.
    checkpoint, log = _common.start(recipe, resume)
    set_seed(recipe.seed)
    model: Any = _common.load_model(recipe, AutoModelForSequenceClassification, num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.score.float()
    torch.nn.init.zeros_(model.score.weight)
    model = get_peft_model(model, _common.lora_config(recipe, "SEQ_CLS", ["score"]))
    make_layers_cheap(model)

    # Training: the held-out loss chooses the checkpoint.
    train = dataset(split.train)
    plain = _common.trl_config(RewardConfig, recipe, max_length=None)
    batch = plain.per_device_train_batch_size * plain.gradient_accumulation_steps * plain.world_size
    steps = plain.max_steps
    if steps <= 0:
        steps = math.ceil(math.ceil(len(train) / batch) * plain.num_train_epochs)
    every = max(1, steps // recipe.section.rlhf.looks)
    trainer = RewardTrainer(
        model=model,
        args=_common.trl_config(
            RewardConfig,
            recipe,
            max_length=None,
            eval_strategy="steps",
            eval_steps=every,
            eval_on_start=checkpoint is None,
            save_steps=every,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
        ),
        train_dataset=train,
        eval_dataset=dataset(split.heldout),
        processing_class=tokenizer,
        callbacks=[LogCallback(log), FiniteCallback(), PreemptionCallback(say)],
    )
    check_world(trainer, say)
    expected = expected_adapter(trainer.model)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    # Product and report: in the first process, and where weights are split in all of them.
    trainer.accelerator.wait_for_everyone()
    first, split_up = trainer.is_world_process_zero(), zero_of(recipe.data).stage == 3
    if not (first or split_up):
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    with whole(p for p in model.parameters() if p.requires_grad):
        if first:
            model.save_pretrained(str(recipe.output_dir))
    if first:
        check_adapter(recipe.output_dir, expected)
        tokenizer.save_pretrained(str(recipe.output_dir))
        write_origin(recipe.output_dir, read_origin(_common.base_folder(recipe)))
    with loading_whole():  # the base model
        found = _report(recipe, model, tokenizer, split)
    if not first:
        return
    write_json(recipe.output_dir / "reward_report.json", found)
    for line in reward_report.in_words(found):
        log.note(trainer.state.global_step, line)
    plot_log(recipe.output_dir)


def _report(recipe: Recipe, model: Any, tokenizer: Any, split: Split) -> dict[str, Any]:
    """Scores held-out pairs, and on their prompts the friend's, the clone's and base replies."""

    tokens, limit = recipe.section.tokens, length_limit(recipe)
    model.eval()

    def rewards(prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray:
        rows = []
        for prompt, reply in zip(prompts, replies, strict=True):
            before, after = encode_reply(tokenizer, tokens, prompt, reply, limit)
            rows.append(before + after)
        return _scores(model, rows, tokenizer.pad_token_id)

    pairs = split.heldout
    prompts = [pair.prompt for pair in pairs]
    say("scoring the held-out pairs …")
    differences = rewards(prompts, [p.chosen for p in pairs]) - rewards(
        prompts, [p.rejected for p in pairs]
    )
    rows = {row["prompt"]: row for row in prompts_of(recipe, load_host(), held_out=True)}
    drawn: dict[str, str] = {}
    for i, pair in enumerate(pairs):  # neither the better nor the worse reply alone
        drawn.setdefault(pair.prompt, pair.chosen if i % 2 else pair.rejected)
    asked = [prompt for prompt in drawn if prompt in rows]
    if not asked:
        asked = list(drawn)
    by_whom = {"clone": rewards(asked, [drawn[prompt] for prompt in asked])}
    known = [prompt for prompt in asked if prompt in rows]
    if known:
        true = [rows[prompt]["reply"] for prompt in known]
        by_whom["true"] = rewards(known, true)
        by_whom["true, to another prompt"] = rewards(known, true[1:] + true[:1])
        say("the base model's replies to the same prompts …")
        few = spread(known, recipe.section.rlhf.look_prompts)
        base = load_base(recipe, load_host(), say).replies(few, seed=recipe.seed)
        by_whom["base"] = rewards(few, [format_reply(texts[0], tokens) for texts in base])
    return reward_report.report(split.train, pairs, differences, by_whom)


def _scores(model: Any, rows: Sequence[Sequence[int]], pad_id: int) -> np.ndarray:
    import numpy as np
    import torch

    found = []
    with torch.no_grad():
        for start in range(0, len(rows), 16):
            ids, mask = right_padded(rows[start : start + 16], pad_id)
            ids, mask = ids.to(model.device), mask.to(model.device)
            out = model(input_ids=ids, attention_mask=mask, use_cache=False)
            found.append(out.logits.float().squeeze(-1).cpu().numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    _common.run("reward", main)
