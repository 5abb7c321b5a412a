"""Candidates: exact resume, shards that make one file, bounded memory."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import android_line

from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.paths import read_jsonl
from asimbot_plugins.preferences import sampling
from asimbot_plugins.preferences.sampling import Shard, draw_batch, plan
from asimbot_plugins.recipe import Preferences, Recipe, Sampling, load_recipe
from asimbot_plugins.tokens import TokenNames


class Parrot:
    """A clone that replies from a list, by how often it was asked; no model."""

    tokens = TokenNames()
    sampling = Sampling()

    def __init__(self, replies: Sequence[list[str]]) -> None:
        self.given = list(replies)
        self.calls: list[tuple[int, float, int | None]] = []

    def replies(
        self, prompts: Sequence[str], *, sampling: Sampling, seed: int | None, batch_size: int
    ) -> list[list[list[str]]]:
        self.calls.append((len(prompts), sampling.temperature, seed))
        return [[self.given[(len(self.calls) - 1) % len(self.given)]] for _ in prompts]


def long_chat(folder: Path, replies: int) -> Path:
    """A chat of questions and answers in words drawn at random, so that no two are alike."""
    draw = random.Random(0)
    words = ["".join(draw.choices("bdklmnprst", k=2) + draw.choices("aeiou")) for _ in range(900)]
    start = datetime(2024, 1, 1, 9, 0)
    lines = []
    for n in range(replies):
        t = start + timedelta(hours=7 * n)
        lines.append(android_line(t, "Mina", " ".join(draw.choices(words, k=7)) + "?"))
        answer = " ".join(draw.choices(words, k=6))
        lines.append(android_line(t + timedelta(minutes=1), "Asim", answer))
    path = folder / "chat.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def recipes(folder: Path, chat: Path, base: str, **options: Any) -> Path:
    """An SFT recipe and a preferences recipe that refers to it; the path of the latter."""
    sft = {
        "plugins": ["asimbot_plugins.axolotl_adapter.AsimbotPlugin"],
        "asimbot": {
            "chat_path": str(chat),
            "friend_path": "Asim",
            "context": {"name": "window", "k": 4},
            "sampling": {"max_new_tokens": 8},
        },
        "base_model": base,
        "output_dir": str(folder / "sft"),
    }
    (folder / "sft.yml").write_text(yaml.safe_dump(sft), encoding="utf-8")
    data = {
        "asimbot": {
            "stage": "preferences",
            "sft_recipe_path": "sft.yml",
            "preferences": {"prompts": 1000, "batch_size": 2, **options},
        },
        "output_dir": str(folder / "preferences"),
    }
    path = folder / "preferences.yml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_batches_depend_on_the_recipe_alone_and_hold_like_lengths() -> None:
    rows = [{"prompt": "x" * (n % 17 + 1) + str(n)} for n in range(50)]
    batches = plan([*rows, *rows[:10]], Preferences(prompts=40, batch_size=8), seed=1)
    assert batches == plan(rows, Preferences(prompts=40, batch_size=8), seed=1)
    assert [batch.number for batch in batches] == [0, 1, 2, 3, 4]
    prompts = [prompt for batch in batches for _, prompt in batch.prompts]
    assert len(set(prompts)) == 40
    assert [len(p) for p in prompts] == sorted(len(p) for p in prompts)
    assert sorted(place for b in batches for place, _ in b.prompts) == list(range(40))
    assert plan(rows, Preferences(prompts=40), seed=2) != plan(
        rows, Preferences(prompts=40), seed=1
    )


def test_duplicates_and_empties_are_dropped_and_drawn_again() -> None:
    clone: Any = Parrot([["yes"], ["YES "], [], ["no", "lol"], ["maybe"]])
    batch = plan([{"prompt": "a"}], Preferences(), 0)[0]
    made = draw_batch(clone, batch, Preferences(redraws=1), seed=5)
    assert made["rows"] == [
        {"place": 0, "prompt": "a", "responses": ["yes", "no <SEP> lol", "maybe"]}
    ]
    assert made["dropped"] == {
        "empty": 1,
        "duplicate": 1,
        "prompt with fewer than two replies": 0,
    }
    # Three temperatures in turn, then the hottest for what is missing; every draw its own seed.
    assert [heat for _, heat, _ in clone.calls] == [0.7, 1.0, 1.3, 1.3, 1.3]
    assert len({seed for _, _, seed in clone.calls}) == 5


def test_a_prompt_with_a_single_reply_is_left_out() -> None:
    clone: Any = Parrot([["yes"]])
    made = draw_batch(clone, plan([{"prompt": "a"}], Preferences(), 0)[0], Preferences(), 0)
    assert made["rows"] == []
    assert made["dropped"]["prompt with fewer than two replies"] == 1


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, Shard(0, 1)),
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "4"}, Shard(3, 4)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "1",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_COUNT": "4",
            },
            Shard(0, 4),
        ),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Shard(1, 2)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "2",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_NTASKS": "2",
                "SLURM_PROCID": "1",
            },
            Shard(5, 6),
        ),
    ],
)
def test_shards_come_from_the_launcher(environment: dict[str, str], shard: Shard) -> None:
    assert Shard.of_environment(environment) == shard


@pytest.mark.parametrize("text", ["1", "2/2", "x/2", "-1/2", "1/"])
def test_shards_by_hand_are_checked(text: str) -> None:
    with pytest.raises(UserError, match="INDEX/COUNT"):
        Shard.parse(text)
    assert Shard.parse("1/2") == Shard(1, 2)


class Counting(Parrot):
    """Replies that differ by prompt and seed, like a model's."""

    def __init__(self, fail_after: int | None = None) -> None:
        super().__init__([])
        self.fail_after = fail_after

    def replies(
        self, prompts: Sequence[str], *, sampling: Sampling, seed: int | None, batch_size: int
    ) -> list[list[list[str]]]:
        self.calls.append((len(prompts), sampling.temperature, seed))
        if self.fail_after is not None and len(self.calls) > self.fail_after:
            raise KeyboardInterrupt
        say = ["is it?", "what a long question that would be, number", "no"][len(self.calls) % 3]
        return [[[f"{say} {seed} {hash_of(prompt)}"]] for prompt in prompts]


def hash_of(text: str) -> int:
    return sum(ord(c) * (i + 1) for i, c in enumerate(text)) % 9973


@pytest.fixture
def small(tmp_path: Path) -> Recipe:
    return load_recipe(recipes(tmp_path, long_chat(tmp_path, 24), "none"))


WHOLE = Shard()


def drawn(recipe: Recipe, clone: Any, shard: Shard = WHOLE, **more: Any) -> Path | None:
    return sampling.sample(recipe, load_host(), lambda: clone, shard, **more)


def test_prompts_come_from_the_training_part_alone(small: Recipe) -> None:
    path = drawn(small, Counting())
    assert path is not None
    prompts = {row["prompt"] for row in read_jsonl(path)}
    training = {row["prompt"] for row in read_jsonl(small.dataset_dir / "dataset.jsonl")}
    heldout = {row["prompt"] for row in read_jsonl(small.dataset_dir / "heldout.jsonl")}
    assert prompts == training
    assert not prompts & heldout


def test_interrupted_and_shared_work_gives_the_same_file(small: Recipe, tmp_path: Path) -> None:
    path = drawn(small, Counting())
    assert path is not None
    whole = path.read_bytes()
    shutil.rmtree(small.output_dir)
    with pytest.raises(KeyboardInterrupt):
        drawn(small, Counting(fail_after=7), Shard(1, 3))
    assert drawn(small, Counting(), Shard(1, 3)) is None
    assert drawn(small, Counting(), Shard(0, 3)) is None
    # What is left may be done by any number of processes.
    assert drawn(small, Counting(), Shard(0, 1)) == path
    assert path.read_bytes() == whole
    done = Counting()
    assert drawn(small, done) == path
    assert done.calls == []


def test_candidates_of_another_setting_are_not_mixed_in(small: Recipe) -> None:
    drawn(small, Counting(), Shard(0, 2))
    other = load_recipe(small.path, ["asimbot.preferences.temperatures=[0.5]"])
    with pytest.raises(UserError, match=r"another clone, chat or setting.*--again"):
        drawn(other, Counting())
    assert drawn(other, Counting(), again=True) is not None


def test_a_thousand_prompts_take_little_memory(tmp_path: Path) -> None:
    recipe = load_recipe(
        recipes(tmp_path, long_chat(tmp_path, 1300), "none", batch_size=16),
        ["asimbot.heldout_share=0.15"],
    )
    from asimbot_plugins.dataset import ensure_dataset

    ensure_dataset(recipe.sft, load_host())
    tracemalloc.start()
    path = drawn(recipe, Counting())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path is not None
    assert sum(len(row["responses"]) for row in read_jsonl(path)) == 3000
    assert peak < 24e6


@pytest.mark.slow
def test_kill_minus_nine_then_resume_gives_the_same_file(tmp_path: Path, tiny_gemma: Path) -> None:
    from asimbot_plugins.generation.sampler import load_clone
    from asimbot_plugins.sft.vocabulary import prepare

    path = recipes(tmp_path, long_chat(tmp_path, 24), str(tiny_gemma), redraws=0)
    recipe = load_recipe(path)
    shutil.copytree(prepare(recipe.sft), recipe.sft.output_dir / "merged")
    host = load_host()
    merged = sampling.sample(recipe, host, lambda: load_clone(recipe.sft, host))
    assert merged is not None
    whole = merged.read_bytes()
    assert len(whole.splitlines()) >= 15
    shutil.rmtree(recipe.output_dir)

    command = [sys.executable, "-m", "asimbot_plugins.cli", "preferences", str(path), "--shard"]
    part = recipe.output_dir / "candidates" / "part-0-of-2.jsonl"
    process = subprocess.Popen(
        [*command, "0/2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while not (part.is_file() and part.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    batches = len(
        plan(
            list(read_jsonl(recipe.dataset_dir / "dataset.jsonl")),
            recipe.section.preferences,
            recipe.seed,
        )
    )
    before = part.read_bytes()
    assert before.count(b"\n") - 1 < (batches + 1) // 2
    # The worst moment to be killed: in the middle of a line.
    part.write_bytes(before + b'{"batch": 0, "rows": [{"place"')
    done = subprocess.run([*command, "0/2"], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "the others are still at work" in done.stdout
    assert (
        sampling.sample(recipe, host, lambda: load_clone(recipe.sft, host), Shard(1, 2)) == merged
    )
    assert part.read_bytes().startswith(before)
    assert merged.read_bytes() == whole
    counts = json.loads((recipe.output_dir / "candidates.json").read_text())["counts"]
    assert counts["prompts"] == len(whole.splitlines())
