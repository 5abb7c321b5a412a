"""Axolotl's other commands and its checkpoints, with our recipe on a tiny random Gemma."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_sft import SECRET, losses, run, write_chat
from tiny import ROOT

from asimbot_plugins.recipe import PLUGIN, load_recipe

pytestmark = pytest.mark.slow

STEPS, SAVED = 6, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("axolotl")


@pytest.fixture(scope="module")
def recipe_path(folder: Path, tiny_gemma: Path) -> Path:
    recipe = {
        "plugins": [PLUGIN],
        "asimbot": {
            "chat_path": str(write_chat(folder / "chat.txt")),
            "friend_path": SECRET,
            "context": {"name": "window", "k": 4},
            "dataset_dir": str(folder / "data"),
        },
        "base_model": str(tiny_gemma),
        "output_dir": str(folder / "out"),
        "adapter": "lora",
        "lora_r": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.1,  # a resumed run must draw on where it was
        "lora_target_modules": ["q_proj", "v_proj"],
        "sequence_len": 128,
        "micro_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "max_steps": STEPS,
        "learning_rate": 0.03,
        "lr_scheduler": "cosine",
        "bf16": False,
        "optimizer": "adamw_torch",
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": SAVED,
        "save_steps": SAVED,
        "dataset_num_proc": 1,
        "seed": 7,
    }
    path = folder / "friend_sft.yml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def axolotl(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "axolotl.cli.main", *arguments, "--launcher=python"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        input=stdin,
    )


@pytest.fixture(scope="module")
def preprocessed(recipe_path: Path, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "axolotl.cli.main", "preprocess", str(recipe_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (tokenised,) = (folder / "data").glob("tokenised-*")
    return tokenised


@pytest.fixture(scope="module")
def trained(recipe_path: Path, preprocessed: Path, folder: Path) -> Path:
    done = run("asimbot_plugins.cli", "train", str(recipe_path))
    assert done.returncode == 0, done.stderr
    return folder / "out"


def test_preprocess_leaves_masked_rows(preprocessed: Path, recipe_path: Path) -> None:
    from datasets import load_from_disk
    from transformers import AutoTokenizer

    from asimbot_plugins.sft.vocabulary import prepared_folder

    tokenizer = AutoTokenizer.from_pretrained(prepared_folder(load_recipe(recipe_path)))
    reply = tokenizer.convert_tokens_to_ids("<SYS>")
    parts = [path.parent for path in preprocessed.rglob("dataset_info.json")]
    rows = [row for part in parts for row in load_from_disk(str(part))]
    assert len(rows) > 20
    for row in rows:
        last = max(i for i, id_ in enumerate(row["input_ids"]) if id_ == reply)
        assert row["labels"] == [-100] * (last + 1) + row["input_ids"][last + 1 :]
        assert row["input_ids"][-1] == tokenizer.eos_token_id


def test_training_uses_what_was_preprocessed(trained: Path, preprocessed: Path) -> None:
    assert list(preprocessed.parent.glob("tokenised-*")) == [preprocessed]
    log = (trained / "train.log").read_text("utf-8")
    assert "Loading prepared dataset" in log


def heldout_losses(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"'eval_loss': '?([0-9.]+)'?", text)]


def test_a_run_of_one_epoch_has_a_held_out_loss_at_its_end(recipe_path: Path, folder: Path) -> None:
    data = yaml.safe_load(recipe_path.read_text("utf-8"))
    for key in ("eval_strategy", "eval_steps", "save_steps", "max_steps"):
        del data[key]
    data |= {"num_epochs": 1, "evals_per_epoch": 1, "output_dir": str(folder / "once")}
    data |= {"micro_batch_size": 16}
    path = folder / "once.yml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    done = run("asimbot_plugins.cli", "train", str(path))
    assert done.returncode == 0, done.stderr
    (state,) = (folder / "once").glob("checkpoint-*/trainer_state.json")
    log = json.loads(state.read_text("utf-8"))["log_history"]
    steps = [entry["step"] for entry in log if "loss" in entry]
    evaluated = [entry["step"] for entry in log if "eval_loss" in entry]
    assert evaluated == [0, steps[-1]]


def test_sigterm_ends_the_training_with_the_command(recipe_path: Path, folder: Path) -> None:
    import psutil

    out = folder / "terminated"
    arguments = ["--set", "max_steps=100000", "--set", f"output_dir={out}"]
    command = [sys.executable, "-m", "asimbot_plugins.cli", "train", str(recipe_path), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not list(out.glob("checkpoint-*")):
            assert process.poll() is None
            time.sleep(0.2)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
        assert psutil.wait_procs(children, timeout=10)[1] == []
    finally:
        process.kill()


def test_evaluate_gives_the_held_out_loss_of_the_adapter(trained: Path, recipe_path: Path) -> None:
    done = axolotl("evaluate", str(recipe_path), f"--lora-model-dir={trained}")
    assert done.returncode == 0, done.stderr[-3000:]
    last = heldout_losses((trained / "train.log").read_text("utf-8"))[-1]
    found = heldout_losses(done.stdout + done.stderr)
    assert found and found[-1] == pytest.approx(last, abs=2e-3)


def test_inference_continues_a_prompt_from_standard_input(trained: Path, recipe_path: Path) -> None:
    prompt = "<USR_A> hi there <SYS>"
    done = axolotl(
        "inference", str(recipe_path), f"--lora-model-dir={trained}", stdin=prompt + "\n"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    _, _, answer = done.stdout.partition("<SYS>")
    assert "<USR_A>" in done.stdout and answer.strip()


def tensors(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "adapter_model.safetensors"))


def test_a_resumed_run_ends_as_one_that_was_never_stopped(
    trained: Path, recipe_path: Path, folder: Path
) -> None:
    import torch

    other = folder / "resumed"
    shutil.copytree(trained, other)
    shutil.rmtree(other / f"checkpoint-{STEPS}")
    (other / "adapter_model.safetensors").unlink()
    done = run(
        "asimbot_plugins.cli", "train", str(recipe_path), "--resume", "--set", f"output_dir={other}"
    )
    assert done.returncode == 0, done.stderr
    before = losses((trained / "train.log").read_text("utf-8"))
    after = losses((other / "train.log").read_text("utf-8"))
    assert len(before) == STEPS and after == before[SAVED:]
    expected = tensors(trained)
    for name, tensor in tensors(other).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0, msg=name)


def test_early_stopping_keeps_the_checkpoint_with_the_best_held_out_loss(
    recipe_path: Path, folder: Path
) -> None:
    import torch

    out = folder / "early"
    settings = {
        "learning_rate": 3.0,  # far too high: the held-out loss rises after a step or two
        "lr_scheduler": "constant",
        "max_steps": 40,
        "eval_steps": 1,
        "save_steps": 1,
        "save_total_limit": 2,
        "early_stopping_patience": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "output_dir": out,
    }
    arguments = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    done = run("asimbot_plugins.cli", "train", str(recipe_path), *arguments)
    assert done.returncode == 0, done.stderr
    (last, *_) = sorted(out.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1]))
    state = json.loads((last / "trainer_state.json").read_text("utf-8"))
    by_step = {one["step"]: one["eval_loss"] for one in state["log_history"] if "eval_loss" in one}
    best = min((step for step in by_step if step > 0), key=by_step.__getitem__)
    assert max(by_step) == best + 2 < 40
    kept = tensors(out)
    for name, tensor in tensors(out / f"checkpoint-{best}").items():
        torch.testing.assert_close(tensor, kept[name], rtol=0, atol=0, msg=name)
