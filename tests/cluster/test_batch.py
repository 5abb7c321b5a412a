"""Sharded generation: same replies however it is split, exact after a kill, ordered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from asimbot_plugins.errors import UserError
from asimbot_plugins.generation.batch import Job, Shard, parse_shard, read_prompts, shard_of

ROWS = [{"prompt": "x" * (1 + (i * 7) % 10) + f" {i}", "id": f"row-{i}"} for i in range(23)]


def draw(prompts: Sequence[str], seed: int) -> list[list[list[str]]]:
    """A model whose replies depend on the prompt, the seed and its neighbours in the batch."""
    return [[[f"{prompt}|{seed}|{len(prompts)}"]] for prompt in prompts]


def make(folder: Path, **changes: object) -> Job:
    arguments = {"settings": {"clone": "a"}, "seed": 5, "batch_size": 4, **changes}
    return Job(ROWS, folder / "out.jsonl", **arguments)  # type: ignore[arg-type]


def whole(folder: Path) -> str:
    job = make(folder)
    job.draw(draw)
    assert job.finish()
    return (folder / "out.jsonl").read_text("utf-8")


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_any_number_of_shards_in_any_order_gives_the_same_file(count: int, tmp_path: Path) -> None:
    expected = whole(tmp_path / "one")
    for index in reversed(range(count)):
        job = make(tmp_path / "many")
        assert not job.is_done()
        job.draw(draw, Shard(index, count))
        # 23 prompts are 6 batches: with 50 shards, the last to have work is shard 0.
        assert job.finish() == (index == 0)
    assert (tmp_path / "many" / "out.jsonl").read_text("utf-8") == expected
    assert not (tmp_path / "many" / "out.jsonl.parts").exists()


def test_the_result_is_in_order_and_keeps_every_key(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in whole(tmp_path).splitlines()]
    assert [row["index"] for row in rows] == list(range(23))
    assert [{"prompt": row["prompt"], "id": row["id"]} for row in rows] == ROWS
    assert rows[3]["replies"][0][0].startswith(f"{ROWS[3]['prompt']}|")


def test_after_a_stop_only_what_is_missing_is_drawn(tmp_path: Path) -> None:
    expected = whole(tmp_path / "one")
    calls = 0

    def dies(prompts: Sequence[str], seed: int) -> list[list[list[str]]]:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return draw(prompts, seed)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path).draw(dies)
    assert len(make(tmp_path).missing()) == 3
    drawn: list[int] = []
    job = make(tmp_path)
    job.draw(draw, progress=drawn.append)
    assert drawn == [1, 2, 3]
    assert job.finish()
    assert (tmp_path / "out.jsonl").read_text("utf-8") == expected


@pytest.mark.parametrize(
    "changes", [{"seed": 6}, {"batch_size": 5}, {"settings": {"clone": "b"}}], ids=str
)
def test_batches_of_other_settings_are_never_mixed_in(
    changes: dict[str, object], tmp_path: Path
) -> None:
    make(tmp_path).draw(draw, Shard(0, 2))
    other = make(tmp_path, **changes)
    assert len(other.missing()) == len(other.batches)
    make(tmp_path).draw(draw)
    assert make(tmp_path).finish()
    assert not make(tmp_path, **changes).is_done()
    assert make(tmp_path).is_done()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Shard(0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "4"}, Shard(3, 4)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, Shard(1, 2)),
        ({"RANK": "0", "WORLD_SIZE": "2", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"},
         Shard(0, 2)),
        ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "4"},
         Shard(1, 4)),
        ({"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_MIN": "2", "SLURM_ARRAY_TASK_STEP": "2",
          "SLURM_ARRAY_TASK_COUNT": "3", "RANK": "1", "WORLD_SIZE": "2"}, Shard(5, 6)),
    ],
)  # fmt: skip
def test_a_process_finds_its_shard(environment: dict[str, str], expected: Shard) -> None:
    assert shard_of(environment) == expected


def test_a_shard_by_hand() -> None:
    assert parse_shard("3/8") == Shard(3, 8)
    for bad in ("8/8", "3", "-1/2", "a/b", "0/0"):
        with pytest.raises(UserError):
            parse_shard(bad)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no prompts"),
        ('{"prompt": "a"}\n{"text": "b"}\n', "row 2 has no prompt"),
        ('{"prompt": ""}\n', "row 1 has no prompt"),
        ("hello\n", "not JSON Lines"),
    ],
)
def test_a_bad_file_of_prompts_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_prompts(path)
    with pytest.raises(UserError, match="can't read"):
        read_prompts(tmp_path / "none.jsonl")
