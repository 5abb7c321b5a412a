"""Intervals by resampling (Efron 1979, percentile method)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Estimate(NamedTuple):
    """A figure, its 95 % interval, and how many replies it rests on."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float]:
        return {key: round(value, 5) for key, value in self._asdict().items()}


def weights(n: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of n replies is drawn: int, shape (resamples, n), rows summing to n."""
    import numpy as np

    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)


def mean(values: np.ndarray, resamples: int, seed: int) -> Estimate:
    """The mean of per-reply values."""
    return ratio(values, None, resamples, seed)


def ratio(over: np.ndarray, under: np.ndarray | None, resamples: int, seed: int) -> Estimate:
    """Sum of ``over`` by sum of ``under`` (per-reply values; None for ones)."""
    import numpy as np

    over = np.asarray(over, dtype=float)
    under = np.ones(len(over)) if under is None else np.asarray(under, dtype=float)
    drawn = weights(len(over), resamples, seed)
    values = (drawn @ over) / np.maximum(drawn @ under, 1e-12)
    return _interval(over.sum() / max(under.sum(), 1e-12), values, len(over))


def statistic(of: Callable[[np.ndarray], float], n: int, resamples: int, seed: int) -> Estimate:
    """Any statistic of a resample, given as how often each of n replies is drawn."""
    import numpy as np

    values = np.array([of(row) for row in weights(n, resamples, seed)])
    return _interval(of(np.ones(n, dtype=int)), values, n)


def _interval(value: float, values: np.ndarray, n: int) -> Estimate:
    import numpy as np

    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high), n)
