"""All figures of one system from its replies; pure: no model, no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asimbot_plugins.evaluate import bootstrap, relevance
from asimbot_plugins.evaluate.distinguish import distinguish
from asimbot_plugins.evaluate.diversity import distinct, ngrams, repeated
from asimbot_plugins.evaluate.habits import Habits, distance
from asimbot_plugins.evaluate.material import Burst, plain
from asimbot_plugins.evaluate.transcript import joined

if TYPE_CHECKING:
    import numpy as np

    from asimbot_plugins.evaluate.style import StyleClassifier
    from asimbot_plugins.tokens import TokenNames

_HALVES = 200  # half samples behind the interval of a distinct-n


@dataclass
class Replies:
    """What one system said. ``prompts`` fit ``bursts``; ``same_prompts`` says whether they are
    the prompts of the friend's real replies. ``losses`` are nats of the real replies."""

    name: str
    label: str
    prompts: list[str]
    bursts: list[Burst]
    same_prompts: bool = True
    losses: list[float] = field(default_factory=list)

    def texts(self, tokens: TokenNames) -> list[str]:
        return [plain(joined(burst), tokens) for burst in self.bursts]


@dataclass(frozen=True)
class Yardstick:
    """What every system is measured with."""

    real: Replies
    friend_texts: Sequence[str]
    classifier: StyleClassifier
    habits: Habits
    embed: relevance.Embed
    tokens: TokenNames
    resamples: int
    seed: int


@dataclass
class Measured:
    """Figures for machines, and per-reply values that figures about two systems need."""

    figures: dict[str, Any]
    probability: np.ndarray
    selection: np.ndarray


def measure(replies: Replies, with_: Yardstick, grams: int) -> Measured:
    """Every figure of one system; ``grams`` n-grams are compared by distinct-n."""
    tokens, n_boot, seed = with_.tokens, with_.resamples, with_.seed
    texts, real = replies.texts(tokens), with_.real.texts(tokens)
    probability = with_.classifier.probability(texts)
    fit = relevance.fits(replies.prompts, texts, with_.embed, tokens)
    selection = relevance.selection(fit)
    figures: dict[str, Any] = {
        "label": replies.label,
        "n": len(texts),
        "style": {
            "share": bootstrap.mean(probability > 0.5, n_boot, seed).to_dict(),
            "probability": bootstrap.mean(probability, n_boot, seed).to_dict(),
        },
        "distinguish": distinguish(
            *_opponents(replies, texts, real, with_), n_boot, seed
        ).to_dict(),
        "relevance": {
            "advantage": bootstrap.mean(relevance.advantage(fit), n_boot, seed).to_dict(),
            "selection": bootstrap.mean(selection, n_boot, seed).to_dict(),
            "echo": bootstrap.mean(
                relevance.echo(replies.prompts, texts, tokens), n_boot, seed
            ).to_dict(),
        },
        "diversity": {
            "distinct_1": _distinct(texts, 1, grams, seed),
            "distinct_2": _distinct(texts, 2, grams, seed),
            "repeated": bootstrap.mean(repeated(texts), n_boot, seed).to_dict(),
        },
        "habits": {},
    }
    for habit in with_.habits.names():
        # The friend himself is compared with his training part: the distance of mere chance.
        against = with_.friend_texts if replies is with_.real else real
        table = with_.habits.counts(habit, texts)
        figures["habits"][habit] = {
            "distance": distance(
                with_.habits.counts(habit, against), table, n_boot, seed
            ).to_dict(),
            "histogram": [round(float(x), 5) for x in table.sum(axis=0) / max(table.sum(), 1)],
        }
    if replies.losses:
        figures["likelihood"] = _likelihood(replies.losses, with_)
    return Measured(figures, probability, selection)


def _opponents(
    replies: Replies, texts: list[str], real: list[str], with_: Yardstick
) -> tuple[list[str], list[str]]:
    """Real texts and this system's, one a prompt where the prompts are the same."""
    import numpy as np

    from asimbot_plugins.evaluate.material import spread

    if replies is with_.real:
        drawn = np.random.default_rng(with_.seed).permutation(len(with_.friend_texts))
        other = [with_.friend_texts[i] for i in drawn[: len(real)]]
        return real[: len(other)], other
    if replies.same_prompts:
        return real, texts
    n = min(len(real), len(texts))
    return spread(real, n), spread(texts, n)


def _likelihood(losses: Sequence[float], with_: Yardstick) -> dict[str, Any]:
    import math

    import numpy as np

    bits = np.array(losses) / math.log(2)
    characters = np.array([sum(len(m) + 1 for m in burst) for burst in with_.real.bursts])
    return {
        "bits_per_character": bootstrap.ratio(
            bits, characters, with_.resamples, with_.seed
        ).to_dict(),
        "bits_per_reply": bootstrap.mean(bits, with_.resamples, with_.seed).to_dict(),
    }


def _distinct(texts: Sequence[str], n: int, grams: int, seed: int) -> dict[str, float]:
    """distinct-n with an interval from half samples.

    A bootstrap draws the same reply twice and so invents repetition; samples of half the
    replies, without putting back, have the right spread (delete-d jackknife, Shao and Wu 1989).
    """
    import numpy as np

    value = distinct(texts, n, grams)
    generator = np.random.default_rng(seed)
    half = max(1, len(texts) // 2)
    values = np.array(
        [
            distinct([texts[i] for i in generator.permutation(len(texts))[:half]], n, grams)
            for _ in range(_HALVES)
        ]
    )
    low, high = np.quantile(values - values.mean(), [0.025, 0.975])
    return bootstrap.Estimate(
        value, float(value + low), float(min(1.0, value + high)), len(texts)
    ).to_dict()


def grams_to_compare(systems: Sequence[Replies], tokens: TokenNames) -> int:
    """A number of n-grams that every system's half samples reach; silent systems don't count."""
    totals = [sum(len(ngrams(t, 2)) for t in s.texts(tokens)) for s in systems]
    talking = [total for total in totals if total >= 40]
    return max(10, min(talking, default=40) // 3)


def way(
    clone: np.ndarray, real: np.ndarray, floor: np.ndarray | float, resamples: int, seed: int
) -> dict[str, float]:
    """How far the clone's mean has come from the floor (0) to the friend's own (1).

    Clone and real are per-prompt values of the same prompts, resampled together.
    """
    import numpy as np

    n = len(clone)
    drawn = bootstrap.weights(n, resamples, seed)
    if isinstance(floor, float):
        floors, bottom = np.full(resamples, floor), floor
    else:
        own = bootstrap.weights(len(floor), resamples, seed + 1)
        floors, bottom = own @ floor / len(floor), float(floor.mean())
    top = drawn @ real / n - floors
    values = (drawn @ clone / n - floors) / np.where(np.abs(top) < 1e-9, np.nan, top)
    low, high = np.nanquantile(values, [0.025, 0.975])
    gap = float(real.mean()) - bottom
    value = (float(clone.mean()) - bottom) / gap if abs(gap) > 1e-9 else float("nan")
    return bootstrap.Estimate(value, float(low), float(high), n).to_dict()
