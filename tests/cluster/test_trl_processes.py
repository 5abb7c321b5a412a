"""The stages after SFT in two real processes against one: DDP, ZeRO-2 and ZeRO-3 over gloo."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cluster_tiny import DEEPSPEED, adapter, asimbot
from rlhf_chain import Chain, chain, reward, rows_of

from asimbot_plugins.recipe import load_recipe

__all__ = ["chain", "reward"]
pytestmark = pytest.mark.slow

STEPS = 2
KEYS: dict[str, dict[str, Any]] = {
    "reward": {"max_steps": STEPS, "learning_rate": 0.01, "center_rewards_coefficient": 0.01},
    "dpo": {"max_steps": STEPS, "learning_rate": 0.01, "beta": 0.1},
    "grpo": {
        "max_steps": STEPS, "learning_rate": 0.01, "num_generations": 8, "beta": 0.01,
        "max_completion_length": 8, "temperature": 1.0,
    },
    "ppo": {
        "total_episodes": 16 * STEPS, "learning_rate": 0.01, "response_length": 8,
        "temperature": 1.0, "kl_coef": 0.01, "num_ppo_epochs": 1,
    },
}  # fmt: skip
ROWS = 16
"""Rows of a step, in one process or in two."""
NUMBERS = {
    "reward": ("loss", "grad_norm"),
    "dpo": ("loss", "grad_norm", "rewards/margins"),
    "grpo": ("loss", "grad_norm", "reward", "kl"),
    "ppo": ("policy_loss", "kl"),
}


def numbers(folder: Path, stage: str) -> dict[tuple[int, str], float]:
    rows = rows_of(folder, "train")
    return {(r["step"], name): r[name] for r in rows for name in NUMBERS[stage] if name in r}


@pytest.fixture(scope="module")
def alone(chain: Chain, reward: Path) -> dict[str, Path]:
    """Each stage in one process; its output folder."""
    folders = {}
    for stage, keys in KEYS.items():
        path = chain.write(stage, f"{stage}_alone", per_device_train_batch_size=ROWS, **keys)
        import_module(f"asimbot_plugins.stages.{stage}").main(load_recipe(path), False)
        folders[stage] = chain.folder / f"{stage}_alone"
    return folders


@pytest.fixture(scope="module")
def together(chain: Chain, alone: dict[str, Path]) -> Callable[[str, str], Path]:
    """Trains a stage in two processes, once; gives its output folder."""

    @cache
    def train(stage: str, strategy: str) -> Path:
        keys = {**KEYS[stage], "per_device_train_batch_size": ROWS // 2}
        if strategy != "ddp":
            settings = json.loads((DEEPSPEED / f"{strategy}.json").read_text("utf-8"))
            if strategy == "zero3":  # else tensors as small as these would not be split up
                settings["zero_optimization"]["stage3_param_persistence_threshold"] = 0
            file = chain.folder / f"{strategy}.json"
            file.write_text(json.dumps(settings), encoding="utf-8")
            keys["deepspeed"] = str(file)
        name = f"{stage}_{strategy}"
        done = asimbot("train", str(chain.write(stage, name, **keys)), "--nproc", "2")
        assert done.returncode == 0, done.stderr
        assert "2 processes train together" in done.stderr
        return chain.folder / name

    return train


@pytest.mark.parametrize(
    ("stage", "strategy"),
    [
        *((stage, "ddp") for stage in KEYS),
        # ZeRO-3 splits all that ZeRO-2 splits, and the weights: ZeRO-2 is run once.
        *((stage, "zero3") for stage in ("reward", "dpo", "grpo")),
        ("grpo", "zero2"),
    ],
)
def test_two_processes_train_a_stage_together(
    stage: str, strategy: str, together: Callable[[str, str], Path], alone: dict[str, Path]
) -> None:
    import torch

    out = together(stage, strategy)
    found = numbers(out, stage)
    if stage in ("reward", "dpo"):  # the same rows: the same course
        assert found == pytest.approx(numbers(alone[stage], stage), abs=1e-3)
    elif stage == "grpo" and strategy != "ddp":  # the same replies as without DeepSpeed
        assert found == pytest.approx(numbers(together("grpo", "ddp"), stage), abs=1e-3)
    else:
        # Two processes draw other replies than one does. In the first step the policy is the
        # SFT clone, which is exact.
        assert found[1, "kl"] == pytest.approx(0.0, abs=1e-5)
        if stage == "ppo":  # whitened advantages
            assert found[1, "policy_loss"] == pytest.approx(0.0, abs=1e-3)
    assert max(found)[0] == STEPS

    one, two = adapter(alone[stage]), adapter(out)
    assert {n: t.shape for n, t in two.items()} == {n: t.shape for n, t in one.items()}
    assert len(two) == 2 * 3 * 2 + (stage == "reward")  # A and B of three layers in two blocks
    assert all(tensor.numel() and tensor.isfinite().all() for tensor in two.values())
    if stage == "reward":
        for name, tensor in one.items():
            torch.testing.assert_close(two[name], tensor, atol=2e-4, rtol=1e-3, msg=name)
        report = json.loads((out / "reward_report.json").read_text("utf-8"))
        assert report["accuracy"]["n"] >= 10
    else:
        assert [row["step"] for row in rows_of(out, "look")] == [0, 1, STEPS]


@pytest.mark.parametrize("stage", ["reward", "dpo"])
def test_an_adapter_that_is_not_whole_ends_the_stage(
    stage: str, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEFT writes empty tensors, as it does where ZeRO-3 has split them up."""
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file, save_file

    from asimbot_plugins.errors import UserError

    original = PeftModel.save_pretrained

    def save_empty(self: Any, folder: str, **kwargs: Any) -> None:
        original(self, folder, **kwargs)
        if "checkpoint-" in str(folder):  # the trainer's own, which it reads again
            return
        file = Path(folder) / "adapter_model.safetensors"
        save_file({name: torch.zeros(0) for name in load_file(file)}, file)

    monkeypatch.setattr(PeftModel, "save_pretrained", save_empty)
    keys = {**KEYS[stage], "max_steps": 1, "per_device_train_batch_size": 4}
    path = chain.write(stage, f"{stage}_emptied", **keys)
    with pytest.raises(UserError, match=r"whole|not complete") as error:
        import_module(f"asimbot_plugins.stages.{stage}").main(load_recipe(path), False)
    assert "has shape [0] instead of" in str(error.value) and "\n" not in str(error.value)
    assert not list((chain.folder / f"{stage}_emptied").glob("**/best/*.safetensors"))
    assert not (chain.folder / f"{stage}_emptied" / "adapter_model.safetensors").exists()
