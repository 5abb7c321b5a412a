"""Where a drawn reply ends, and what PPO makes of it; a tiny model or none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asimbot_plugins.generation.sampler import Clone
from asimbot_plugins.host import load_host
from asimbot_plugins.rlhf.rollouts import right_padded, rollout
from asimbot_plugins.tokens import TokenNames

EOS, PAD, SEP, SYS, USR = 1, 0, 5, 6, 7
IDS = {"<SEP>": SEP, "<SYS>": SYS, "<USR_A>": USR, "<|response|>": 9}


class Tokenizer:
    eos_token_id, pad_token_id, bos_token_id = EOS, PAD, 2

    def convert_tokens_to_ids(self, names: Any) -> Any:
        if isinstance(names, str):
            return IDS.get(names, 8)
        return [self.convert_tokens_to_ids(name) for name in names]


@pytest.fixture(scope="module")
def clone() -> Clone:
    host = load_host()
    stopping = [
        host.make("stopping criterion", "end_token"),
        host.make("stopping criterion", "speaker_tokens"),
        host.make("stopping criterion", "max_messages", {"n": 2}),
    ]
    return Clone(None, Tokenizer(), TokenNames(), SimpleNamespace(), stopping)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drawn", "ids", "reply", "ended"),
    [
        ([20, 21, EOS, PAD], [20, 21, EOS], [20, 21], True),
        ([20, USR, 22, 23], [20, USR], [20], False),  # it began to speak for somebody
        ([20, SYS, EOS, PAD], [20, SYS], [20], False),
        ([20, SEP, 21, SEP, 22], [20, SEP, 21, SEP], [20, SEP, 21], False),  # two messages at most
        ([20, 21, 22, 23], [20, 21, 22, 23], [20, 21, 22, 23], False),  # cut by the length
        ([EOS, PAD, PAD], [EOS], [], True),
    ],
)
def test_a_rollout_stops_where_generation_stops(
    clone: Clone, drawn: list[int], ids: list[int], reply: list[int], ended: bool
) -> None:
    made = rollout(clone, [3, 4], drawn, set(clone.stop_ids()))
    assert (made.ids, made.reply, made.ended) == (ids, reply, ended)
    assert made.row(EOS) == [3, 4, *reply, EOS]


def test_padding_is_masked() -> None:
    ids, mask = right_padded([[4, 5, 6], [7]], 0)
    assert ids.tolist() == [[4, 5, 6], [7, 0, 0]] and mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.fixture(scope="module")
def trunk(tiny_gemma: Path) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from asimbot_plugins.rlhf.trunk import REWARD, VALUE, Trunk

    torch.manual_seed(0)
    config = LoraConfig(target_modules=["q_proj", "down_proj"], r=2)
    policy = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_gemma), config)
    made = Trunk(policy, AutoTokenizer.from_pretrained(tiny_gemma))
    made.model.add_adapter(REWARD, config)
    made.heads[VALUE] = torch.nn.Linear(64, 1)
    return made


ARGS = SimpleNamespace(
    per_device_train_batch_size=2, temperature=1.0, whiten_rewards=False, gamma=1.0, lam=1.0,
    cliprange=0.2, cliprange_value=0.2, vf_coef=0.0,
)  # fmt: skip


def rollouts() -> list[Any]:
    from asimbot_plugins.rlhf.rollouts import Rollout

    return [
        Rollout([2, 50, 51], [60, 61, EOS], [60, 61], True),
        Rollout([2, 50, 51, 52, 53], [70, EOS], [70], True),
    ]


def features(trunk: Any) -> list[Any]:
    found: list[Any] = trunk.features([one.row(EOS) for one in rollouts()])
    return found


def test_ppo_puts_score_and_kl_where_they_belong(trunk: Any) -> None:
    import torch

    from asimbot_plugins.stages.ppo import _measure

    with torch.no_grad():
        batch, kl = _measure(
            trunk, rollouts(), features(trunk), torch.tensor([2.0, -1.0]), 0.5, ARGS
        )
    assert kl == pytest.approx(0.0, abs=1e-6)  # LoRA's B is zero: the policy is the reference
    assert batch.acted.tolist() == [[1, 1, 1], [1, 1, 0]]
    # Without KL, discount and λ < 1 each token's return is the reply's score.
    assert batch.returns.tolist() == [
        pytest.approx([2.0, 2.0, 2.0], abs=1e-5),
        pytest.approx([-1.0, -1.0, 0.0], abs=1e-5),
    ]
    # Padding on either side changes nothing: the same reply alone has the same probabilities.
    for i, one in enumerate(rollouts()):
        ids = torch.tensor([one.prompt + one.ids])
        with torch.no_grad():
            logits = trunk.model(input_ids=ids).logits[0, len(one.prompt) - 1 : -1]
        alone = logits.log_softmax(-1).gather(1, ids[0, len(one.prompt) :, None]).squeeze(1)
        n = len(one.ids)
        assert batch.old[i, :n].tolist() == pytest.approx(alone.tolist(), abs=1e-4)


def test_a_ppo_step_makes_the_better_reply_likelier(trunk: Any) -> None:
    import torch

    from asimbot_plugins.stages.ppo import _loss, _measure

    weights = [p for name, p in trunk.named_parameters() if ".default." in name]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    with torch.no_grad():
        batch, _ = _measure(
            trunk, rollouts(), features(trunk), torch.tensor([1.0, -1.0]), 0.0, ARGS
        )
    for _ in range(10):
        loss, _ = _loss(trunk, batch, torch.arange(2), ARGS, 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        after, kl = _measure(
            trunk, rollouts(), features(trunk), torch.tensor([1.0, -1.0]), 0.0, ARGS
        )
    change = (after.old - batch.old).sum(1)
    assert change[0] > 0.05 and change[1] < -0.05
    # The log-ratio to the reference is exactly what the steps changed: the reference stayed.
    assert kl == pytest.approx(float(change.mean()), abs=1e-4)


def test_a_warming_up_step_leaves_the_policy_alone(trunk: Any) -> None:
    import torch

    from asimbot_plugins.stages.ppo import _loss, _measure

    args = SimpleNamespace(**{**vars(ARGS), "vf_coef": 1.0})
    with torch.no_grad():
        batch, _ = _measure(
            trunk, rollouts(), features(trunk), torch.tensor([1.0, -1.0]), 0.0, args
        )
    loss, _ = _loss(trunk, batch, torch.arange(2), args, 0.0)
    trunk.zero_grad()
    loss.backward()
    moved = {n for n, p in trunk.named_parameters() if p.grad is not None and p.grad.abs().sum()}
    assert moved == {"heads.value.weight", "heads.value.bias"}


def test_dpo_sees_each_reply_as_if_it_stood_alone(trunk: Any) -> None:
    import torch

    from asimbot_plugins.stages.dpo import _whole_rows, collate

    rows = [
        {"prompt_ids": [2, 50], "chosen_ids": [60, 61, EOS], "rejected_ids": [62, EOS]},
        {"prompt_ids": [2, 50, 51, 52], "chosen_ids": [70, EOS], "rejected_ids": [71, 72, 73, EOS]},
    ]
    batch = collate(rows, PAD)
    mask = batch.pop("completion_mask")
    assert batch["input_ids"].tolist() == [
        [50, 60, 61, EOS, PAD], [52, 70, EOS, PAD, PAD],
        [50, 62, EOS, PAD, PAD], [52, 71, 72, 73, EOS],
    ]  # fmt: skip
    assert mask.sum(1).tolist() == [3, 2, 2, 4] and mask[:, 0].tolist() == [0] * 4
    labels = batch["input_ids"][:, 1:]
    handle = trunk.model.register_forward_pre_hook(_whole_rows, with_kwargs=True)
    with torch.no_grad():
        logits = trunk.model(**batch, use_cache=False).logits[:, :-1]
    handle.remove()
    found = logits.log_softmax(-1).gather(2, labels[..., None]).squeeze(2) * mask[:, 1:]
    alone = [
        (row["prompt_ids"], row[side]) for side in ("chosen_ids", "rejected_ids") for row in rows
    ]
    for i, (prompt, reply) in enumerate(alone):
        ids = torch.tensor([prompt + reply])
        with torch.no_grad():
            own = trunk.model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        expected = own.gather(1, torch.tensor(reply)[:, None]).sum()
        assert float(found[i].sum()) == pytest.approx(float(expected), abs=1e-4)
