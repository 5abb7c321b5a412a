"""Can a fresh classifier tell real replies from generated ones?

A classifier two-sample test (Lopez-Paz and Oquab, 2017): AUC 0.5 means it can't, 1 that it
always can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asimbot_plugins.evaluate import bootstrap

if TYPE_CHECKING:
    import numpy as np

_FOLDS, _REPEATS = 5, 4


def distinguish(
    real: Sequence[str], generated: Sequence[str], resamples: int, seed: int
) -> bootstrap.Estimate:
    """AUC of real against generated replies, each scored by classifiers that never saw it.

    Both lists answer the same prompts in the same order: the two replies to a prompt are always
    in the same fold, so topics tell nothing. Several divisions into folds are averaged.
    """
    import numpy as np

    n = len(real)
    if n != len(generated):
        raise ValueError(f"{n} real replies, but {len(generated)} generated ones")
    scores = np.zeros((2, n))
    for repeat in range(_REPEATS):
        scores += _unseen_scores(real, generated, seed + repeat)
    return bootstrap.statistic(
        lambda drawn: auc(scores[0], scores[1], drawn, drawn), n, resamples, seed
    )


def _unseen_scores(real: Sequence[str], generated: Sequence[str], seed: int) -> np.ndarray:
    import numpy as np
    from scipy.stats import rankdata

    from asimbot_plugins.evaluate.style import new_pipeline

    n = len(real)
    fold_of = np.random.default_rng(seed).permutation(n) % min(_FOLDS, n)
    scores = np.zeros((2, n))
    for fold in np.unique(fold_of):
        fit, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        texts = [real[i] for i in fit] + [generated[i] for i in fit]
        model = new_pipeline().fit(texts, [1] * len(fit) + [0] * len(fit))
        both = [real[i] for i in test] + [generated[i] for i in test]
        # Each fold's scores on its own scale: ranks make them comparable.
        ranks = rankdata(model.decision_function(both)) / len(both)
        scores[0, test], scores[1, test] = ranks[: len(test)], ranks[len(test) :]
    return scores


def auc(positive: np.ndarray, negative: np.ndarray, up: np.ndarray, down: np.ndarray) -> float:
    """Probability that a positive scores higher than a negative, ties half (Mann-Whitney).

    ``up`` and ``down`` say how often each positive and negative counts.
    """
    import numpy as np

    order = np.argsort(negative, kind="stable")
    values, counts = negative[order], np.concatenate([[0], np.cumsum(down[order])])
    below = counts[np.searchsorted(values, positive, "left")]
    up_to = counts[np.searchsorted(values, positive, "right")]
    wins = (up * (below + up_to) / 2).sum()
    return float(wins / max(up.sum() * down.sum(), 1))
