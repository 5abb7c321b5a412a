"""Keys of Axolotl that can't work with our rows: each refused by ``asimbot check``, with why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import PLUGIN, check_recipe
from asimbot_plugins.sft.keys import REFUSED, gpu_needs, key_problems

GOOD: dict[str, Any] = {
    "plugins": [PLUGIN],
    "base_model": "google/gemma-7b",
    "output_dir": "runs/x",
    "adapter": "lora",
}
CCE = "axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin"
LIGER = "axolotl.integrations.liger.LigerPlugin"


@pytest.mark.parametrize("key", REFUSED)
def test_each_refused_key_is_one_line_with_its_reason(key: str) -> None:
    (problem,) = key_problems({**GOOD, key: 2})
    assert problem == f"{key}: {REFUSED[key]}: remove the key"
    assert key_problems({**GOOD, key: False}) == key_problems({**GOOD, key: None}) == []


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"adapter": None}, "adapter: must be lora or qlora"),
        ({"adapter": "llama-adapter"}, "adapter: must be lora or qlora"),
        ({"lora_modules_to_save": ["lm_head"]}, "lora_modules_to_save: asimbot.tokens names"),
        ({"merge_method": "memory_efficient"}, "merge_method: must be legacy"),
        ({"excess_length_strategy": "truncate"}, "excess_length_strategy: truncate would cut"),
        ({"attn_implementation": "sage"}, "attn_implementation: sage is not known"),
        ({"xformers_attention": True}, "xformers_attention: not known to keep packed rows apart"),
        ({"plugins": [PLUGIN, CCE]}, f"plugins: {CCE} multiplies by the output layer"),
        (
            {"plugins": [PLUGIN, LIGER], "liger_fused_linear_cross_entropy": True},
            f"plugins: {LIGER} multiplies by the output layer",
        ),
    ],
)
def test_values_that_can_not_work(changes: dict[str, Any], start: str) -> None:
    (problem,) = key_problems({**GOOD, **changes})
    assert problem.startswith(start)


@pytest.mark.parametrize(
    "changes",
    [
        {"context_parallel_size": 1},
        {"attn_implementation": "flash_attention_2"},
        {"attn_implementation": "eager"},
        {"adapter": "qlora", "load_in_4bit": True},
        {"lora_modules_to_save": ["score"]},
        {"merge_method": "legacy"},
        {"neftune_noise_alpha": 5},
        {"group_by_length": True},
        {"gradient_checkpointing": True},
        {"peft_use_dora": True, "peft_use_rslora": True, "loraplus_lr_ratio": 4},
        {"plugins": [PLUGIN, LIGER], "liger_rope": True},
        {"deepspeed": "recipes/deepspeed/zero2.json"},
    ],
)
def test_keys_that_work_are_let_through(changes: dict[str, Any]) -> None:
    assert key_problems({**GOOD, **changes}) == []


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"adapter": "qlora"}, "adapter: qlora and load_in_4bit need a GPU"),
        ({"load_in_4bit": True}, "adapter: qlora and load_in_4bit need a GPU"),
        ({"load_in_8bit": True}, "load_in_8bit: needs a GPU"),
        ({"lora_mlp_kernel": True}, "lora_mlp_kernel: Triton kernels need a GPU"),
        ({"lora_qkv_kernel": True}, "lora_qkv_kernel: Triton kernels need a GPU"),
        ({"lora_o_kernel": True}, "lora_o_kernel: Triton kernels need a GPU"),
        ({"flex_attention": True}, "flex_attention: has no backward on a CPU"),
        ({"optimizer": "paged_adamw_8bit"}, "optimizer: paged_adamw_8bit needs a GPU"),
    ],
)
def test_what_needs_a_gpu(changes: dict[str, Any], start: str) -> None:
    (need,) = gpu_needs({**GOOD, **changes})
    assert need.startswith(start)
    assert key_problems({**GOOD, **changes}) == []
    assert gpu_needs(GOOD) == gpu_needs({**GOOD, "lora_mlp_kernel": False}) == []


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    chat = tmp_path / "chat.txt"
    chat.write_text("27/10/2024, 18:42 - Iris: soup\n", encoding="utf-8")
    path = tmp_path / "r.yml"
    block = {"chat_path": str(chat), "friend_path": "Iris"}
    path.write_text(yaml.safe_dump({**GOOD, "asimbot": block}), encoding="utf-8")
    return path


def test_check_lists_them_with_the_others(recipe: Path) -> None:
    assert check_recipe(recipe, load_host()) == []
    found = check_recipe(recipe, load_host(), ["sample_packing=true", "learning_rat=1"])
    assert [line.split(":")[0] for line in found] == ["learning_rat", "sample_packing"]


def test_check_notes_what_this_machine_can_not_train(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asimbot_plugins.commands.check import command
    from asimbot_plugins.sft import keys

    monkeypatch.setattr(keys, "has_gpu_driver", lambda: False)
    arguments = [str(recipe), "--set", "adapter=qlora"]
    without = CliRunner().invoke(command, arguments)
    assert without.exit_code == 0  # the recipe is good: for another machine
    assert "no GPU, it can't be trained: adapter: qlora" in without.output
    monkeypatch.setattr(keys, "has_gpu_driver", lambda: True)
    assert "GPU" not in CliRunner().invoke(command, arguments).output


def test_refused_keys_are_axolotls_own() -> None:
    import asimbot_plugins

    path = Path(asimbot_plugins.__file__).parent / "data" / "axolotl_keys.json"
    assert set(REFUSED) <= set(json.loads(path.read_text(encoding="utf-8"))["keys"])
