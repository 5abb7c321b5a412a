"""GRPO: several replies to each prompt, the better ones of a group made likelier (TRL).

    python -m asimbot_plugins.stages.grpo RECIPE        (or: asimbot train RECIPE)

Shao et al. (2024), "DeepSeekMath". No value model: the lightest way on a CPU. The reward is
the reward model (standardised by the SFT clone's rewards and clipped) or, with
``asimbot.rlhf.reward: judge``, the recipe's judge; a reply without an end token loses
``no_end_penalty``. Replies are drawn by our own code, so they stop where generation stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asimbot_plugins.components import JudgeCase
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.rlhf.encode import encode_prompt, length_limit
from asimbot_plugins.rlhf.log import say
from asimbot_plugins.rlhf.pairs import prompts_of
from asimbot_plugins.rlhf.rollouts import draw
from asimbot_plugins.stages import _common


def main(recipe: Recipe, resume: bool) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, set_seed
    from trl import GRPOConfig, GRPOTrainer

    from asimbot_plugins.cluster.distributed import check_world
    from asimbot_plugins.cluster.preemption import PreemptionCallback
    from asimbot_plugins.rlhf.trunk import Trunk
    from asimbot_plugins.sft.step import make_layers_cheap
    from asimbot_plugins.stages._callbacks import LogCallback, WatchCallback

    host = load_host()
    options = recipe.section.rlhf
    tokenizer = _common.load_tokenizer(recipe)
    checkpoint, log = _common.start(recipe, resume)
    set_seed(recipe.seed)
    # Before the config, which with ZeRO-3 would have it loaded in pieces that can't draw yet.
    model = _common.load_model(recipe, AutoModelForCausalLM)
    args = _common.trl_config(GRPOConfig, recipe)

    # Rollouts and their reward; ``clone`` and ``score`` are made below, before the first one.
    limit = length_limit(recipe) - args.max_completion_length

    def roll_out(prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        encoded = [encode_prompt(tokenizer, clone.tokens, prompt, limit) for prompt in prompts]
        with _common.evaluating(clone.model):
            drawn = draw(clone, encoded, args.max_completion_length, args.temperature)
        return {
            "prompt_ids": [one.prompt for one in drawn],
            "completion_ids": [one.ids for one in drawn],
            "logprobs": None,
            "reply": [one.reply for one in drawn],
            "ended": [one.ended for one in drawn],
        }

    def reward(
        prompts: Sequence[str], reply: Sequence[list[int]], ended: Sequence[bool], **kwargs: Any
    ) -> list[float]:
        texts = [clone.messages_of(ids) for ids in reply]
        encoded = [encode_prompt(tokenizer, clone.tokens, prompt, limit) for prompt in prompts]
        rows = [
            [*prompt, *ids, tokenizer.eos_token_id]
            for prompt, ids in zip(encoded, reply, strict=True)
        ]
        with torch.no_grad(), _common.evaluating(clone.model):
            scores = score(prompts, texts, rows)
        missing = [options.no_end_penalty * (not end) for end in ended]
        return [float(s) - penalty for s, penalty in zip(scores, missing, strict=True)]

    # Model: one trunk; the policy is a fresh LoRA, the reward model another that stays frozen.
    prompts = [row["prompt"] for row in prompts_of(recipe, host, held_out=False)]
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,  # type: ignore[arg-type]
        args=args,
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        processing_class=tokenizer,
        rollout_func=roll_out,
        peft_config=_common.lora_config(recipe, "CAUSAL_LM"),
    )
    check_world(trainer, say)
    policy: Any = trainer.model
    make_layers_cheap(policy)
    trunk = Trunk(policy, tokenizer)
    clone = _common.clone_of(recipe, policy, tokenizer, host, trunk)
    if options.reward == "model":
        trunk.add_reward(_common.reward_folder(recipe))
        by_model = _common.model_reward(trunk, options)

        def score(_: Any, texts: Any, rows: list[list[int]]) -> Any:
            return by_model(texts, rows, trunk.features(rows))

    else:
        score = _judge_reward(recipe, args.num_generations)

    # Training.
    steps = args.max_steps
    if steps <= 0:
        raise UserError(f"{recipe.path}: max_steps: missing key", "it decides how long GRPO runs")
    watch = _common.Watch(recipe, clone, log, steps)
    for callback in (LogCallback(log), WatchCallback(watch), PreemptionCallback(say)):
        trainer.add_callback(callback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    watch.finish()


def _judge_reward(recipe: Recipe, group: int) -> Any:
    """The recipe's judge as a reward: a group is one case; an abstention gives zeros."""
    spec = recipe.section.judge
    judge = load_host().make("judge", spec.name, spec.options)
    if judge.sends_data:
        raise UserError(
            f"the judge {judge.name!r} sends each reply to another machine",
            "rank replies once with 'asimbot preferences', and use a reward model here",
        )
    judge.prepare(recipe)

    def score(
        prompts: Sequence[str], texts: Sequence[list[str]], rows: Sequence[list[int]]
    ) -> list[float]:
        found: list[float] = []
        for start in range(0, len(prompts), group):
            replies = tuple("\n".join(messages) for messages in texts[start : start + group])
            (verdict,) = judge.judge([JudgeCase(prompts[start], replies)])
            found += verdict.scores or [0.0] * len(replies)
        return found

    return score


if __name__ == "__main__":
    _common.run("grpo", main)
