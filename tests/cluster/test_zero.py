"""The DeepSpeed files that we ship, and what `asimbot check` refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cluster_tiny import DEEPSPEED
from tiny import ROOT

from asimbot_plugins.cluster.zero import Zero, zero_of, zero_problems
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import check_recipe

FILES = sorted(path.name for path in DEEPSPEED.glob("*.json"))


def test_every_file_is_listed_here() -> None:
    assert FILES == ["zero2.json", "zero2_offload.json", "zero3.json", "zero3_offload.json"]


@pytest.mark.parametrize("name", FILES)
def test_deepspeed_and_transformers_take_the_file(name: str, tmp_path: Path) -> None:
    """The Trainer fills in what is "auto"; what comes out is read by DeepSpeed itself."""
    from deepspeed.runtime import config as deepspeed_config
    from deepspeed.runtime import constants
    from transformers import TrainingArguments
    from transformers.integrations.deepspeed import (
        HfTrainerDeepSpeedConfig,
        unset_hf_deepspeed_config,
    )

    settings = json.loads((DEEPSPEED / name).read_text("utf-8"))
    # DeepSpeed overlooks top-level keys that it does not know; in blocks it refuses them.
    known = {value for value in vars(constants).values() if isinstance(value, str)}
    assert set(settings) <= known | {"zero_optimization"}

    try:
        config = HfTrainerDeepSpeedConfig(str(DEEPSPEED / name))
        arguments = TrainingArguments(
            output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=3, max_grad_norm=0.5
        )
        config.trainer_config_process(arguments)
        config.trainer_config_finalize(arguments, _Sizes(), 10)
    finally:
        unset_hf_deepspeed_config()
    assert "auto" not in json.dumps(config.config)
    assert config.config["train_micro_batch_size_per_gpu"] == 3
    assert config.config["gradient_clipping"] == 0.5
    read = deepspeed_config.DeepSpeedConfig(config.config)
    assert read.zero_config.stage == int(name[4])
    assert (read.zero_config.offload_optimizer is not None) == ("offload" in name)
    assert (read.zero_config.offload_param is not None) == (name == "zero3_offload.json")


class _Sizes:
    """What the Trainer asks a model for, to size ZeRO-3's buckets."""

    class config:
        hidden_size = 64


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("zero2", Zero(2)),
        ("zero2_offload", Zero(2, True)),
        ("zero3", Zero(3)),
        ("zero3_offload", Zero(3, True, True)),
    ],
)
def test_what_a_file_asks_for(name: str, expected: Zero) -> None:
    assert zero_of({"deepspeed": str(DEEPSPEED / f"{name}.json")}) == expected
    assert zero_of({}) == Zero() == zero_of({"deepspeed": None})


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_a_file_that_is_none(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "zero.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"deepspeed: can't read {file}"):
        zero_of({"deepspeed": str(file)})
    assert len(zero_problems({"deepspeed": str(file)}, "sft")) == 1


@pytest.mark.parametrize(
    ("recipe", "override", "said"),
    [
        ("asim_ppo", "deepspeed=recipes/deepspeed/zero3.json", "deepspeed: PPO steps its optim"),
        ("asim_ppo", "deepspeed=recipes/deepspeed/zero2.json", "deepspeed: PPO steps its optim"),
        ("asim_dpo", "deepspeed=recipes/deepspeed/zero9.json", "deepspeed: can't read recipes/"),
        ("asim_dpo", "fsdp=full_shard", "fsdp: looks and reports do not work on split weights"),
        ("asim_reward", "fsdp=full_shard", "fsdp: looks and reports do not work on split"),
    ],
)
def test_what_can_not_work_is_refused(
    recipe: str, override: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    path = Path("recipes") / f"{recipe}.yml"
    before = check_recipe(path, load_host())
    (problem,) = [p for p in check_recipe(path, load_host(), [override]) if p not in before]
    assert problem.startswith(said)


@pytest.mark.parametrize("stage", ["sft", "reward", "dpo", "grpo"])
@pytest.mark.parametrize("name", FILES)
def test_what_works_is_not(stage: str, name: str) -> None:
    data: dict[str, Any] = {"deepspeed": str(DEEPSPEED / name)}
    assert zero_problems(data, stage) == []
