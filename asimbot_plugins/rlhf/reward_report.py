"""What a reward model is worth: its accuracy, against what, and what it really likes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from asimbot_plugins.preferences.formats import Pair

if TYPE_CHECKING:
    import numpy as np

_BINS = 5


def report(
    train: Sequence[Pair],
    heldout: Sequence[Pair],
    differences: np.ndarray,
    rewards: dict[str, np.ndarray],
) -> dict[str, Any]:
    """The report as plain data, with ``warnings`` in words.

    ``differences``: reward of the chosen reply minus that of the rejected one, of each held-out
    pair, shape (len(heldout),). ``rewards``: rewards of replies by who wrote them; at least
    ``clone``. Accuracies count ties half; intervals are Wilson's (1927), 95 %.
    """
    import numpy as np

    differences = np.asarray(differences, dtype=float)
    right = np.where(differences == 0, 0.5, differences > 0)
    lengths = np.array([pair.difference for pair in heldout], dtype=float)
    by_length = length_heuristic(train, heldout)
    longer, shorter, equal = lengths > 0, lengths < 0, lengths == 0
    gain = right - by_length
    found = {
        "accuracy": share(right),
        "length heuristic": share(by_length),
        "accuracy by length": {
            "chosen is longer": share(right[longer]),
            "chosen is shorter": share(right[shorter]),
            "equal": share(right[equal]),
        },
        "length correlation": correlation(differences, lengths),
        "calibration": calibration(differences),
        "rewards": {name: spread(np.asarray(values)) for name, values in rewards.items()},
        "beats length by": interval_of_mean(gain),
    }
    if "true" in rewards and len(rewards["true"]) == len(rewards["clone"]):
        found["true beats clone"] = share(wins(rewards["true"], rewards["clone"]))
    if "true" in rewards and len(rewards["true"]) == len(rewards.get("base", ())):
        found["true beats base"] = share(wins(rewards["true"], rewards["base"]))
    found["warnings"] = warnings(found)
    return found


def warnings(found: dict[str, Any]) -> list[str]:
    """What speaks against using this reward model, one line each."""
    told = []
    accuracy, gain = found["accuracy"], found["beats length by"]
    if accuracy["low"] <= 0.5:
        told.append(
            f"pair accuracy {accuracy['value']:.0%} is not surely above one half "
            f"({accuracy['low']:.0%} to {accuracy['high']:.0%} of {accuracy['n']} pairs)"
        )
    if gain["low"] <= 0:
        told.append(
            "it is little better than length alone: "
            f"{accuracy['value']:.0%} against {found['length heuristic']['value']:.0%}; "
            "try asimbot.rlhf.balance_lengths"
        )
    if abs(found["length correlation"]) > 0.7:
        likes = "longer" if found["length correlation"] > 0 else "shorter"
        told.append(
            f"it likes {likes} replies: reward and length differences correlate by "
            f"{found['length correlation']:.2f}"
        )
    by = found["accuracy by length"]
    for case, other in (("shorter", "longer"), ("longer", "shorter")):
        part = by[f"chosen is {case}"]
        if part["n"] >= 5 and part["high"] < 0.5:
            told.append(
                f"where the {case} reply is better it is wrong: {part['value']:.0%} of "
                f"{part['n']} pairs; it likes {other} ones"
            )
    return told


def length_heuristic(train: Sequence[Pair], heldout: Sequence[Pair]) -> np.ndarray:
    """How right a judge that sees only the two lengths is on each held-out pair: 1, 0.5 or 0.

    Its preference (longer or shorter, relative to a best length) is learnt on ``train``.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    def features(pairs: Sequence[Pair]) -> np.ndarray:
        sizes = np.log1p([[len(p.chosen), len(p.rejected)] for p in pairs])
        return np.column_stack([sizes[:, 0] - sizes[:, 1], sizes[:, 0] ** 2 - sizes[:, 1] ** 2])

    x = features(train)
    model = LogisticRegression(fit_intercept=False, C=10.0)
    model.fit(np.vstack([x, -x]), [1] * len(x) + [0] * len(x))
    decisions = model.decision_function(features(heldout))
    right: np.ndarray = np.where(np.abs(decisions) < 1e-12, 0.5, decisions > 0)
    return right


def share(right: np.ndarray) -> dict[str, Any]:
    """A share with its Wilson interval; 0.5 with an open interval of none."""
    n = len(right)
    if not n:
        return {"value": 0.5, "low": 0.0, "high": 1.0, "n": 0}
    p, z = float(right.mean()), 1.96
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return {"value": p, "low": centre - half, "high": centre + half, "n": n}


def interval_of_mean(values: np.ndarray) -> dict[str, float]:
    """A mean with its normal 95 % interval."""
    n = max(len(values), 1)
    mean = float(values.mean()) if len(values) else 0.0
    half = 1.96 * float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 1.0
    return {"value": mean, "low": mean - half, "high": mean + half}


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one side does not vary."""
    from scipy.stats import spearmanr

    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)


def calibration(differences: np.ndarray) -> dict[str, Any]:
    """How well the logistic function of a reward difference is a probability.

    Each pair is asked both ways, so the mean is one half and only the sharpness is judged.
    ``error``: mean gap between claimed and found (ECE, five bins); ``brier``: mean squared gap.
    """
    import numpy as np

    both = np.concatenate([differences, -differences])
    claimed = 1 / (1 + np.exp(-np.clip(both, -50, 50)))
    found = np.repeat([1.0, 0.0], len(differences))
    bins = np.minimum((claimed * _BINS).astype(int), _BINS - 1)
    rows, error = [], 0.0
    for i in range(_BINS):
        inside = bins == i
        if inside.any():
            gap = abs(float(claimed[inside].mean() - found[inside].mean()))
            error += gap * inside.mean()
            rows.append(
                {
                    "claimed": float(claimed[inside].mean()),
                    "found": float(found[inside].mean()),
                    "n": int(inside.sum()),
                }
            )
    return {"error": float(error), "brier": float(((claimed - found) ** 2).mean()), "bins": rows}


def spread(values: np.ndarray) -> dict[str, float]:
    import numpy as np

    values = np.asarray(values, dtype=float)
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "n": len(values),
    }


def wins(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 where ``a`` is higher, 0.5 where they are equal; elementwise."""
    import numpy as np

    result: np.ndarray = np.where(a == b, 0.5, a > b)
    return result


def in_words(found: dict[str, Any]) -> list[str]:
    """The report for people, warnings last."""

    def percent(one: dict[str, Any]) -> str:
        return f"{one['value']:.0%} ({one['low']:.0%} to {one['high']:.0%}, n={one['n']})"

    told = [
        f"pair accuracy {percent(found['accuracy'])}; by length alone "
        f"{found['length heuristic']['value']:.0%}",
        "accuracy where the chosen reply is longer "
        f"{percent(found['accuracy by length']['chosen is longer'])}, shorter "
        f"{percent(found['accuracy by length']['chosen is shorter'])}",
        f"calibration error {found['calibration']['error']:.2f}; length correlation "
        f"{found['length correlation']:.2f}",
        "mean reward: "
        + ", ".join(f"{name} {one['mean']:+.2f}" for name, one in found["rewards"].items()),
    ]
    if "true beats clone" in found:
        told.append(f"true replies beat the clone's {percent(found['true beats clone'])}")
    return told + [f"warning: {line}" for line in found["warnings"]]
