"""Each stage on tiny models: it learns what was planted, its product talks, it resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rlhf_chain import Chain, chain, reward, rows_of
from safetensors.torch import load_file
from tiny import ROOT

from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import load_recipe

__all__ = ["chain", "reward"]
pytestmark = pytest.mark.slow

KEYS: dict[str, dict[str, Any]] = {
    "dpo": {
        "max_steps": 8, "learning_rate": 0.01, "per_device_train_batch_size": 8, "beta": 0.1,
        "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.1], "save_steps": 2,
    },
    "ppo": {
        "total_episodes": 16 * 6, "learning_rate": 0.01, "lr_scheduler_type": "constant",
        "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2, "num_ppo_epochs": 2,
        "response_length": 8, "temperature": 1.0, "kl_coef": 0.01, "max_grad_norm": 1.0,
        "whiten_rewards": True, "save_steps": 2, "rlhf": {"value_warmup": 1},
    },
    "grpo": {
        "max_steps": 6, "learning_rate": 0.01, "lr_scheduler_type": "constant",
        "per_device_train_batch_size": 16, "num_generations": 8, "max_completion_length": 8,
        "temperature": 1.0, "beta": 0.01, "save_steps": 2,
    },
}  # fmt: skip


def train(path: Path, resume: bool = False) -> Path:
    from importlib import import_module

    recipe = load_recipe(path)
    import_module(f"asimbot_plugins.stages.{recipe.stage}").main(recipe, resume)
    return recipe.output_dir


def test_a_reward_model_learns_what_was_planted(chain: Chain, reward: Path) -> None:
    found = json.loads((reward / "reward_report.json").read_text("utf-8"))
    assert found["accuracy"]["value"] >= 0.9
    assert found["accuracy"]["n"] >= 10
    assert set(found["rewards"]) == {"clone", "true", "true, to another prompt", "base"}
    assert found["warnings"] == []


def test_a_reward_model_that_learnt_length_is_flagged(chain: Chain) -> None:
    """Planted: the longer reply is always the better one, and the words say nothing."""
    rows = []
    for i, prompt in enumerate(chain.prompts()):
        texts = ["tea cat", "tea cat " * (2 + i % 3)]
        rows.append({"prompt": prompt, "responses": texts, "ranking": [2, 1]})
    chain.rank(rows, "lengthy")
    path = chain.write("reward", "lengthy_reward", preferences="lengthy.yml", learning_rate=0.01,
                       max_steps=10, per_device_train_batch_size=8)  # fmt: skip
    out = train(path)
    told = json.loads((out / "reward_report.json").read_text("utf-8"))["warnings"]
    assert any("little better than length alone" in line for line in told), told
    notes = " ".join(row["text"] for row in rows_of(out, "note"))
    assert "warning: it is little better than length alone" in notes


def test_the_trunk_scores_as_the_reward_model_it_took_in(chain: Chain, reward: Path) -> None:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    from asimbot_plugins.rlhf.trunk import REWARD, Trunk

    base = chain.folder / "sft" / "merged"
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = [tokenizer(t)["input_ids"] for t in ("<USR_A> hi <SYS> lol", "<USR_A> no <SYS> hmm tea")]
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id
    scorer = PeftModel.from_pretrained(model, str(reward)).eval()
    with torch.no_grad():
        expected = [float(scorer(input_ids=torch.tensor([ids])).logits) for ids in rows]
    policy = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(target_modules=["q_proj"])
    )
    trunk = Trunk(policy.eval(), tokenizer)
    trunk.add_reward(reward, value=True)
    rewards = trunk.rewards(trunk.features(rows))
    assert rewards.tolist() == pytest.approx(expected, abs=1e-4)
    # The value of a whole reply starts as its standardised reward.
    last = torch.stack([states[-1] for states in trunk.features(rows)])
    values = trunk.heads["value"](last).squeeze(-1).tolist()
    assert values == pytest.approx(trunk.standardised(rewards, None).tolist(), abs=1e-4)
    trained = {name for name, p in trunk.named_parameters() if p.requires_grad}
    with trunk.reference(), trunk.role(REWARD):
        pass
    assert {name for name, p in trunk.named_parameters() if p.requires_grad} == trained
    assert any(".default." in name for name in trained) and "heads.value.weight" in trained
    assert not any(".reward." in name for name in trained)


@pytest.fixture(scope="module")
def trained(chain: Chain, reward: Path) -> dict[str, Path]:
    return {stage: train(chain.write(stage, **KEYS[stage])) for stage in KEYS}


def test_dpo_moves_chosen_away_from_rejected(trained: dict[str, Path]) -> None:
    steps = [row for row in rows_of(trained["dpo"], "train") if "rewards/margins" in row]
    # The reference is the same model with the adapter off, so the first step sees no margin.
    assert steps[0]["rewards/margins"] == pytest.approx(0.0, abs=1e-5)
    assert steps[-1]["rewards/margins"] > 0.05
    assert {"logps/chosen", "logps/rejected"} <= set(steps[-1])


@pytest.mark.parametrize("stage", ["ppo", "grpo"])
def test_the_reward_rises(
    chain: Chain, reward: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: tokens on one side of the embedding space are worth +1, the others −1."""
    from asimbot_plugins.stages import _common

    def planted(trunk: Any, options: Any) -> Any:
        good = (trunk.model.get_input_embeddings().weight[:, 0] > 0).tolist()
        return lambda texts, rows, features: [
            sum(1 if good[i] else -1 for i in row[-9:-1]) / 8 for row in rows
        ]

    monkeypatch.setattr(_common, "model_reward", planted)
    keys = {
        **KEYS[stage], "learning_rate": 0.02, "per_device_train_batch_size": 64,
        "rlhf": {"no_end_penalty": 0.0, "looks": 1, "value_warmup": 0},
    }  # fmt: skip
    if stage == "ppo":
        keys |= {"total_episodes": 64 * 14, "gradient_accumulation_steps": 1, "lam": 1.0}
        keys |= {"kl_coef": 0.0, "whiten_rewards": False}
    else:
        keys |= {"max_steps": 14, "num_generations": 16, "beta": 0.0}
    out = train(chain.write(stage, f"{stage}_planted", **keys))
    rewards = [row["reward"] for row in rows_of(out, "train") if "reward" in row]
    # A batch's mean scatters by .044, the mean of four by .022.
    assert sum(rewards[-4:]) / 4 > sum(rewards[:4]) / 4 + 0.1, rewards


def test_ppo_logs_what_a_reader_needs(trained: dict[str, Path]) -> None:
    first = rows_of(trained["ppo"], "train")[0]
    assert {
        "reward",
        "kl",
        "entropy",
        "value_explains",
        "length",
        "ended",
        "reward_of_true_replies",
    } <= set(first)
    assert first["ratio"] == pytest.approx(1.0, abs=0.2)
    looks = rows_of(trained["ppo"], "look")
    assert [look["step"] for look in looks] == [0, 3, 6]
    assert "held-out win" in (trained["ppo"] / "rlhf.svg").read_text("utf-8")


@pytest.mark.parametrize("stage", list(KEYS))
def test_the_product_talks_and_is_the_best_look(
    trained: dict[str, Path], chain: Chain, stage: str
) -> None:
    from asimbot_plugins.generation.sampler import load_clone

    out = trained[stage]
    best, product = (load_file(p / "adapter_model.safetensors") for p in (out / "best", out))
    assert best.keys() == product.keys()
    assert all((best[name] == product[name]).all() for name in best)
    assert not any("reward" in name or "value" in name for name in product)
    clone = load_clone(chain.recipe(stage), load_host())
    (replies,) = clone.replies(["<USR_A> bread? <SYS>"], 2, seed=1)
    assert len(replies) == 2


def test_an_adapter_over_another_clone_is_refused(trained: dict[str, Path], chain: Chain) -> None:
    from asimbot_plugins.generation.sampler import load_clone

    origin = trained["dpo"] / "origin.json"
    kept = origin.read_text("utf-8")
    origin.write_text('{"sft_sha256": "of another clone"}', encoding="utf-8")
    try:
        with pytest.raises(UserError, match="trained over another clone"):
            load_clone(chain.recipe("dpo"), load_host())
    finally:
        origin.write_text(kept, encoding="utf-8")


@pytest.mark.parametrize("stage", list(KEYS))
def test_a_killed_run_goes_on_where_it_was(
    trained: dict[str, Path], chain: Chain, stage: str
) -> None:
    """kill -9 after a checkpoint; the resumed run takes the steps of the one that was not."""
    path = chain.write(stage, f"{stage}_killed", **KEYS[stage])
    out = chain.folder / f"{stage}_killed"
    process = subprocess.Popen(
        [sys.executable, "-m", f"asimbot_plugins.stages.{stage}", str(path)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while not list(out.glob("checkpoint-*/trainer_state.json")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / "result.json").exists()
    train(path, resume=True)
    name = "rewards/margins" if stage == "dpo" else "reward"

    def course(folder: Path) -> dict[int, float]:
        return {row["step"]: row[name] for row in rows_of(folder, "train") if name in row}

    whole, resumed = course(trained[stage]), course(out)
    assert list(resumed) == list(whole)
    first = min(whole)
    assert resumed[first] == pytest.approx(whole[first], abs=1e-4)
    if stage != "grpo":  # its sampling goes on from another random state
        assert resumed == pytest.approx(whole, abs=2e-3)
    assert (out / "result.json").is_file()


def test_numbers_that_are_none_stop_ppo_and_keep_the_best(chain: Chain, reward: Path) -> None:
    keys = {**KEYS["ppo"], "learning_rate": 1e30, "total_episodes": 16 * 4, "max_grad_norm": 1e30}
    path = chain.write("ppo", "broken", **keys)
    with pytest.raises(UserError, match=r"step \d: \w+ is (nan|inf).*is kept"):
        train(path)
    tensors = load_file(chain.folder / "broken" / "adapter_model.safetensors")
    assert all(tensor.isfinite().all() for tensor in tensors.values())
