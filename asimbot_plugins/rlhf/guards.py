"""When a run ends before its last step, and which of its checkpoints is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from asimbot_plugins.errors import UserError
from asimbot_plugins.rlhf.options import RLHF


@dataclass(frozen=True)
class Look:
    """The policy against the SFT clone on the same held-out prompts.

    ``win``: share of reply pairs that the held-out judge decides for the policy (ties half),
    ``low`` and ``high`` its 95 % interval over prompts. ``style``: mean probability of being
    the friend's; ``relevance`` and ``relevance_error``: mean advantage of the own prompt over
    others and its standard error; ``diversity``: distinct-2; ``length``: mean characters of a
    reply; ``kl``: mean log π(reply) − log π_SFT(reply) in nats, over replies drawn as in
    generation.
    """

    step: int
    win: float
    low: float
    high: float
    style: float
    relevance: float
    relevance_error: float
    diversity: float
    length: float
    kl: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Guard:
    """Watches the looks and the trainer's numbers of one run.

    ``reference`` is the SFT clone's own look (step 0, win 0.5); it is also the first best, so a
    run that never helps ends with what it started from.
    """

    def __init__(self, options: RLHF, reference: Look) -> None:
        self.options = options
        self.reference = reference
        self.best = reference
        self.worse = 0

    def take(self, look: Look) -> tuple[bool, str]:
        """(whether this is the best so far, why the run should end or "")."""
        problem = self.outside(look)
        better = not problem and look.win > self.best.win
        if better:
            self.best = look
            self.worse = 0
            return True, ""
        self.worse += 1
        if look.kl > self.options.kl_max:
            return False, f"KL {look.kl:.1f} is above rlhf.kl_max {self.options.kl_max:g}"
        if self.worse >= self.options.patience:
            why = problem or f"no better than the look of step {self.best.step}"
            return False, f"{self.worse} looks in a row: {why}"
        return False, ""

    def outside(self, look: Look) -> str:
        """What of a look has left its band, in words; "" if nothing has."""
        options, reference = self.options, self.reference
        error = math.hypot(look.relevance_error, reference.relevance_error)
        if look.relevance < reference.relevance - options.relevance_band * error:
            return f"relevance fell from {reference.relevance:.3f} to {look.relevance:.3f}"
        if look.diversity < options.diversity_band * reference.diversity:
            return f"distinct-2 fell from {reference.diversity:.2f} to {look.diversity:.2f}"
        low, high = (share * reference.length for share in options.length_band)
        if not low <= look.length <= high:
            return f"replies have {look.length:.0f} characters, the clone's {reference.length:.0f}"
        if look.kl > options.kl_max:
            return f"KL rose to {look.kl:.1f}"
        return ""

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold so that a resumed run judges alike."""
        return {"best": self.best.to_dict(), "worse": self.worse}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.best = Look(**state["best"])
        self.worse = int(state["worse"])


class NotFinite(UserError):
    """A number of the trainer is NaN or infinite."""


def check_finite(step: int, numbers: Mapping[str, Any], kept: str) -> None:
    """Raises NotFinite naming the first number that is none; ``kept`` says what remains."""
    for name, value in numbers.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise NotFinite(
                f"step {step}: {name} is {value}, the run was stopped",
                f"{kept}; try a smaller learning_rate or max_grad_norm",
            )


class KLControl:
    """Steers the KL coefficient towards a target, in proportion to the error.

    After Ziegler et al. (2019), "Fine-Tuning Language Models from Human Preferences", section
    2.2: an update multiplies it by 1 + clip(KL / target − 1, −1, 1) / horizon.
    """

    def __init__(self, coefficient: float, target: float | None, horizon: float) -> None:
        self.coefficient = coefficient
        self.target = target
        self.horizon = horizon

    def update(self, kl: float) -> float:
        if self.target is not None:
            self.coefficient *= 1 + min(max(kl / self.target - 1, -1.0), 1.0) / self.horizon
        return self.coefficient
