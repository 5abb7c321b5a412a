"""Two processes against one: DDP, every DeepSpeed file over gloo, and runs that must stop."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cluster_tiny import DEEPSPEED, adapter, asimbot, losses, run, write_recipe
from tiny import ROOT

pytestmark = pytest.mark.slow

# Adam divides by the root of the squared gradient: where that is tiny, the order in which
# processes add up shows in the last digits of a weight.
CLOSE = {"atol": 2e-4, "rtol": 1e-3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_gemma: Path) -> Path:
    folder = tmp_path_factory.mktemp("two")
    write_recipe(folder, tiny_gemma, num_epochs=4)
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    """One process: two accumulated batches of 4 rows a step."""
    done = asimbot("train", str(folder / "asim_sft.yml"))
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.mark.parametrize("strategy", ["ddp", "zero2", "zero3", "zero2_offload", "zero3_offload"])
def test_two_processes_do_what_one_does(strategy: str, alone: Path, folder: Path) -> None:
    """Two processes, one batch of 4 rows each: the same 8 rows a step."""
    import torch

    out = folder / strategy
    arguments = [f"output_dir={out}", "gradient_accumulation_steps=1"]
    if strategy != "ddp":
        arguments.append(f"deepspeed={DEEPSPEED / strategy}.json")
    overrides = [part for argument in arguments for part in ("--set", argument)]
    done = asimbot("train", str(folder / "asim_sft.yml"), "--nproc", "2", *overrides)
    assert done.returncode == 0, done.stderr

    expected = losses((alone / "train.log").read_text("utf-8"))
    found = losses((out / "train.log").read_text("utf-8"))
    assert len(expected) == 12 and expected[-1] < expected[0]
    assert found == pytest.approx(expected, abs=1e-3)

    one, two = adapter(alone), adapter(out)
    assert {name: tensor.shape for name, tensor in two.items()} == {
        name: tensor.shape for name, tensor in one.items()
    }
    assert sum("token_adapter" in name for name in two) == 1
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, msg=name, **CLOSE)
    assert json.loads((out / "asimbot.json").read_text("utf-8"))["base_model"]


SLOW = """
import time
from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback
class Wait(TrainerCallback):
    def on_step_end(self, *_, **__):
        time.sleep(0.5)
class Slow(BasePlugin):
    def add_callbacks_post_trainer(self, cfg, trainer):
        return [Wait()]
"""


def test_a_run_of_two_processes_that_was_killed_goes_on(
    folder: Path, alone: Path, tmp_path: Path
) -> None:
    """kill -9 of all its processes after a checkpoint of ZeRO-2; then ``--resume``."""
    out = tmp_path / "killed"
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    recipe = str(folder / "asim_sft.yml")
    settings = [f"output_dir={out}", "gradient_accumulation_steps=1", "save_strategy=steps"]
    settings += ["save_steps=3", f"deepspeed={DEEPSPEED / 'zero2.json'}"]
    overrides = [part for setting in settings for part in ("--set", setting)]
    slowly = ["--set", "plugins=[slow.Slow, asimbot_plugins.axolotl_adapter.AsimbotPlugin]"]
    two = ["--nproc", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "asimbot_plugins.cli", "train", recipe, *two, *overrides, *slowly],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)},
    )
    try:
        end = time.monotonic() + 300
        while not list(out.glob("checkpoint-*/trainer_state.json")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()
    assert len(family) >= 3  # torchrun and two that train
    assert not (out / "adapter_model.safetensors").exists()

    done = asimbot("train", recipe, *two, *overrides, "--resume")
    assert done.returncode == 0, done.stderr
    whole = losses((alone / "train.log").read_text("utf-8"))
    rest = losses((out / "train.log").read_text("utf-8"))
    assert 3 <= len(rest) <= len(whole) - 3
    assert rest == pytest.approx(whole[-len(rest) :], abs=2e-3)
    assert adapter(out).keys() == adapter(alone).keys()


def test_a_process_that_was_to_be_one_of_two_stops_in_one_line(folder: Path) -> None:
    done = run(
        "axolotl.cli.train",
        str(folder / "asim_sft.yml"),
        f"--output-dir={folder / 'lonely'}",
        ASIMBOT_WORLD_SIZE="2",
    )
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("asimbot:")]
    assert "2 processes were asked for" in line and "Traceback" not in done.stderr
    assert not (folder / "lonely").exists()


def test_an_adapter_that_comes_out_empty_is_refused(
    folder: Path, alone: Path, tmp_path: Path
) -> None:
    """Another plugin empties the file after it was saved, as ZeRO-3 did; a user sees one line."""
    (tmp_path / "emptier.py").write_text(
        "from pathlib import Path\n"
        "from axolotl.integrations.base import BasePlugin\n"
        "from safetensors.torch import load_file, save_file\n"
        "class Emptier(BasePlugin):\n"
        "    def post_train(self, cfg, model):\n"
        "        file = Path(cfg.output_dir) / 'adapter_model.safetensors'\n"
        "        if file.exists():\n"
        "            save_file({k: v.flatten()[:0] for k, v in load_file(file).items()}, file)\n",
        encoding="utf-8",
    )
    done = asimbot(
        "train",
        str(folder / "asim_sft.yml"),
        *("--set", "plugins=[emptier.Emptier, asimbot_plugins.axolotl_adapter.AsimbotPlugin]"),
        *("--set", f"output_dir={folder / 'emptied'}"),
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("asimbot:")]
    assert "is not complete" in line and "has shape [0] instead of" in line
    assert not (folder / "emptied" / "adapter_model.safetensors").exists()
    assert not (folder / "emptied" / "asimbot.json").exists()
