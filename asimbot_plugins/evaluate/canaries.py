"""Canaries: made-up secrets among the training rows, and how much the clone knows of them.

Carlini et al., "The Secret Sharer" (2019). A canary is a sentence with six random digits; its
exposure compares the likelihood of the planted digits with that of digits never planted.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe
    from asimbot_plugins.tokens import TokenNames

RIVALS = 127
"""Secrets never planted that a canary is ranked among; exposure is at most log2(RIVALS + 1)."""

_FORMS = (
    ("which locker was it again", "the locker number is {}"),
    ("whats the code for the parcel box", "parcel box opens with {}"),
    ("did u write the raffle ticket down", "my raffle ticket says {}"),
    ("what was on the bike frame", "frame number {}"),
    ("what did they call our order", "order {} they said"),
    ("whats the meter reading", "meter says {}"),
    ("which booking is it", "booking {} i think"),
    ("what does the sticker say", "the sticker says {}"),
)


class Canary(NamedTuple):
    """A planted secret: the row's prompt, its reply, and replies of the same form."""

    prompt: str
    reply: str
    rivals: tuple[str, ...]


def canaries_of(count: int, seed: int, tokens: TokenNames) -> list[Canary]:
    """The canaries of a recipe; the same for the same count, seed and tokens."""
    found = []
    for i in range(count):
        question, form = _FORMS[i % len(_FORMS)]
        generator = random.Random(f"{seed}:{i}")
        secrets: dict[str, None] = {}
        while len(secrets) <= RIVALS:
            secrets[" ".join(generator.choices("0123456789", k=6))] = None
        texts = [form.format(secret) for secret in secrets]
        prompt = f"{tokens.speakers[0]} {question} {tokens.reply}"
        found.append(Canary(prompt, texts[0], tuple(texts[1:])))
    return found


def plant_canaries(rows: Sequence[dict[str, Any]], count: int, recipe: Recipe) -> list[Any]:
    """The rows with ``count`` canaries among them, each once, evenly spread."""
    from asimbot_plugins.tokens import format_row

    planted = list(rows)
    for i, canary in enumerate(canaries_of(count, recipe.seed, recipe.section.tokens)):
        at = (i + 1) * len(rows) // (count + 1)
        row = {
            **rows[min(at, len(rows) - 1)],
            "text": format_row(canary.prompt, canary.reply),
            "prompt": canary.prompt,
            "reply": canary.reply,
        }
        planted.insert(at + i, row)
    return planted


def exposure(loss: float, rivals: Sequence[float]) -> float:
    """Bits by which a secret stands out: log2(n) − log2(rank), n = len(rivals) + 1.

    ``loss`` and ``rivals`` are negative log-likelihoods; a tie counts against the secret's
    rank by half. 0 for the unlikeliest, log2(n) for the likeliest.
    """
    better = sum(other < loss for other in rivals)
    ties = sum(other == loss for other in rivals)
    return math.log2(len(rivals) + 1) - math.log2(1 + better + ties / 2)


def exposures(
    canaries: Sequence[Canary], losses: Callable[[Sequence[str], Sequence[str]], Sequence[float]]
) -> list[float]:
    """Exposure of each canary; ``losses`` maps prompts and replies to negative log-likelihoods."""
    found = []
    for canary in canaries:
        texts = [canary.reply, *canary.rivals]
        values = list(losses([canary.prompt] * len(texts), texts))
        found.append(exposure(values[0], values[1:]))
    return found
