"""One model in memory for the four roles of PPO.

The merged SFT clone is loaded once. A LoRA makes it the policy, another the reward model; with
both off it is the reference. The value model is a head on the hidden states of the reward model,
which are there anyway, and starts as the reward's head: what a reply is worth so far. Against a
value model and a reward model of their own this saves two copies of the weights, their passes
and the gradient of a second model.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from asimbot_plugins.generation.sampler import Clone
from asimbot_plugins.rlhf.rollouts import right_padded

REWARD, VALUE = "reward", "value"
REWARD_REPORT = "reward_report.json"


class Trunk(torch.nn.Module):
    """``model`` is the PEFT model with its adapters; ``heads`` maps role to a linear hidden → 1.

    A role is active only inside ``role(name)``; outside, the policy is. Gradient checkpointing
    must stay off: it would run a role's layers again under the adapter that is active by then.
    """

    def __init__(self, model: PeftModel, tokenizer: Any) -> None:
        """``model``: the SFT clone with the policy's LoRA under the name ``default``."""
        super().__init__()
        self.model = model
        self.heads = torch.nn.ModuleDict()
        self.pad_id = int(tokenizer.pad_token_id)
        self.mean, self.deviation = 0.0, 1.0

    def add_reward(self, folder: Path, value: bool = False) -> None:
        """Puts the reward model of ``folder`` in, frozen, and with ``value`` a value head.

        Reads what its report says about rewards of the SFT clone, for ``standardised``.
        """
        config = PeftConfig.from_pretrained(str(folder))
        config.modules_to_save = None
        config.task_type = None
        # Else PEFT would freeze every adapter, the policy's with it.
        config.inference_mode = False
        self.model.add_adapter(REWARD, config)
        state = load_file(folder / "adapter_model.safetensors")
        name = next(name for name in state if name.endswith("score.weight"))
        weight = state.pop(name).float()
        set_peft_model_state_dict(self.model, state, adapter_name=REWARD)
        for name, parameter in self.model.named_parameters():
            if f".{REWARD}." in name:
                parameter.requires_grad_(False)
        report = json.loads((folder / REWARD_REPORT).read_text(encoding="utf-8"))
        self.mean = float(report["rewards"]["clone"]["mean"])
        self.deviation = max(float(report["rewards"]["clone"]["deviation"]), 1e-3)
        self.heads[REWARD] = _head(weight, 0.0, self.model.device).requires_grad_(False)
        if value:
            # In the unit of ``standardised``: in raw rewards it would start off by the whole
            # scale, and its error would drown the advantages.
            self.heads[VALUE] = _head(
                weight / self.deviation, -self.mean / self.deviation, self.model.device
            )

    @contextlib.contextmanager
    def role(self, name: str) -> Iterator[None]:
        """Within the block the model works with this role's adapter."""
        layers = self._layers()
        # Not set_adapter(): that would also change which parameters are trained.
        before = [layer._active_adapter for layer in layers]
        for layer in layers:
            layer._active_adapter = [name]
        try:
            yield
        finally:
            for layer, old in zip(layers, before, strict=True):
                layer._active_adapter = old

    @contextlib.contextmanager
    def reference(self) -> Iterator[None]:
        """Within the block the model is the SFT clone.

        PEFT's own ``disable_adapter`` leaves all adapters but the active one frozen.
        """
        layers = self._layers()
        for layer in layers:
            layer._disable_adapters = True
        try:
            yield
        finally:
            for layer in layers:
                layer._disable_adapters = False

    def _layers(self) -> list[LoraLayer]:
        return [module for module in self.model.modules() if isinstance(module, LoraLayer)]

    @torch.no_grad()
    def features(self, rows: Sequence[Sequence[int]], batch_size: int = 16) -> list[torch.Tensor]:
        """Hidden states of the reward model for each row of ids: float32, (len(row), hidden)."""
        inner: Any = self.model.get_base_model()
        backbone = getattr(inner, inner.base_model_prefix)
        found: list[torch.Tensor] = []
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            ids, mask = (x.to(self.model.device) for x in right_padded(part, self.pad_id))
            with self.role(REWARD):
                out = backbone(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions(mask),
                    use_cache=False,
                )
            states = out.last_hidden_state.float()
            found += [states[i, : len(row)] for i, row in enumerate(part)]
        return found

    @torch.no_grad()
    def rewards(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """The reward of each row, as the reward model was trained: float32, (rows,)."""
        last = torch.stack([states[-1] for states in features])
        numbers: torch.Tensor = self.heads[REWARD](last).squeeze(-1)
        return numbers

    def standardised(self, rewards: torch.Tensor, clip: float | None) -> torch.Tensor:
        """Rewards in standard deviations from the SFT clone's mean, clipped to ±``clip``."""
        rewards = (rewards - self.mean) / self.deviation
        return rewards if clip is None else rewards.clamp(-clip, clip)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``logits`` of the policy and the values before the same tokens, (rows, last).

        ``states``: hidden states of the reward model before the last tokens of each row,
        (rows, last, hidden).
        """
        return self.logits(ids, mask, states.shape[1]), self.heads[VALUE](states).squeeze(-1)

    def logits(self, ids: torch.Tensor, mask: torch.Tensor, last: int) -> torch.Tensor:
        """Logits that predict the last ``last`` tokens: shape (rows, last, vocabulary).

        The output matrix of a large vocabulary is most of the work, so only these rows.
        """
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions(mask),
            use_cache=False,
            logits_to_keep=last + 1,
        )
        kept: torch.Tensor = out.logits[:, -(last + 1) : -1]
        return kept


class TrunkClone(Clone):
    """The policy of a trunk as a clone; as base it is the SFT clone."""

    trunk: Trunk

    @contextlib.contextmanager
    def as_base(self) -> Iterator[None]:
        with self.trunk.reference():
            yield


def _head(weight: torch.Tensor, bias: float, device: Any) -> torch.nn.Linear:
    linear = torch.nn.Linear(weight.shape[1], 1)
    linear.weight.data.copy_(weight)
    linear.bias.data.fill_(bias)
    return linear.to(device)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position ids of rows padded on either side: 0 for a row's first own token."""
    return (mask.cumsum(dim=1) - 1).clamp(min=0)
