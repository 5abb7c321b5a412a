"""What must stop a run of several processes, without the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny import ROOT

from asimbot_plugins.cluster.distributed import asked_world_size, check_adapter, expected_adapter
from asimbot_plugins.cluster.launch import Group, drop_broken_checkpoints
from asimbot_plugins.errors import UserError


@pytest.mark.parametrize(
    ("environment", "size"),
    [
        ({}, 1),
        ({"WORLD_SIZE": "4", "ASIMBOT_WORLD_SIZE": "4"}, 4),
        ({"WORLD_SIZE": "4"}, 4),
        ({"WORLD_SIZE": "8", "SLURM_STEP_NUM_TASKS": "2"}, 8),
        ({"SLURM_STEP_NUM_TASKS": "1"}, 1),
        ({"ACCELERATE_MIXED_PRECISION": "no"}, 1),
    ],
)
def test_launchers_that_agree(environment: dict[str, str], size: int) -> None:
    assert asked_world_size(environment) == size


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ASIMBOT_WORLD_SIZE": "2"}, "2 processes were asked for, but this one .* one of 1"),
        ({"ASIMBOT_WORLD_SIZE": "2", "WORLD_SIZE": "4"}, "2 processes were asked for"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "SLURM started 2 tasks"),
        ({"ACCELERATE_MIXED_PRECISION": "no", "MASTER_PORT": "29500"}, "it started one"),
    ],
)
def test_launchers_that_would_train_alone(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        asked_world_size(environment)


def make_adapter(base: Path, folder: Path) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["q_proj"], trainable_token_indices=[5, 6])
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    model.save_pretrained(folder)
    return model


def test_a_whole_adapter_passes(tiny_gemma: Path, tmp_path: Path) -> None:
    expected = expected_adapter(make_adapter(tiny_gemma, tmp_path))
    assert len(expected) == 2 * 2 + 1
    assert [2, 64] in [list(shape) for name, shape in expected.items() if "token" in name]
    check_adapter(tmp_path, expected)
    assert (tmp_path / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("damage", ["empty", "missing", "nan", "cut"])
def test_a_damaged_adapter_is_put_aside(damage: str, tiny_gemma: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    expected = expected_adapter(make_adapter(tiny_gemma, tmp_path))
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    first = next(iter(tensors))
    said = {
        "empty": r"has shape \[0\] instead of",
        "missing": "1 of 5 tensors are missing",
        "nan": "not finite",
        "cut": "can't be read",
    }[damage]
    if damage == "empty":  # what ZeRO-3 saved when two processes did not know of each other
        save_file({name: torch.zeros(0) for name in tensors}, file)
    elif damage == "missing":
        save_file({name: tensor for name, tensor in tensors.items() if name != first}, file)
    elif damage == "nan":
        tensors[first][0, 0] = float("nan")
        save_file(tensors, file)
    else:
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=said):
        check_adapter(tmp_path, expected)
    assert not file.exists() and file.with_suffix(".incomplete").is_file()


def test_no_adapter_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no adapter was saved"):
        check_adapter(tmp_path, {})


def test_commands_of_a_group() -> None:
    assert Group().launcher() == [sys.executable]
    assert Group(2).launcher()[1:] == [
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--standalone",
    ]
    several = Group(4, 2, 1, "node7:20001")
    assert several.size == 8
    assert several.launcher()[4:] == [
        "--nnodes=2",
        "--node-rank=1",
        "--master-addr=node7",
        "--master-port=20001",
    ]
    for bad in ((0,), (1, 2), (1, 2, 0, "node7"), (1, 2, 2, "node7:1")):
        with pytest.raises(UserError):
            Group(*bad)  # type: ignore[arg-type]


def test_only_whole_checkpoints_are_resumed_from(tmp_path: Path) -> None:
    for step, whole in ((3, True), (6, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "optimizer.pt").touch()
        if whole:
            (folder / "trainer_state.json").touch()
    drop_broken_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


@pytest.mark.slow
def test_processes_that_accelerate_leaves_alone_are_found_out() -> None:
    """Two real processes under torchrun on a CPU, without our fix: each is a world of its own."""
    code = (
        "from types import SimpleNamespace\n"
        "from accelerate import Accelerator\n"
        "from asimbot_plugins.cluster.distributed import check_world\n"
        "from asimbot_plugins.errors import UserError\n"
        "try:\n"
        "    check_world(SimpleNamespace(accelerator=Accelerator()))\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    command = [*Group(2).launcher(), "--no-python", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("2 processes were asked for, but the trainer's group has 1") == 2
