"""A chain of tiny random models: what is trained here shows that it steps, not that it is good."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import android_line, make_tiny_base

from asimbot_plugins.dataset import ensure_dataset
from asimbot_plugins.host import load_host
from asimbot_plugins.paths import write_jsonl
from asimbot_plugins.recipe import PLUGIN, Recipe, load_recipe

LORA = {"lora_r": 4, "lora_alpha": 8, "lora_target_modules": ["q_proj", "v_proj", "down_proj"]}
WORDS = "bread soup lol train cat rain tea shoes keys pizza exam boat".split()
RLHF = {"looks": 2, "look_prompts": 6, "look_replies": 1, "patience": 9, "length_band": [0.1, 9.0],
        "diversity_band": 0.01, "relevance_band": 99.0, "kl_max": 1000.0}  # fmt: skip


@dataclass
class Chain:
    """A folder of recipes whose SFT clone is the tiny base itself."""

    folder: Path

    def write(self, stage: str, name: str = "", **changes: Any) -> Path:
        """The stage's recipe, ``changes`` merged in; ``rlhf`` goes into its block."""
        section = {
            "stage": stage,
            "sft_recipe_path": "sft.yml",
            "rlhf": {**RLHF, **changes.pop("rlhf", {})},
        }
        if stage in ("reward", "dpo"):
            section["preferences_recipe_path"] = changes.pop("preferences", "preferences.yml")
        if stage in ("ppo", "grpo"):
            section["reward_recipe_path"] = "reward.yml"
        name = name or stage
        output = str(self.folder / name)
        path = self.folder / f"{name}.yml"
        keys: dict[str, Any] = {"asimbot": section, "output_dir": output, "bf16": False, "seed": 7}
        path.write_text(yaml.safe_dump({**keys, **LORA, **changes}), encoding="utf-8")
        return path

    def recipe(self, name: str) -> Recipe:
        return load_recipe(self.folder / f"{name}.yml")

    def rank(self, rows: list[dict[str, Any]], name: str = "preferences") -> None:
        """Writes ranked replies: each row has prompt, responses, ranking."""
        recipe = {
            "asimbot": {"stage": "preferences", "sft_recipe_path": "sft.yml"},
            "output_dir": str(self.folder / name),
        }
        (self.folder / f"{name}.yml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        write_jsonl(self.folder / name / "ranked.jsonl", rows)

    def prompts(self) -> list[str]:
        rows = ensure_dataset(self.recipe("sft"), load_host()).rows("train")
        return list(dict.fromkeys(row["prompt"] for row in rows))


def write_chat(path: Path, days: int = 60) -> None:
    start, pick = datetime(2025, 1, 20, 9, 0), random.Random(1)
    lines = []
    for day in range(days):
        t = start + timedelta(days=day)
        for minute, sender in enumerate(("Mina", "Asim", "Jonas", "Asim")):
            words = pick.sample(WORDS, 3)
            text = " ".join(words) + (" tbh" if sender == "Asim" else ".")
            lines.append(android_line(t + timedelta(minutes=minute), sender, text))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_text: list[str]) -> Chain:
    from asimbot_plugins.generation.sampler import write_sidecar
    from asimbot_plugins.sft.vocabulary import prepare

    folder = tmp_path_factory.mktemp("chain")
    # Weights large enough that a LoRA can make a token likely: else all stay equally unlikely.
    base = make_tiny_base(folder / "base", tiny_tokenizer_text, initializer_range=0.15)
    chat = folder / "chat.txt"
    write_chat(chat)
    sft = {
        "plugins": [PLUGIN],
        "asimbot": {
            "chat_path": str(chat),
            "friend_path": "Asim",
            "context": {"name": "window", "k": 3},
            "embedder": "pocket/all-MiniLM-L6-v2",
            "sampling": {"max_new_tokens": 10},
        },
        "base_model": str(base),
        "output_dir": str(folder / "sft"),
        "sequence_len": 96,
    }
    (folder / "sft.yml").write_text(yaml.safe_dump(sft), encoding="utf-8")
    made = Chain(folder)
    recipe = made.recipe("sft")
    shutil.copytree(prepare(recipe), folder / "sft" / "merged")
    write_sidecar(folder / "sft" / "merged", recipe)
    # Planted: whoever says "lol" is right, whatever the length.
    pick = random.Random(3)
    rows = []
    for i, prompt in enumerate(made.prompts()):
        words = [pick.sample(WORDS[3:], 1 + (i + k) % 3) for k in range(2)]
        good, bad = " ".join(["lol", *words[0]]), " ".join(["hmm", *words[1]])
        rows.append({"prompt": prompt, "responses": [bad, good], "ranking": [2, 1]})
    made.rank(rows)
    return made


@pytest.fixture(scope="session")
def reward(chain: Chain) -> Path:
    """A trained reward model that likes "lol"; its output folder."""
    from asimbot_plugins.stages import reward as stage

    path = chain.write(
        "reward", learning_rate=0.01, max_steps=24, per_device_train_batch_size=8,
        center_rewards_coefficient=0.01,
    )  # fmt: skip
    stage.main(load_recipe(path), False)
    return chain.folder / "reward"


def rows_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "rlhf.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]
