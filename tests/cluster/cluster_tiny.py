"""A tiny recipe, the ways to run it, and what is read back from a run."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from tiny import ROOT, android_line

from asimbot_plugins.recipe import PLUGIN

DEEPSPEED = ROOT / "recipes" / "deepspeed"


WORDS = [
    *("bread", "kettle", "bus", "rain", "garden", "ticket", "piano", "lamp", "river", "cheese"),
    *("train", "window", "coat", "market", "letter", "spoon", "bridge", "candle", "orange"),
    *("blanket", "ladder", "engine", "pepper", "harbour", "mirror", "tent"),
]


def write_chat(path: Path, days: int = 14) -> Path:
    """Two replies of Asim a day, no two messages alike: 24 rows to train on, 4 held out."""
    draw = random.Random(1)
    start = datetime(2025, 1, 20, 9, 0)
    lines = []
    for day in range(days):
        for minute, sender in enumerate(["Mina", "Asim", "Asim", "Jonas", "Asim"]):
            when = start + timedelta(days=day, minutes=minute)
            lines.append(android_line(when, sender, " ".join(draw.sample(WORDS, 4))))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_recipe(folder: Path, base: Path, **changes: Any) -> Path:
    """A recipe of two epochs with two accumulated micro batches of 4 rows a step."""
    recipe = {
        "plugins": [PLUGIN],
        "asimbot": {
            "chat_path": str(write_chat(folder / "chat.txt")),
            "friend_path": "Asim",
            "context": {"name": "window", "k": 4},
        },
        "base_model": str(base),
        "output_dir": str(folder / "out"),
        "adapter": "lora",
        "lora_r": 4,
        "lora_alpha": 8,
        "lora_target_modules": ["q_proj", "v_proj"],
        "sequence_len": 128,
        "micro_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "num_epochs": 2,
        "learning_rate": 0.01,
        "optimizer": "adamw_torch",
        "bf16": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "seed": 7,
    } | changes
    path = folder / "asim_sft.yml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m …`` with one thread a process."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        timeout=400,
    )


def asimbot(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("asimbot_plugins.cli", *arguments, **environment)


def losses(log: str) -> list[float]:
    return [float(x) for x in re.findall(r"'loss': '?([0-9.naif]+)'?", log)]


def adapter(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")
