"""What a recipe's ``deepspeed:`` key asks for, and which stages can do it.

Nothing here loads torch. ZeRO: Rajbhandari et al. 2020, arXiv:1910.02054.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from asimbot_plugins.errors import UserError


class Zero(NamedTuple):
    """``stage`` 0: none; 1: the optimizer's states are split over the processes; 2: gradients
    too; 3: the weights too. What is offloaded lies in RAM instead of on the GPU."""

    stage: int = 0
    offload_optimizer: bool = False
    offload_weights: bool = False


def zero_of(data: Mapping[str, Any]) -> Zero:
    """Of a flattened recipe's keys. Raises UserError if the file it names can't be read."""
    named = data.get("deepspeed")
    if not named:
        return Zero()
    try:
        settings = named if isinstance(named, dict) else json.loads(Path(str(named)).read_text())
        zero = settings.get("zero_optimization", {})
        return Zero(int(zero.get("stage", 0)), "offload_optimizer" in zero, "offload_param" in zero)
    except (OSError, ValueError, AttributeError):
        raise UserError(f"deepspeed: can't read {named}", "see recipes/deepspeed") from None


def zero_problems(data: Mapping[str, Any], stage: str) -> list[str]:
    """Why a recipe of this stage can't run as its ``deepspeed`` and ``fsdp`` keys say."""
    try:
        zero_of(data)
    except UserError as error:
        return [str(error)]
    if stage == "ppo" and data.get("deepspeed"):
        return [
            "deepspeed: PPO steps its optimizer itself, which DeepSpeed does not let it: "
            "remove the key; 'asimbot train --nproc N' works without"
        ]
    if stage in ("reward", "dpo", "grpo") and data.get("fsdp"):
        return ["fsdp: looks and reports do not work on split weights: use deepspeed instead"]
    return []
