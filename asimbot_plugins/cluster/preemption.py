"""Leaving in order when the machine is taken away: save a checkpoint, say so, stop.

A process is asked by a file (``launch.STOP_FILE``), which also reaches processes behind
torchrun and on other nodes; torchrun itself dies of a signal like USR1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from asimbot_plugins.cluster.launch import STOP_FILE, STOPPED


class PreemptionCallback(TrainerCallback):
    """Saves a checkpoint after the step at which any process was asked to stop, then exits."""

    def __init__(self, say: Any = lambda _: None) -> None:
        self.stopping = False
        self.say = say
        named = os.environ.get(STOP_FILE)
        self.file = Path(named) if named else None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.file is None or state.global_step >= state.max_steps:
            return  # after the last step the run ends anyway: let it finish
        if _anywhere(self.file.exists()):
            self.stopping = True
            control.should_save = True
            control.should_evaluate = False

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not self.stopping or self.file is None:
            return
        _barrier()
        # Here, not at the end of training: Axolotl would save a half-trained adapter as final.
        if state.is_world_process_zero:
            self.file.touch()
            self.file.rename(f"{self.file}.saved")
            self.say(f"asked to stop: checkpoint of step {state.global_step} saved")
        _barrier()
        sys.stdout.flush()
        sys.stderr.flush()
        sys.exit(STOPPED)


def _anywhere(flag: bool) -> bool:
    """Whether the flag is set in any process; the same answer in all of them."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return flag
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    votes = torch.tensor([int(flag)], device=device)
    dist.all_reduce(votes, op=dist.ReduceOp.MAX)
    return bool(votes.item())


def _barrier() -> None:
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()
