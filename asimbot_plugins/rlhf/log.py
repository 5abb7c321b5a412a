"""What a run wrote down: one JSON line a step, and what ``asimbot train`` shows meanwhile."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from asimbot_plugins.paths import write_text
from asimbot_plugins.sft.axolotl_names import PROGRESS_FILE

LOG = "rlhf.jsonl"
"""In the output folder. Rows have ``step``, ``seconds`` (of this run so far) and ``kind``:
``train`` (the trainer's numbers), ``look`` (against the SFT clone) or ``note`` (``text``)."""


class RunLog:
    """Appends rows to ``<folder>/rlhf.jsonl``; only the first process writes.

    ``resumed_step`` is None for a run from the start: an old log goes. Otherwise rows after
    that step are cut off, because the run makes them again.
    """

    def __init__(self, folder: Path, resumed_step: int | None = None) -> None:
        self.path = folder / LOG
        self.first = int(os.environ.get("RANK", "0")) == 0
        self._started = time.monotonic()
        if self.first:
            kept = [] if resumed_step is None else read_log(folder)
            lines = [json.dumps(row) for row in kept if row["step"] <= (resumed_step or 0)]
            write_text(self.path, "".join(line + "\n" for line in lines))

    def add(self, kind: str, step: int, **values: Any) -> None:
        """Numbers are kept to six digits; others must be text, and not finite ones become null."""
        if not self.first:
            return
        row = {"step": step, "kind": kind, "seconds": round(time.monotonic() - self._started, 1)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {k: _short(v) for k, v in values.items()}) + "\n")

    def note(self, step: int, text: str) -> None:
        """A line for people: in the log, above the progress bar and on standard error."""
        self.add("note", step, text=text)
        say(text)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log; a last line that a killed process left is not one of them."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def report_progress(**values: Any) -> None:
    """Appends one JSON line to the file that ``asimbot train`` watches, if there is one."""
    path = os.environ.get(PROGRESS_FILE)
    if path and int(os.environ.get("RANK", "0")) == 0:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), **values}) + "\n")


def say(line: str) -> None:
    """One line of ours, in the first process only."""
    if int(os.environ.get("RANK", "0")) == 0:
        report_progress(say=line)
        print(f"asimbot: {line}", file=sys.stderr, flush=True)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
