"""Supervised fine-tuning: runs Axolotl on the recipe and shows what a person wants to see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from asimbot_plugins.axolotl_names import PROGRESS_FILE
from asimbot_plugins.errors import UserError
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.terminal import progress_bar

LOG = "train.log"


@dataclass
class TrainingRun:
    """What a finished run reported: losses by step."""

    train_loss: list[tuple[int, float]] = field(default_factory=list)
    heldout_loss: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0


def train(recipe: Recipe, *, verbose: bool = False, extra: Sequence[str] = ()) -> TrainingRun:
    """Trains with Axolotl in a process of its own; noise goes to ``<output_dir>/train.log``.

    ``extra`` are further arguments of Axolotl's command line. Raises UserError with one line
    if the run fails; what it saved stays.
    """
    recipe.output_dir.mkdir(parents=True, exist_ok=True)
    log = recipe.output_dir / LOG
    with tempfile.TemporaryDirectory(prefix="asimbot-") as folder:
        progress = Path(folder) / "progress.jsonl"
        progress.touch()
        # Axolotl reads a file: give it the flattened one, so that overrides reach it too.
        flat = Path(folder) / recipe.path.name
        flat.write_text(yaml.safe_dump(recipe.data, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "axolotl.cli.train", str(flat), *extra]
        with log.open("w", encoding="utf-8") as sink:
            process = subprocess.Popen(
                command,
                stdout=None if verbose else sink,
                stderr=None if verbose else subprocess.STDOUT,
                env=quiet_environment(progress),
            )
            try:
                run = _watch(process, progress)
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
                raise
        if process.returncode != 0:
            raise _failure(process.returncode, progress, log, recipe)
    return run


def quiet_environment(progress: Path) -> dict[str, str]:
    """The environment of a training process: telemetry off, no noise, one thread a core."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(physical_cores())
    return {
        **os.environ,
        "AXOLOTL_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "WANDB_MODE": os.environ.get("WANDB_MODE", "disabled"),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": "1",
        PROGRESS_FILE: str(progress),
    }


def physical_cores() -> int:
    """Cores this process may use; more threads than that make training slower, not faster."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _watch(process: subprocess.Popen[bytes], progress: Path) -> TrainingRun:
    run = TrainingRun()
    started = time.monotonic()
    note = ""
    with progress_bar("training", None) as bar:
        for event in _events(process, progress):
            if "say" in event:
                bar.note_line(event["say"])
            if "loss" in event:
                run.train_loss.append((event["step"], event["loss"]))
                note = f"loss {event['loss']:.3f}"
            if "eval_loss" in event:
                run.heldout_loss.append((event["step"], event["eval_loss"]))
                note = f"held-out loss {event['eval_loss']:.3f}"
            if "steps" in event:
                bar.show(event["step"], note, total=event["steps"])
    run.seconds = time.monotonic() - started
    return run


def _events(process: subprocess.Popen[bytes], progress: Path) -> Iterator[dict[str, Any]]:
    with progress.open(encoding="utf-8") as file:
        buffer = ""
        while True:
            ended = process.poll() is not None
            buffer += file.read()
            *lines, buffer = buffer.split("\n")
            for line in lines:
                if line:
                    yield json.loads(line)
            if ended:
                return
            time.sleep(0.2)


def _failure(status: int, progress: Path, log: Path, recipe: Recipe) -> UserError:
    events = [json.loads(line) for line in progress.read_text("utf-8").splitlines() if line]
    told = [event["error"] for event in events if "error" in event]
    if told:
        return UserError(told[-1])
    last = deque(
        (line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()),
        maxlen=1,
    )
    what = f"training stopped with status {status}"
    if last:
        what += f" ({last[0][:300]})"
    return UserError(
        what,
        f"the log is {log}; checkpoints stay in {recipe.output_dir}, the same command goes on "
        "from the last one if the recipe sets auto_resume_from_checkpoints",
    )
