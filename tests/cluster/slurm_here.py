"""A real SLURM on this machine: munged, slurmctld and slurmd on loopback, one node."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")

CONF = """
ClusterName=asimbot
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
SlurmctldPort={ctld}
SlurmdPort={d}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_min_interval=100000,sched_interval=2,bf_interval=2
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing() -> list[str]:
    return [name for name in DAEMONS if shutil.which(name, path=PATH) is None]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """The daemons run inside the block; yields the environment for ``sbatch`` and friends.

    ``folder`` should have a short path, because sockets live in it.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    conf = folder / "slurm.conf"
    conf.write_text(
        CONF.format(user=getpass.getuser(), folder=folder, ctld=_free_port(), d=_free_port()),
        encoding="utf-8",
    )
    environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(conf)}
    munged = ["munged", "--foreground", f"--key-file={key}", f"--socket={folder}/munge.sock"]
    munged += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
    commands = (
        [*munged, "--num-threads=2"],
        ["slurmctld", "-D", "-f", str(conf)],
        ["slurmd", "-D", "-f", str(conf), "-N", "localhost"],
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "daemons.log").open("wb") as log:
            for command in commands:
                started.append(
                    subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
                )
                if command[0] == "munged":
                    _wait(lambda: (folder / "munge.sock").exists(), 20, folder)
        _wait(lambda: "idle" in _sinfo(environment), 60, folder)
        yield environment
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
        for process in reversed(started):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()


def _sinfo(environment: dict[str, str]) -> str:
    return subprocess.run(
        ["sinfo", "-h"], env=environment, capture_output=True, text=True, check=False
    ).stdout


def _wait(condition: object, seconds: float, folder: Path) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.2)
    logs = "\n".join(
        path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.log"))
    )
    raise AssertionError(f"the daemons did not come up in {seconds} s:\n{logs}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def state(job: str, environment: dict[str, str]) -> str:
    """The job's state, e.g. ``COMPLETED``; for an array the states of its tasks, joined."""
    shown = subprocess.run(
        ["scontrol", "show", "job", job, "--oneliner"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = {part.split("=")[1] for part in shown.split() if part.startswith("JobState=")}
    return "+".join(sorted(found))


def wait_for(job: str, wanted: str, environment: dict[str, str], seconds: float) -> None:
    """Waits until the job's state is ``wanted``; fails at once if the job failed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = state(job, environment)
        if now == wanted:
            return
        assert not any(bad in now for bad in ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")), now
        time.sleep(0.5)
    raise AssertionError(f"job {job} is {state(job, environment)}, not {wanted}")
