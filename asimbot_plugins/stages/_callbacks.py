"""Callbacks of the stages whose loop is transformers' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from asimbot_plugins.paths import write_json
from asimbot_plugins.rlhf.guards import check_finite
from asimbot_plugins.rlhf.log import RunLog, report_progress
from asimbot_plugins.stages._common import Watch, save_adapter

WATCH = "watch.json"
"""In a checkpoint: what the watch must know to go on."""


class LogCallback(TrainerCallback):
    """Writes the trainer's numbers into the run's log and tells ``asimbot train``."""

    def __init__(self, log: RunLog) -> None:
        self.log = log

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        report_progress(step=state.global_step, steps=state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        numbers = {k: v for k, v in (logs or {}).items() if isinstance(v, int | float)}
        self.log.add("train", state.global_step, **numbers)
        report_progress(step=state.global_step, steps=state.max_steps, **numbers)


class FiniteCallback(TrainerCallback):
    """Stops a run whose numbers are no longer numbers, before they get into a checkpoint."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        check_finite(state.global_step, logs or {}, "the last checkpoint is kept")


class WatchCallback(TrainerCallback):
    """Lets a ``Watch`` see every step of a trainer, and end its run."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
    ) -> None:
        stored = None
        if state.global_step:
            file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / WATCH
            stored = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        self.watch.begin(stored, lambda folder: save_adapter(self.watch.clone.model, folder))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.watch.check(state.global_step, logs or {})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        model = self.watch.clone.model
        if self.watch.after_step(state.global_step, lambda folder: save_adapter(model, folder)):
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            write_json(folder / WATCH, self.watch.state())
