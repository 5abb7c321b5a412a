"""What a person sees: our lines, one progress bar, no library noise."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console

console = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """One line of ours on standard error."""
    console.print(line, markup=False)


def quiet_libraries() -> None:
    """Silences the libraries of this process; call before they are imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"
    import logging
    import warnings

    warnings.simplefilter("ignore")
    for name in (
        "torchao",
        "torch.utils._pytree",
        "deepspeed",
        "transformers",
        "DeepSpeed",
        "bitsandbytes",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def library_noise_hidden() -> Iterator[None]:
    """Within the block nothing that a library prints is seen; our ``console`` still is.

    Works on the file descriptors, because compiled code and progress bars don't ask Python.
    If the block fails, the noise is dropped: the exception says what matters.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    own = os.fdopen(os.dup(2), "w")
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        console.file = own
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        console.file = None  # type: ignore[assignment]  # back to whatever standard error is
        own.close()
        for descriptor in (*saved, sink):
            os.close(descriptor)


def progress_bar(description: str, total: int | None) -> Any:
    """A rich progress bar on our console; use it as a context manager.

    ``bar.show(done, note)`` moves it.
    """
    return _Bar(description, total)


def stages_bar() -> Any:
    """A progress bar for each of several stages; use it as a context manager.

    ``bar.show(stage, done, total)`` moves the one of a stage; it appears when it is first named.
    """
    return _Stages()


class _Stages:
    def __init__(self) -> None:
        self._progress = _new_progress()
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Stages:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total, note="")
        self._progress.update(self._tasks[stage], completed=done, total=total)


def _new_progress() -> Any:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("elapsed, left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


class _Bar:
    def __init__(self, description: str, total: int | None) -> None:
        self._progress = _new_progress()
        self._task = self._progress.add_task(description, total=total, note="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done: int, note: str = "", total: int | None = None) -> None:
        changes: dict[str, Any] = {"completed": done, "note": note}
        if total is not None:
            changes["total"] = total
        self._progress.update(self._task, **changes)

    def note_line(self, line: str) -> None:
        """A line above the bar that stays."""
        self._progress.console.print(f"  {line}", markup=False)
