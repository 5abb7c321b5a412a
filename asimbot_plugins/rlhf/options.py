"""Recipe block ``asimbot.rlhf`` and the top-level keys of the stages that run on TRL.

Nothing here loads torch: ``asimbot check`` reads a generated list of TRL's keys
(``data/trl_keys.json``, written by ``tools/make_trl_keys.py``).
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

STAGES = ("reward", "dpo", "ppo", "grpo")
"""Stages that run on TRL, in the order in which they follow each other."""

LORA_KEYS = {
    "lora_r": "int",
    "lora_alpha": "int",
    "lora_dropout": "float",
    "lora_target_modules": "list[str]",
}
"""Keys of the fresh LoRA; they have Axolotl's names, as in the SFT recipes."""


class RLHF(BaseModel):
    """How a policy is watched while it trains, and what it is rewarded for.

    KL is in nats a reply: the mean over drawn replies of log π(reply) − log π_SFT(reply).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pairs_heldout: float = Field(default=0.15, gt=0, lt=1)
    """Share of the prompts of the training part that no stage trains on: they decide which
    checkpoint is kept, and how accurate the reward model is."""
    balance_lengths: bool = False
    """Keep as many pairs where the longer reply won as where the shorter one did."""
    min_margin: float = Field(default=0.0, ge=0)
    """Pairs whose judge's scores differ by less are left out."""

    reward: Literal["model", "judge"] = "model"
    """What PPO and GRPO are rewarded by: the reward model, or the recipe's judge itself."""
    reward_clip: float | None = Field(default=3.0, gt=0)
    """Bound of a reward, in standard deviations of the SFT clone's rewards."""
    no_end_penalty: float = Field(default=1.0, ge=0)
    """Taken off a reply that did not end with the end token, in the same unit."""
    value_warmup: int = Field(default=3, ge=0)
    """PPO: updates in which the value model alone learns, before it judges the policy."""
    kl_target: float | None = Field(default=None, gt=0)
    """KL that the KL coefficient is steered towards (Ziegler et al., 2019); null: it is fixed."""
    kl_horizon: float = Field(default=20, gt=0)
    """Updates within which the coefficient follows; smaller is faster."""
    kl_max: float = Field(default=20.0, gt=0)
    """A KL above this ends the run: it is exploding."""

    looks: int = Field(default=6, ge=1)
    """How often a run is compared with the SFT clone on held-out prompts."""
    look_prompts: int = Field(default=48, ge=2)
    look_replies: int = Field(default=2, ge=1)
    """Replies to each of these prompts in a look."""
    patience: int = Field(default=3, ge=1)
    """Looks outside the band, or without a better one, after which the run ends."""
    relevance_band: float = Field(default=2.0, gt=0)
    """Standard errors by which relevance may fall below the SFT clone's."""
    diversity_band: float = Field(default=0.85, gt=0, le=1)
    """Least distinct-2 of the replies, as a share of the SFT clone's."""
    length_band: tuple[float, float] = (0.6, 1.6)
    """Mean length of the replies, as a share of the SFT clone's."""


@cache
def trl_keys(stage: str) -> dict[str, str]:
    """Top-level key -> type, for a stage that runs on TRL; our LoRA keys included."""
    text = resources.files("asimbot_plugins.data").joinpath("trl_keys.json").read_text("utf-8")
    keys: dict[str, str] = json.loads(text)["keys"][stage]
    return {**keys, **LORA_KEYS}


def type_problems(data: dict[str, Any], stage: str) -> list[str]:
    """Values of known keys that don't have the key's type, one line each.

    The trainers would take them as they are and fail far from here: YAML reads ``1e-5`` (no
    dot) as text, for one.
    """
    problems = []
    for key, value in data.items():
        kind = trl_keys(stage).get(str(key))
        if kind is not None and value is not None and not _fits(value, kind):
            problems.append(f"{key}: {value!r} is not of type {kind}{_float_hint(value, kind)}")
    return problems


def _fits(value: Any, kind: str) -> bool:
    plain = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,), "dict": (dict,)}
    if kind.startswith("list["):
        inner = kind[5:-1]
        return isinstance(value, list) and all(_fits(item, inner) for item in value)
    if kind not in plain:
        return True
    if isinstance(value, bool) and kind != "bool":
        return False
    return isinstance(value, plain[kind])


def _float_hint(value: Any, kind: str) -> str:
    if kind != "float" or not isinstance(value, str):
        return ""
    try:
        return f": write {float(value):.10f}".rstrip("0")
    except ValueError:
        return ""
