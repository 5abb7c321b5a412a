"""Replies to a file of prompts, by any number of processes, stopped and started at will.

Prompts are put into batches once, by length, for the whole file; a process draws every n-th
batch. What a batch yields depends on the batch and its seed alone, so the replies are the same
for one process and for a hundred. Each batch is a file of its own, there or not there: after a
kill the same command draws what is missing. Whoever finds all of them writes the result.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import read_jsonl, write_json, write_jsonl

Draw = Callable[[Sequence[str], int], list[list[list[str]]]]
"""(prompts, seed) -> for each prompt its replies, each a list of messages."""


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 0) of ``count``."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise UserError(
                f"shard {self.index}/{self.count} does not exist",
                f"shards of {self.count} count from 0/{self.count}",
            )


def parse_shard(text: str) -> Shard:
    """``"3/8"`` → the fourth of eight. Raises UserError for anything else."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit()):
        raise UserError(f"--shard {text!r} is not of the form I/N, with I from 0 to N-1")
    return Shard(int(index), int(count))


def shard_of(environment: Mapping[str, str] = os.environ) -> Shard:
    """The part of this process: its SLURM array task, and within that its rank.

    Ranks come from torchrun (RANK of WORLD_SIZE), else from srun (SLURM_PROCID of
    SLURM_STEP_NUM_TASKS); without any of them the process has everything.
    """

    def number(key: str, default: int) -> int:
        return int(environment.get(key) or default)

    first, step = number("SLURM_ARRAY_TASK_MIN", 0), number("SLURM_ARRAY_TASK_STEP", 1)
    task = (number("SLURM_ARRAY_TASK_ID", first) - first) // step
    tasks = number("SLURM_ARRAY_TASK_COUNT", 1)
    if "WORLD_SIZE" in environment:
        rank, world = number("RANK", 0), number("WORLD_SIZE", 1)
    else:
        rank, world = number("SLURM_PROCID", 0), number("SLURM_STEP_NUM_TASKS", 1)
    return Shard(task * world + rank, tasks * world)


def read_prompts(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, each with a ``prompt`` that is a non-empty string.

    Raises UserError naming the first line that is not so.
    """
    try:
        rows = list(read_jsonl(path))
    except OSError as error:
        raise UserError(f"can't read the prompts {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON Lines: {error}", "one JSON object a line") from None
    for i, row in enumerate(rows):
        prompt = row.get("prompt") if isinstance(row, dict) else None
        if not isinstance(prompt, str) or not prompt.strip():
            raise UserError(
                f"{path}: row {i + 1} has no prompt",
                'rows look like {"prompt": "<USR_A> hi <SYS>"}',
            )
    if not rows:
        raise UserError(f"{path} holds no prompts")
    return rows


class Job:
    """Prompts, the settings that decide their replies, and the file that will hold these.

    ``settings`` must name everything else that the replies depend on (model, sampling, seed);
    batches drawn with other settings are never mixed in.
    """

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        out: Path,
        *,
        settings: dict[str, Any],
        seed: int,
        batch_size: int,
    ) -> None:
        self.rows = rows
        self.out = out
        self.settings = {**settings, "seed": seed, "batch_size": batch_size, "rows": len(rows)}
        self.seed = seed
        text = json.dumps([self.settings, list(rows)], sort_keys=True)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.parts = out.with_name(f"{out.name}.parts") / self.fingerprint
        self.meta = out.with_name(f"{out.name}.meta.json")
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i]["prompt"]), i))
        self.batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]

    def is_done(self) -> bool:
        """Whether the result of exactly this job is there."""
        try:
            stored = json.loads(self.meta.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return self.out.is_file() and stored.get("fingerprint") == self.fingerprint

    def missing(self, shard: Shard = Shard()) -> list[int]:
        """Numbers of the shard's batches that were not drawn yet."""
        mine = range(shard.index, len(self.batches), shard.count)
        return [b for b in mine if not self._file(b).is_file()]

    def draw(
        self, draw: Draw, shard: Shard = Shard(), progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Draws the shard's missing batches; ``progress`` is told the batches done after each."""
        for done, batch in enumerate(self.missing(shard), start=1):
            members = self.batches[batch]
            seed = zlib.crc32(f"{self.seed}:{batch}".encode())
            replies = draw([self.rows[i]["prompt"] for i in members], seed)
            write_jsonl(
                self._file(batch),
                (
                    {"index": i, **self.rows[i], "replies": drawn}
                    for i, drawn in zip(members, replies, strict=True)
                ),
            )
            progress(done)

    def finish(self) -> bool:
        """Writes the result, in the order of the prompts, if every batch is there.

        Returns whether the result is there. Safe to call from several processes at once.
        """
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.out.with_name(f".{self.out.name}.lock")):
            if self.is_done():
                return True
            if self.missing():
                return False
            rows = [row for b in range(len(self.batches)) for row in read_jsonl(self._file(b))]
            write_jsonl(self.out, sorted(rows, key=lambda row: row["index"]))
            write_json(self.meta, {"fingerprint": self.fingerprint, **self.settings})
            shutil.rmtree(self.parts.parent)
        return True

    def _file(self, batch: int) -> Path:
        return self.parts / f"{batch:07d}.jsonl"
