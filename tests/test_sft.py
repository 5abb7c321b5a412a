"""Axolotl runs, on a tiny random Gemma: what a user runs, and the traps that end with status 0."""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tiny import ROOT, android_line

from asimbot_plugins.recipe import PLUGIN, load_recipe

pytestmark = pytest.mark.slow

SECRET = "Zebedee Quux"  # the friend's name in these tests: easy to search for


WORDS = (
    "bread van soup goal cat rent ladder tuesday cheese drum kettle marathon receipt hatch lamp "
    "puddle gravy exam parsnip trumpet sofa bicycle toast landlord onion pigeon battery scarf"
).split()


def write_chat(path: Path, days: int = 20) -> Path:
    """Conversations of unlike messages: near-duplicates would be dropped from the dataset."""
    random_ = random.Random(5)

    def words(count: int) -> str:
        return " ".join(random_.sample(WORDS, count))

    lines = []
    for day in range(days):
        t = datetime(2025, 1, 20, 9, 0) + timedelta(days=day)
        for minute, (sender, text) in enumerate(
            [
                ("Mina", f"Is the {words(4)} here?"),
                (SECRET, f"lol {words(4)}"),
                (SECRET, f"big if true {words(3)}"),
                ("Jonas", f"Not my {words(4)}."),
                (SECRET, f"say less {words(4)}"),
            ]
        ):
            lines.append(android_line(t + timedelta(minutes=minute), sender, text))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sft")


@pytest.fixture(scope="module")
def recipe_path(folder: Path, tiny_gemma: Path) -> Path:
    chat = write_chat(folder / "very private chat.txt")
    recipe = {
        "plugins": [PLUGIN],
        "asimbot": {
            "chat_path": str(chat),
            "friend_path": SECRET,
            "context": {"name": "window", "k": 4},
        },
        "base_model": str(tiny_gemma),
        "output_dir": str(folder / "out"),
        "adapter": "lora",
        "lora_r": 4,
        "lora_alpha": 8,
        "lora_target_modules": ["q_proj", "v_proj"],
        "sequence_len": 128,
        "micro_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "num_epochs": 3,
        "learning_rate": 0.03,
        "bf16": False,  # exact comparisons below
        "optimizer": "adamw_torch",
        "logging_steps": 1,
        "evals_per_epoch": 1,
        "seed": 7,
    }
    path = folder / "friend_sft.yml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


@pytest.fixture(scope="module")
def trained(folder: Path, recipe_path: Path) -> Path:
    done = run("asimbot_plugins.cli", "train", str(recipe_path))
    assert done.returncode == 0, done.stderr
    assert "held-out loss" in done.stdout and len(done.stderr.splitlines()) < 20
    return folder / "out"


def losses(log: str) -> list[float]:
    return [float(x) for x in re.findall(r"'loss': '?([0-9.naif]+)'?", log)]


def test_the_log_holds_finite_falling_losses(trained: Path) -> None:
    found = losses((trained / "train.log").read_text("utf-8"))
    assert len(found) >= 10 and all(math.isfinite(x) and x > 0 for x in found)
    assert sum(found[-5:]) / 5 < sum(found[:5]) / 5 - 0.1


def test_the_adapter_is_small_and_complete(trained: Path, recipe_path: Path) -> None:
    from safetensors import safe_open

    file = trained / "adapter_model.safetensors"
    assert file.stat().st_size < 200_000
    with safe_open(file, "pt") as tensors:
        shapes = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
    (rows,) = (shape for name, shape in shapes.items() if "token" in name)
    assert rows == [11, 64]
    assert sum("lora_A" in name for name in shapes) == 4
    sidecar = json.loads((trained / "asimbot.json").read_text("utf-8"))
    assert sidecar["sampling"]["max_new_tokens"] == 64


def test_the_model_card_names_nobody_and_no_file(trained: Path, folder: Path) -> None:
    cards = list(trained.rglob("README.md"))
    assert cards == [trained / "README.md"]
    text = cards[0].read_text("utf-8")
    for private in (SECRET, "very private", str(folder)):
        assert private not in text


def test_the_new_rows_really_trained(trained: Path, recipe_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from asimbot_plugins.sft.vocabulary import new_token_ids, prepared_folder

    base_folder = prepared_folder(load_recipe(recipe_path))
    base = load_file(base_folder / "model.safetensors")["model.embed_tokens.weight"]
    adapter = load_file(trained / "adapter_model.safetensors")
    (rows,) = (tensor for name, tensor in adapter.items() if "token" in name)
    moved = (rows - base[new_token_ids(base_folder)]).abs().amax(dim=1)
    names = load_recipe(recipe_path).section.tokens.all()
    by_name = dict(zip(names, moved.tolist(), strict=True))
    for used in ("<USR_A>", "<USR_B>", "<SYS>", "<SEP>"):
        assert by_name[used] > 1e-3, by_name
    assert torch.isfinite(rows).all()


def test_plain_axolotl_train_does_the_same(trained: Path, recipe_path: Path, folder: Path) -> None:
    out = folder / "plain"
    done = run(
        "axolotl.cli.main", "train", str(recipe_path), f"--output-dir={out}", "--launcher=python"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ours = losses((trained / "train.log").read_text("utf-8"))
    assert losses(done.stdout + done.stderr) == ours


def logits(model: object, tokenizer: object) -> object:
    import torch

    ids = torch.tensor([tokenizer("<USR_A> hi there <SYS> lol <SEP> ok")["input_ids"]])  # type: ignore[operator]
    with torch.no_grad():
        return model(input_ids=ids).logits  # type: ignore[operator]


def test_merging_keeps_the_new_rows_both_ways(trained: Path, recipe_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from asimbot_plugins.sft.vocabulary import prepared_folder

    base = prepared_folder(load_recipe(recipe_path))
    tokenizer = AutoTokenizer.from_pretrained(base)
    adapted = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base), str(trained)
    ).eval()
    expected = logits(adapted, tokenizer)
    for command in (
        ("asimbot_plugins.cli", "merge", str(recipe_path)),
        ("axolotl.cli.main", "merge-lora", str(recipe_path)),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr[-3000:]
        merged = AutoModelForCausalLM.from_pretrained(trained / "merged", dtype=torch.float32)
        assert len(AutoTokenizer.from_pretrained(trained / "merged")) == 611
        torch.testing.assert_close(logits(merged, tokenizer), expected, atol=2e-4, rtol=1e-3)


def test_a_changed_chat_is_never_trained_from_a_stale_cache(
    recipe_path: Path, folder: Path
) -> None:
    from asimbot_plugins.dataset import ensure_dataset
    from asimbot_plugins.host import load_host

    chat = folder / "changing.txt"
    write_chat(chat, days=20)
    overrides = [f"asimbot.chat_path={chat}", f"output_dir={folder / 'changing'}"]
    host = load_host()
    first = ensure_dataset(load_recipe(recipe_path, overrides), host)
    first_rows = first.rows()
    write_chat(chat, days=10)
    second = ensure_dataset(load_recipe(recipe_path, overrides), host)
    assert first.fingerprint != second.fingerprint
    assert len(second.rows()) < 20 < len(first_rows)
    assert (
        ensure_dataset(load_recipe(recipe_path, overrides), host).fingerprint == second.fingerprint
    )


def test_without_the_plugin_nothing_trains(recipe_path: Path, folder: Path) -> None:
    raw = yaml.safe_load(recipe_path.read_text("utf-8"))
    raw |= {"plugins": [PLUGIN.replace("Plugin", "Plugn")], "output_dir": str(folder / "unmasked")}
    path = folder / "misspelt.yml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    done = run("axolotl.cli.main", "train", str(path), "--launcher=python")
    assert done.returncode != 0
    assert not (folder / "unmasked" / "adapter_config.json").exists()
    ours = run("asimbot_plugins.cli", "train", str(path))
    assert ours.returncode == 2 and len(ours.stderr.strip().splitlines()) == 1


def test_a_mistake_that_shows_late_is_one_line(recipe_path: Path, folder: Path) -> None:
    out = folder / "nobody"
    done = run(
        "asimbot_plugins.cli",
        "train",
        str(recipe_path),
        "--set",
        "asimbot.friend_path=Zebedee Qux",
        "--set",
        f"output_dir={out}",
    )
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("asimbot:")]
    assert f"set asimbot.friend_path to one of: {SECRET}" in line
    assert "Traceback" not in done.stderr + done.stdout
    assert not (out / "adapter_config.json").exists()
    assert not (out / "data" / "dataset.jsonl").exists()


def test_telemetry_left_on_sends_no_name_and_no_file(recipe_path: Path, folder: Path) -> None:
    """Plain Axolotl with telemetry on: everything that would be sent, captured."""
    sent = folder / "sent.jsonl"
    child = {
        "plugins": [PLUGIN],
        "asimbot": {"extends": recipe_path.name},
        "output_dir": str(folder / "telemetry"),
    }
    path = folder / "child_sft.yml"
    path.write_text(yaml.safe_dump(child), encoding="utf-8")
    for config in (path, recipe_path):
        code = (
            "import json, sys, posthog\n"
            f"out = open({str(sent)!r}, 'a')\n"
            "posthog.capture = lambda **event: print("
            "json.dumps(event, default=str), file=out, flush=True)\n"
            "from axolotl.cli.preprocess import do_cli\n"
            f"do_cli(config={str(config)!r})\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={
                **{k: v for k, v in os.environ.items() if k != "DO_NOT_TRACK"},
                "AXOLOTL_DO_NOT_TRACK": "0",
                "OMP_NUM_THREADS": "1",
            },
        )
        assert done.returncode == 0, done.stderr[-3000:]
    events = sent.read_text("utf-8")
    assert events.count("config-loaded") == 2
    for private in (SECRET, "Zebedee", "private chat", str(folder)):
        assert private not in events


@pytest.mark.parametrize("name", ["asim_sft.yml", "gpt2_baseline.yml"])
def test_every_key_of_a_big_recipe_works(
    name: str, folder: Path, tiny_gemma: Path, tiny_gpt2: Path
) -> None:
    """This very file and its chat, one epoch of it, on another base and without 4-bit weights."""
    base = tiny_gpt2 if "gpt2" in name else tiny_gemma
    out = folder / name
    done = run(
        "asimbot_plugins.cli",
        "train",
        f"recipes/{name}",
        *("--set", f"base_model={base}", "--set", f"output_dir={out}"),
        *("--set", "adapter=lora", "--set", "load_in_4bit=null", "--set", "num_epochs=1"),
    )
    assert done.returncode == 0, done.stderr
    assert (out / "adapter_model.safetensors").is_file()
    assert "held-out loss" in done.stdout
    # `bf16: auto` must not become float16 on a CPU: that ends in NaN and status 0.
    found = losses((out / "train.log").read_text("utf-8"))
    assert found and all(math.isfinite(x) and x > 0 for x in found)
