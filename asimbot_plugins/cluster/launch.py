"""Starting one training in several processes, on one machine or on several."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from asimbot_plugins.errors import UserError

WORLD_SIZE_ASKED = "ASIMBOT_WORLD_SIZE"
"""Environment variable that tells each process how many there should be."""

STOP_FILE = "ASIMBOT_STOP_FILE"
"""Environment variable with a path: once a file is there, training saves a checkpoint and stops.

The file is then renamed to ``….saved``, so that a stop in order differs from a failure.
"""

STOPPED = 75
"""Exit status of a run that was asked to stop and saved (sysexits.h EX_TEMPFAIL: try again)."""


@dataclass(frozen=True)
class Group:
    """``nproc`` processes on each of ``nodes`` machines; this is machine ``node_rank``.

    ``head`` is ``HOST:PORT`` of machine 0, where all of them meet; one machine needs none.
    """

    nproc: int = 1
    nodes: int = 1
    node_rank: int = 0
    head: str = ""

    def __post_init__(self) -> None:
        if self.nproc < 1 or self.nodes < 1:
            raise UserError("--nproc and --nodes must be at least 1")
        if self.nodes > 1 and not self.head.rpartition(":")[2].isdigit():
            raise UserError("several nodes need a place to meet", "add --head HOST:PORT")
        if not 0 <= self.node_rank < self.nodes:
            raise UserError(f"--node-rank {self.node_rank} is not one of {self.nodes} nodes")

    @property
    def size(self) -> int:
        """Processes in all."""
        return self.nproc * self.nodes

    def launcher(self) -> list[str]:
        """The start of a command ``… -m MODULE`` that runs a module in every process."""
        if self.size == 1:
            return [sys.executable]
        torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={self.nproc}"]
        if self.nodes == 1:
            return [*torchrun, "--standalone"]
        host, _, port = self.head.rpartition(":")
        return [
            *torchrun,
            f"--nnodes={self.nodes}",
            f"--node-rank={self.node_rank}",
            f"--master-addr={host}",
            f"--master-port={port}",
        ]


ALONE = Group()


def drop_broken_checkpoints(folder: Path) -> None:
    """Removes checkpoints that a killed run left unfinished.

    A whole one has ``trainer_state.json``, which is written last.
    """
    for checkpoint in folder.glob("checkpoint-*"):
        if checkpoint.is_dir() and not (checkpoint / "trainer_state.json").is_file():
            shutil.rmtree(checkpoint, ignore_errors=True)
