"""Supervised fine-tuning: runs Axolotl on the recipe and shows what a person wants to see."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from asimbot_plugins.cluster.launch import (
    ALONE,
    STOP_FILE,
    WORLD_SIZE_ASKED,
    Group,
    drop_broken_checkpoints,
)
from asimbot_plugins.errors import UserError
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.sft.axolotl_names import PROGRESS_FILE
from asimbot_plugins.terminal import progress_bar

LOG = "train.log"
_ERROR = re.compile(r"(\[rank\d+\]: *)?[\w.]+(Error|Exception|Interrupt)\b")


@dataclass
class TrainingRun:
    """What a run reported: losses by step, and whether it was asked to stop before its end."""

    train_loss: list[tuple[int, float]] = field(default_factory=list)
    heldout_loss: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False


def train(
    recipe: Recipe,
    *,
    verbose: bool = False,
    extra: Sequence[str] = (),
    group: Group = ALONE,
    resume: bool = False,
) -> TrainingRun:
    """Trains with Axolotl in processes of its own; noise goes to ``<output_dir>/train.log``.

    ``extra`` are further arguments of Axolotl's command line. With ``resume`` the run goes on
    from its last whole checkpoint, if there is one. Signal USR1 makes it save a checkpoint and
    stop. Raises UserError with one line if the run fails; what it saved stays.
    """
    data = recipe.data
    if resume:
        data = {**data, "auto_resume_from_checkpoints": True}
        if group.node_rank == 0:
            drop_broken_checkpoints(recipe.output_dir)
    with tempfile.TemporaryDirectory(prefix="asimbot-") as folder:
        # Axolotl reads a file: give it the flattened one, so that overrides reach it too.
        flat = Path(folder) / recipe.path.name
        flat.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        arguments = ["-m", "axolotl.cli.train", str(flat), *extra]
        return run_module(recipe, arguments, verbose=verbose, group=group)


def run_module(
    recipe: Recipe, arguments: Sequence[str], *, verbose: bool = False, group: Group = ALONE
) -> TrainingRun:
    """Runs ``python <arguments>`` in each process of the group and shows how far it is.

    The module reports to the file named by ``PROGRESS_FILE``, as ``train`` describes.
    """
    recipe.output_dir.mkdir(parents=True, exist_ok=True)
    log = recipe.output_dir / (LOG if group.node_rank == 0 else f"train-node{group.node_rank}.log")
    with tempfile.TemporaryDirectory(prefix="asimbot-") as folder:
        progress = Path(folder) / "progress.jsonl"
        progress.touch()
        stop = Path(os.environ.get(STOP_FILE) or Path(folder) / "stop")
        command = [*group.launcher(), *arguments]
        with log.open("w", encoding="utf-8") as sink:
            process = subprocess.Popen(
                command,
                stdout=None if verbose else sink,
                stderr=None if verbose else subprocess.STDOUT,
                env={
                    **quiet_environment(progress, group.nproc),
                    WORLD_SIZE_ASKED: str(group.size),
                    STOP_FILE: str(stop),
                },
            )
            try:
                with _on_signal("SIGUSR1", stop.touch), _on_signal("SIGTERM", _leave):
                    run = _watch(process, progress)
            except BaseException:  # Ctrl-C, SIGTERM: the training ends with the command
                process.terminate()
                process.wait()
                raise
        run.stopped = process.returncode != 0 and Path(f"{stop}.saved").exists()
        if process.returncode != 0 and not run.stopped:
            raise _failure(process.returncode, progress, log, recipe)
    return run


@contextlib.contextmanager
def _on_signal(name: str, act: Callable[[], object]) -> Iterator[None]:
    """Calls ``act`` when the signal comes; does nothing where there is none, or in a thread."""
    number = getattr(signal, name, None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(number, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(number, previous)


def _leave() -> None:
    # As an exception, so that the training is taken along.
    sys.exit(128 + signal.SIGTERM)


def quiet_environment(progress: Path, nproc: int = 1) -> dict[str, str]:
    """The environment of a training process: telemetry off, no noise, one thread a core."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, physical_cores() // nproc))
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
    last = last_words(log)
    what = f"training stopped with status {status}" + (f" ({last})" if last else "")
    return UserError(
        what,
        f"the log is {log}; checkpoints stay in {recipe.output_dir}, the same command with "
        "--resume goes on from the last one",
    )


def last_words(log: Path) -> str:
    """The line of a log that says best why it ended: the last error, else the last line."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("====")]
    errors = [line for line in lines if _ERROR.match(line) and "ChildFailedError" not in line]
    return (errors or lines or [""])[-1][:300]
