"""PPO: replies are drawn, scored by the reward model, and made likelier or less likely (TRL).

    python -m asimbot_plugins.stages.ppo RECIPE        (or: asimbot train RECIPE)

Schulman et al. (2017), "Proximal Policy Optimization Algorithms"; the KL penalty and its
control after Ziegler et al. (2019). Config, batch sizes, optimizer, distribution and the
whitening are those of ``trl.experimental.ppo``; its loop is replaced, because it can't resume,
can't stop early, knows one stop token, ignores ``max_grad_norm``, and computes the logits of
whole prompts. Policy, reference, reward and value model are one model with two LoRAs.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from asimbot_plugins.cluster.preemption import PreemptionCallback
from asimbot_plugins.host import load_host
from asimbot_plugins.paths import replacing, write_json
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.rlhf.encode import encode_prompt, encode_reply, length_limit
from asimbot_plugins.rlhf.guards import KLControl
from asimbot_plugins.rlhf.log import report_progress, say
from asimbot_plugins.rlhf.pairs import prompts_of, spread
from asimbot_plugins.rlhf.rollouts import Rollout, draw, right_padded
from asimbot_plugins.stages import _common

if TYPE_CHECKING:
    from asimbot_plugins.rlhf.trunk import Trunk

STATE = "trainer_state.json"
"""In a checkpoint, written last: the step, the KL coefficient and what the watch knows."""


class Batch(NamedTuple):
    """Drawn replies as tensors; n replies, the longest of t tokens, rows of p + t ids.

    ``ids``, ``mask``: (n, p + t), prompts padded on the left, replies on the right. The others
    are (n, t): ``actions`` the drawn tokens, ``acted`` 1 on them, ``states`` what the value head
    sees before them (n, t, hidden); ``old`` and ``reference``
    their log-probabilities under the policy that drew them and under the SFT clone; ``values``
    before each of them; ``advantages`` whitened; ``returns``.
    """

    ids: Any
    mask: Any
    actions: Any
    acted: Any
    states: Any
    old: Any
    reference: Any
    values: Any
    advantages: Any
    returns: Any


def main(recipe: Recipe, resume: bool) -> None:
    import torch
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, set_seed
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    from asimbot_plugins.cluster.distributed import check_world
    from asimbot_plugins.rlhf.trunk import Trunk
    from asimbot_plugins.sft.step import make_layers_cheap

    # Data: prompts in an order that depends on seed and step alone, so that a resumed run
    # takes the same ones.
    host = load_host()
    options = recipe.section.rlhf
    tokenizer = _common.load_tokenizer(recipe)
    tokenizer.padding_side = "left"
    args = _common.trl_config(
        PPOConfig,
        recipe,
        stop_token="eos",
        num_sample_generations=0,
        **({"save_steps": 20} if "save_steps" not in recipe.data else {}),
    )
    rows = prompts_of(recipe, host, held_out=False)
    limit = length_limit(recipe) - args.response_length
    prompts = [encode_prompt(tokenizer, recipe.section.tokens, r["prompt"], limit) for r in rows]

    # Model: four roles of one trunk. The value model starts as the reward model.
    checkpoint, log = _common.start(recipe, resume)
    set_seed(recipe.seed)
    base = _common.load_model(recipe, AutoModelForCausalLM)
    policy: Any = get_peft_model(base, _common.lora_config(recipe, "CAUSAL_LM"))
    make_layers_cheap(policy)
    trunk = Trunk(policy, tokenizer)
    trunk.add_reward(_common.reward_folder(recipe), value=True)
    clone = _common.clone_of(recipe, policy, tokenizer, host, trunk)
    score = _common.model_reward(trunk, options)

    class Trainer(PPOTrainer):
        """TRL's trainer around the trunk, for its batch sizes, optimizer and processes."""

        def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
            self.model = trunk  # not the wrapper of two models
            super().create_optimizer_and_scheduler(num_training_steps)

    nobody: Any = _Placeholder()
    trainer = Trainer(
        args=args,
        processing_class=tokenizer,
        model=policy,
        ref_model=None,
        reward_model=nobody,
        value_model=nobody,
        train_dataset=Dataset.from_list([{"input_ids": ids} for ids in prompts]),
        eval_dataset=Dataset.from_list([{"input_ids": prompts[0]}]),
    )
    check_world(trainer, say)
    accelerator = trainer.accelerator
    optimizer: Any = trainer.optimizer
    scheduler: Any = trainer.lr_scheduler
    steps = args.num_total_batches
    rank, world = accelerator.process_index, accelerator.num_processes

    # The friend's real replies: what a perfect policy would be rewarded with.
    yardstick = spread(rows, 64)
    true_rows = [
        [*prompt, *reply]
        for prompt, reply in (
            encode_reply(tokenizer, clone.tokens, r["prompt"], r["reply"], limit) for r in yardstick
        )
    ]
    with _common.evaluating(policy):
        true_scores = score(true_rows, true_rows, trunk.features(true_rows))
    true_score = sum(true_scores) / len(true_scores)

    # Where to go on.
    watch = _common.Watch(recipe, clone, log, steps)
    control = KLControl(args.kl_coef, options.kl_target, options.kl_horizon)
    done, stored = 0, None
    if checkpoint is not None:
        stored = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        done, control.coefficient = stored["step"], stored["kl_coefficient"]
        _load(checkpoint, trunk, optimizer, scheduler)
    watch.begin(stored and stored["watch"], lambda place: _common.save_adapter(policy, place))
    preemption = PreemptionCallback(say)
    size = args.local_batch_size
    policy.train()

    for step in range(done + 1, steps + 1):
        started, cpu = time.monotonic(), time.process_time()
        set_seed(recipe.seed + step * 1009 + rank * 100_003)

        # 1. Draw replies and score them.
        chosen = _batch_of(prompts, recipe.seed, (step - 1) * world + rank, size)
        with torch.no_grad(), _common.evaluating(policy):
            rollouts: list[Rollout] = []
            for start in range(0, size, args.local_rollout_forward_batch_size):
                part = chosen[start : start + args.local_rollout_forward_batch_size]
                rollouts += draw(clone, part, args.response_length, args.temperature)
            texts = [clone.messages_of(one.reply) for one in rollouts]
            whole = [one.row(tokenizer.eos_token_id) for one in rollouts]
            features = trunk.features(whole)
            scores = torch.tensor(score(texts, whole, features), device=accelerator.device)
            no_end = torch.tensor([float(not one.ended) for one in rollouts])
            scores = scores - options.no_end_penalty * no_end.to(scores.device)
            batch, kl = _measure(trunk, rollouts, features, scores, control.coefficient, args)

        # 2. Improve policy and value function on them.
        losses = []
        share = float(step > options.value_warmup)
        for _ in range(args.num_ppo_epochs):
            order = torch.randperm(size)
            for mini in order.split(args.local_mini_batch_size):
                for micro in mini.split(args.per_device_train_batch_size):
                    loss, numbers = _loss(trainer.model, batch, micro, args, share)
                    accelerator.backward(loss * len(micro) / len(mini))
                    losses.append(numbers)
                norm = accelerator.clip_grad_norm_(
                    [p for p in trunk.parameters() if p.requires_grad], args.max_grad_norm or 1e9
                )
                if math.isfinite(float(norm)):
                    optimizer.step()
                optimizer.zero_grad()
                losses[-1]["grad_norm"] = float(norm)
        scheduler.step()

        # 3. Write down what happened.
        numbers = _mean(losses)
        numbers |= {
            "reward": float(scores.mean()),
            "reward_deviation": float(scores.std()),
            "reward_of_true_replies": true_score,
            "value_explains": explained(batch),
            "kl": kl,
            "kl_coefficient": control.coefficient,
            "length": sum(len(one.ids) for one in rollouts) / size,
            "ended": sum(one.ended for one in rollouts) / size,
            "learning_rate": float(scheduler.get_last_lr()[0]),
            "seconds_per_step": time.monotonic() - started,
            "cpu_seconds_per_step": time.process_time() - cpu,
        }
        numbers = _over_processes(numbers, accelerator)
        control.update(numbers["kl"])
        log.add("train", step, **numbers)
        report_progress(step=step, steps=steps, loss=numbers["policy_loss"], **{
            "reward": numbers["reward"], "kl": numbers["kl"],
        })  # fmt: skip
        watch.check(step, numbers)
        if numbers["kl"] > options.kl_max:
            why = f"KL {numbers['kl']:.1f} is above rlhf.kl_max {options.kl_max:g}"
            log.note(step, f"ended at step {step} of {steps}: {why}")
            watch.stopped = why
            break

        # 4. Look, save, or stop.
        ends = watch.after_step(step, lambda place: _common.save_adapter(policy, place))
        exists = preemption.file is not None and preemption.file.exists()
        asked = bool(_common.shared("asked" if exists else ""))
        if step % int(args.save_steps) == 0 or step == steps or (asked and not ends):
            if accelerator.is_main_process:
                state = {
                    "step": step,
                    "kl_coefficient": control.coefficient,
                    "watch": watch.state(),
                }
                _save(recipe.output_dir, state, trunk, optimizer, scheduler, args.save_total_limit)
            accelerator.wait_for_everyone()
        if ends:
            break
        if asked and step < steps:
            preemption.stopping = True
            preemption.on_save(
                args, SimpleNamespace(is_world_process_zero=rank == 0, global_step=step), None
            )
    watch.finish()


def _batch_of(prompts: Sequence[list[int]], seed: int, index: int, size: int) -> list[list[int]]:
    """The ``index``-th batch of an endless row of shuffled epochs."""
    chosen = []
    for i in range(index * size, (index + 1) * size):
        epoch, place = divmod(i, len(prompts))
        order = random.Random(f"{seed} {epoch}").sample(range(len(prompts)), len(prompts))
        chosen.append(prompts[order[place]])
    return chosen


def _measure(
    trunk: Trunk,
    rollouts: Sequence[Rollout],
    features: Sequence[Any],
    scores: Any,
    kl_coefficient: float,
    args: Any,
) -> tuple[Batch, float]:
    """(the batch to learn from, its mean KL to the SFT clone in nats a reply).

    The reward of a token is −coefficient · (log π − log π_SFT); the last one's has the score
    on top. Advantages by GAE (Schulman et al., 2016).
    """
    import torch
    from trl.experimental.ppo.ppo_trainer import masked_whiten

    from asimbot_plugins.generation.sampler import left_padded
    from asimbot_plugins.rlhf.trunk import VALUE

    device = trunk.model.device
    prompts, before = left_padded([one.prompt for one in rollouts], trunk.pad_id, device)
    actions, acted = (
        x.to(device) for x in right_padded([one.ids for one in rollouts], trunk.pad_id)
    )
    ids, mask = torch.cat([prompts, actions], 1), torch.cat([before, acted], 1)
    n, t = actions.shape
    # The state before a drawn token ends with the token before it, in the rows of ``features``
    # as well: they differ from what was drawn after the reply only.
    states = torch.zeros(n, t, features[0].shape[1], device=device)
    for i, one in enumerate(rollouts):
        first = len(one.prompt) - 1
        states[i, : len(one.ids)] = features[i][first : first + len(one.ids)]
    old, reference = [], []
    for start in range(0, n, args.per_device_train_batch_size):
        part = slice(start, start + args.per_device_train_batch_size)
        old.append(_log_probabilities(trunk.logits(ids[part], mask[part], t), actions[part], args))
        with trunk.reference():
            logits = trunk.logits(ids[part], mask[part], t)
        reference.append(_log_probabilities(logits, actions[part], args))
    there = acted.bool()
    old_, reference_ = torch.cat(old) * there, torch.cat(reference) * there
    values_ = trunk.heads[VALUE](states).squeeze(-1) * there

    ratio = old_ - reference_
    rewards = -kl_coefficient * ratio
    rewards[torch.arange(n), acted.sum(1) - 1] += scores
    if args.whiten_rewards:
        rewards = masked_whiten(rewards, there, shift_mean=False) * there
    advantage, advantages = torch.zeros(n, device=device), torch.zeros(n, t, device=device)
    for i in reversed(range(t)):
        following = values_[:, i + 1] if i + 1 < t else torch.zeros(n, device=device)
        delta = rewards[:, i] + args.gamma * following - values_[:, i]
        advantage = (delta + args.gamma * args.lam * advantage) * there[:, i]
        advantages[:, i] = advantage
    returns = advantages + values_
    advantages = masked_whiten(advantages, there) * there
    batch = Batch(ids, mask, actions, acted, states, old_, reference_, values_, advantages, returns)
    return batch, float(ratio.sum(1).mean())


def _loss(
    model: Any, batch: Batch, rows: Any, args: Any, share: float
) -> tuple[Any, dict[str, float]]:
    """The clipped loss of policy and value function on some rows, and numbers to log.

    ``share`` is how much the policy's part counts: 0 while the value model warms up.
    """
    import torch
    from trl.experimental.ppo.ppo_trainer import masked_mean

    b = Batch(*(x[rows] for x in batch))
    there = b.acted.bool()
    logits, values = model(b.ids, b.mask, b.states)
    new = _log_probabilities(logits, b.actions, args)
    change = (new - b.old) * there
    ratio = change.exp()
    bounded = ratio.clamp(1 - args.cliprange, 1 + args.cliprange)
    policy_loss = masked_mean(torch.max(-b.advantages * ratio, -b.advantages * bounded), there)
    near = b.values + (values - b.values).clamp(-args.cliprange_value, args.cliprange_value)
    errors = torch.max((values - b.returns) ** 2, (near - b.returns) ** 2)
    value_loss = 0.5 * masked_mean(errors, there)
    with torch.no_grad():
        numbers = {
            "policy_loss": float(policy_loss),
            "value_loss": float(value_loss),
            "clipped": float(masked_mean((ratio != bounded).float(), there)),
            "ratio": float(masked_mean(ratio, there)),
            "change": float(masked_mean(0.5 * change**2, there)),
            "entropy": float(masked_mean(-b.old, there)),
        }
    return share * policy_loss + args.vf_coef * value_loss, numbers


def explained(batch: Batch) -> float:
    """Share of the returns' variance that the values foresaw; below 0 they do harm."""
    there = batch.acted.bool()
    errors, returns = (batch.returns - batch.values)[there], batch.returns[there]
    return float(1 - errors.var() / returns.var().clamp(min=1e-8))


def _log_probabilities(logits: Any, actions: Any, args: Any) -> Any:
    """Log-probabilities of the drawn tokens at the sampling temperature: float32, (n, t)."""
    import torch

    logits = logits.float() / args.temperature
    found = logits.gather(-1, actions[..., None]).squeeze(-1)
    return found - torch.logsumexp(logits, dim=-1)


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over the rows that have it."""
    found = {name: [row[name] for row in rows if name in row] for row in rows for name in row}
    return {name: sum(values) / len(values) for name, values in found.items()}


def _over_processes(numbers: dict[str, float], accelerator: Any) -> dict[str, float]:
    import torch

    mine = torch.tensor([list(numbers.values())], device=accelerator.device)
    return dict(zip(numbers, accelerator.gather(mine).mean(dim=0).tolist(), strict=True))


def _save(
    folder: Path,
    state: dict[str, Any],
    trunk: Trunk,
    optimizer: Any,
    scheduler: Any,
    most: int | None,
) -> None:
    """Writes ``checkpoint-N``; whole or not at all, the oldest go where there are more."""
    import torch
    from safetensors.torch import save_file

    with replacing(folder / f"checkpoint-{state['step']}") as place:
        place.mkdir()
        trained = {k: p.detach() for k, p in trunk.named_parameters() if p.requires_grad}
        save_file(
            {k: p.contiguous().cpu() for k, p in trained.items()}, place / "trained.safetensors"
        )
        torch.save(optimizer.state_dict(), place / "optimizer.pt")
        torch.save(scheduler.state_dict(), place / "scheduler.pt")
        write_json(place / STATE, state)
    there = sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    for old in there[: -(most or 2)]:
        shutil.rmtree(old, ignore_errors=True)


def _load(folder: Path, trunk: Trunk, optimizer: Any, scheduler: Any) -> None:
    import torch
    from safetensors.torch import load_file

    state = load_file(folder / "trained.safetensors")
    named = dict(trunk.named_parameters())
    with torch.no_grad():
        for name, value in state.items():
            named[name].copy_(value)
    optimizer.load_state_dict(torch.load(folder / "optimizer.pt", weights_only=True))
    scheduler.load_state_dict(torch.load(folder / "scheduler.pt", weights_only=True))


class _Placeholder:
    """Stands where TRL's constructor wants a model of its own; nothing calls it."""

    base_model_prefix = "backbone"
    backbone = None

    def modules(self) -> list[Any]:
        return []

    def to(self, device: Any) -> _Placeholder:
        return self


if __name__ == "__main__":
    _common.run("ppo", main)
