"""The shipped batch scripts on a real SLURM: two tasks, preemption, an array that merges."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm_here
from cluster_tiny import adapter, losses, write_recipe
from tiny import ROOT

pytestmark = pytest.mark.slow

SCRIPTS = ROOT / "recipes" / "slurm"


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    missing = slurm_here.missing()
    assert not missing, f"{missing} are not installed: run tools/system_packages.sh"
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        slurm_here.running(Path(folder)) as environment,
    ):
        environment |= {
            "OMP_NUM_THREADS": "1",
            "ASIMBOT": f"{sys.executable} -m asimbot_plugins.cli",
            "ASIMBOT_NPROC": "1",
        }
        yield environment


def sbatch(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["sbatch", "--parsable", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def output(folder: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("*.log")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_gemma: Path) -> Path:
    """A working folder with a long recipe; nobody ran anything in it yet."""
    folder = tmp_path_factory.mktemp("cluster")
    write_recipe(folder, tiny_gemma, num_epochs=100)
    return folder


@pytest.fixture(scope="module")
def jobs(slurm: dict[str, str], folder: Path) -> dict[str, str]:
    """Everything queued at once; SLURM does the rest on this machine's two cores."""
    script, recipe = str(SCRIPTS / "stage.sbatch"), str(folder / "asim_sft.yml")
    prompts = folder / "prompts.jsonl"
    prompts.write_text(
        "".join(json.dumps({"prompt": f"<USR_A> bread {i} <SYS>"}) + "\n" for i in range(10)),
        encoding="utf-8",
    )

    def stage(out: str, *more: str) -> tuple[str, ...]:
        return (script, recipe, "--set", f"output_dir={folder / out}", *more)

    queued = {"preempted": sbatch(slurm, folder, *stage("preempted"))}
    queued["whole"] = sbatch(slurm, folder, *stage("whole"))
    short = ("--set", "num_epochs=4", "--set", "gradient_accumulation_steps=1")
    queued["two"] = sbatch(slurm, folder, "--ntasks-per-node=2", *stage("two", *short))
    queued["array"] = sbatch(
        {**slurm, "ASIMBOT_COMMAND": "generate"},
        folder,
        "--array=0-1",
        f"--dependency=afterok:{queued['whole']}",
        str(SCRIPTS / "preferences.sbatch"),
        recipe,
        *("--set", f"output_dir={folder / 'whole'}"),
        *("--prompts", str(prompts), "--out", str(folder / "replies.jsonl"), "--batch-size", "3"),
    )
    return queued


def test_a_preempted_job_saves_goes_back_into_the_queue_and_resumes(
    slurm: dict[str, str], jobs: dict[str, str], folder: Path
) -> None:
    log = folder / "preempted" / "train.log"
    end = time.monotonic() + 300
    while not (log.is_file() and len(losses(log.read_text("utf-8"))) >= 5):
        assert time.monotonic() < end, output(folder)
        time.sleep(0.2)
    # What slurmctld itself sends for `--signal=B:USR1@180`.
    subprocess.run(
        ["scancel", "--batch", "--signal=USR1", jobs["preempted"]], env=slurm, check=True
    )
    slurm_here.wait_for(jobs["preempted"], "COMPLETED", slurm, 400)
    said = output(folder)
    assert "a checkpoint is saved; back into the queue" in said
    assert f"job {jobs['preempted']}, start 2" in said
    (checkpoint,) = (folder / "preempted").glob("checkpoint-*")
    stopped_at = int(checkpoint.name.removeprefix("checkpoint-"))
    # The second start wrote a new log: it holds the steps after the checkpoint, and no others.
    slurm_here.wait_for(jobs["whole"], "COMPLETED", slurm, 400)
    whole = losses((folder / "whole" / "train.log").read_text("utf-8"))
    assert 5 <= stopped_at < len(whole) == 300
    assert losses(log.read_text("utf-8")) == pytest.approx(whole[stopped_at:], abs=2e-3)


def test_after_a_resume_the_adapter_is_that_of_an_uninterrupted_run(
    slurm: dict[str, str], jobs: dict[str, str], folder: Path
) -> None:
    import torch

    slurm_here.wait_for(jobs["preempted"], "COMPLETED", slurm, 400)
    expected = adapter(folder / "whole")
    found = adapter(folder / "preempted")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-4, rtol=1e-3, msg=name)


def test_two_tasks_train_together(
    slurm: dict[str, str], jobs: dict[str, str], folder: Path
) -> None:
    slurm_here.wait_for(jobs["two"], "COMPLETED", slurm, 400)
    two = losses((folder / "two" / "train.log").read_text("utf-8"))
    # 24 rows, 2 × 4 a step, 4 epochs. A task that trained alone would need 24 steps.
    assert len(two) == 12
    assert (folder / "two" / "train-node1.log").is_file()
    whole = losses((folder / "whole" / "train.log").read_text("utf-8"))
    assert two[0] == pytest.approx(whole[0], abs=1e-3)
    assert len(adapter(folder / "two")) == 9


def test_an_array_generates_and_the_last_task_merges(
    slurm: dict[str, str], jobs: dict[str, str], folder: Path
) -> None:
    slurm_here.wait_for(jobs["array"], "COMPLETED", slurm, 400)
    rows = [json.loads(line) for line in (folder / "replies.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(10))
    assert [row["prompt"] for row in rows] == [f"<USR_A> bread {i} <SYS>" for i in range(10)]
    assert all(len(row["replies"]) == 1 for row in rows)
    assert not (folder / "replies.jsonl.parts").exists()
    said = output(folder)
    assert "shard 0/2" in said and "shard 1/2" in said
