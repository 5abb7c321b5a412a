"""Several processes that train one model: what has to hold, and what stops a run otherwise.

Launchers, accelerate and DeepSpeed have ways of starting two independent trainings, or one
process instead of two, or of saving an empty adapter, all with exit status 0. Facts about a
CPU were measured with accelerate 1.13, DeepSpeed 0.18 and torch 2.13.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asimbot_plugins.cluster.launch import WORLD_SIZE_ASKED
from asimbot_plugins.errors import UserError

ADAPTER_FILE = "adapter_model.safetensors"


def asked_world_size(environment: Mapping[str, str] = os.environ) -> int:
    """The number of processes that whoever started this one meant to train together.

    Raises UserError where the launcher's traces contradict each other, which is known before
    anything is loaded.
    """
    world = int(environment.get("WORLD_SIZE") or 1)
    ours = environment.get(WORLD_SIZE_ASKED)
    if ours is not None and int(ours) != world:
        raise UserError(
            f"{ours} processes were asked for, but this one was started as one of {world}",
            f"each would train alone: start with 'asimbot train --nproc {ours}' or torchrun",
        )
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS") or 1)
    if tasks > 1 and world < tasks:
        raise UserError(
            f"SLURM started {tasks} tasks, but this one was started as one of {world}",
            "each would train alone: let srun start torchrun, as recipes/slurm/stage.sbatch does",
        )
    # `accelerate launch --num_processes 2` without --multi_gpu starts one process on a CPU.
    by_accelerate = "ACCELERATE_MIXED_PRECISION" in environment and "MASTER_PORT" in environment
    if by_accelerate and "WORLD_SIZE" not in environment:
        raise UserError(
            "accelerate was asked for several processes, but it started one",
            "start with 'asimbot train --nproc N' or '--launcher torchrun -- --nproc_per_node N'",
        )
    return world


def fix_cpu_backend(deepspeed: bool) -> None:
    """Lets accelerate and DeepSpeed form one gloo group on machines without a GPU.

    Call before accelerate makes its state. Without this, accelerate sees no device and no
    backend and leaves every process alone; told to use the CPU it drops DeepSpeed.
    """
    import torch

    if torch.cuda.is_available():
        return
    if not deepspeed:
        if int(os.environ.get("WORLD_SIZE") or 1) > 1:
            os.environ["ACCELERATE_USE_CPU"] = "true"
        return
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from accelerate.state import PartialState
    from deepspeed.runtime.zero import stage_1_and_2

    original = PartialState._prepare_backend

    def prepare_backend(self: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        backend, kind = original(self, *args, **kwargs)
        with_deepspeed = os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
        return ("gloo" if backend is None and with_deepspeed else backend), kind

    PartialState._prepare_backend = prepare_backend
    # gloo's all_gather writes into views, which autograd refuses outside of no_grad.
    stage_1_and_2.all_gather_dp_groups = torch.no_grad()(stage_1_and_2.all_gather_dp_groups)


def gather_token_rows() -> None:
    """Lets PEFT copy the rows of new tokens out of an embedding that ZeRO-3 has split up.

    PEFT 0.20 has code for that, but asks Transformers whether ZeRO-3 is on at a moment when it
    says no, and the code needs CUDA: without this it reads an empty tensor.
    """
    from deepspeed.runtime.zero import GatheredParameters
    from peft.tuners.trainable_tokens.layer import TrainableTokensLayer

    original = TrainableTokensLayer.update_layer

    def update_layer(self: Any, *args: Any, **kwargs: Any) -> None:
        weight = self.get_base_layer().weight
        with GatheredParameters([weight], enabled=hasattr(weight, "ds_id")):
            original(self, *args, **kwargs)

    if original.__module__ != __name__:
        TrainableTokensLayer.update_layer = update_layer  # type: ignore[method-assign]


@contextlib.contextmanager
def whole(parameters: Iterable[Any]) -> Iterator[None]:
    """Within the block, parameters that ZeRO-3 has split up are whole in every process.

    All processes must enter it together.
    """
    split = [parameter for parameter in parameters if hasattr(parameter, "ds_id")]
    if not split:
        yield
        return
    from deepspeed.runtime.zero import GatheredParameters

    with GatheredParameters(split):
        yield


@contextlib.contextmanager
def loading_whole() -> Iterator[None]:
    """Within the block, Transformers loads models whole, whatever the run does with its own.

    After a ZeRO-3 config was made it splits up every model that it loads, those for judging
    too, which DeepSpeed never puts together again.
    """
    integration: Any = sys.modules.get("transformers.integrations.deepspeed")
    if integration is None:
        yield
        return
    config = integration._hf_deepspeed_config_weak_ref
    integration.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        integration._hf_deepspeed_config_weak_ref = config


def check_world(trainer: Any, say: Callable[[str], None] = lambda _: None) -> None:
    """Raises UserError unless the trainer's group has exactly the processes asked for."""
    asked = asked_world_size()
    found = int(trainer.accelerator.num_processes)
    if found != asked:
        raise UserError(
            f"{asked} processes were asked for, but the trainer's group has {found}",
            "nothing was trained; see docs/cluster.md for launchers that work",
        )
    if found > 1:
        say(f"{found} processes train together")


def expected_adapter(model: Any) -> dict[str, tuple[int, ...]]:
    """Name and full shape of each tensor that the saved adapter of a PEFT model must hold.

    Parameters that DeepSpeed has split over the processes count with their whole shape.
    """
    return {
        _saved_name(name): tuple(getattr(parameter, "ds_shape", parameter.shape))
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def _saved_name(name: str) -> str:
    name = name.removeprefix("module.")
    for part in (".modules_to_save.default", ".original_module", ".default"):
        name = name.replace(part, "")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")  # DoRA


def check_adapter(folder: Path, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raises UserError unless ``folder`` holds an adapter with exactly these tensors.

    Shapes must be equal and every number finite. A bad file is renamed to ``….incomplete``, so
    that nothing can load it.
    """
    file = folder / ADAPTER_FILE
    if not file.is_file():
        raise UserError(f"no adapter was saved in {folder}", "its checkpoints are kept")
    problem = adapter_problem(folder, expected)
    if problem:
        file.replace(file.with_suffix(".incomplete"))
        raise UserError(
            f"the adapter in {folder} is not complete: {problem}",
            "it was put aside as adapter_model.incomplete; the checkpoints are kept",
        )


def adapter_problem(folder: Path, expected: Mapping[str, tuple[int, ...]]) -> str:
    """What keeps the adapter in ``folder`` from being whole, in words; "" if nothing does."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / ADAPTER_FILE)
    except (SafetensorError, OSError) as error:
        return f"it can't be read ({error})"
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    missing = [name for name in expected if name not in shapes]
    if missing:
        return f"{len(missing)} of {len(expected)} tensors are missing ({missing[0]}, …)"
    for name, shape in expected.items():
        if shapes[name] != shape:
            return f"{name} has shape {list(shapes[name])} instead of {list(shape)}"
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            return f"{name} holds numbers that are not finite"
    return ""


def file_mark(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written anew; None if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
