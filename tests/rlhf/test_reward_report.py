"""The report on reward models whose taste is known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from asimbot_plugins.preferences.formats import Pair
from asimbot_plugins.rlhf.reward_report import calibration, length_heuristic, report, share


def pairs(n: int, longer_wins: float, seed: int = 0) -> list[Pair]:
    """Pairs of which a share is won by the longer reply; the better one says "lol"."""
    random = np.random.default_rng(seed)
    made = []
    for i in range(n):
        short, long = int(random.integers(4, 12)), int(random.integers(14, 40))
        won_by_longer = i < round(n * longer_wins)
        sizes = (long, short) if won_by_longer else (short, long)
        made.append(Pair(f"p{i} <SYS>", "lol" + "a" * sizes[0], "hmm" + "a" * sizes[1], None))
    return made


def lengths(some: list[Pair]) -> np.ndarray:
    return np.array([float(len(p.chosen) - len(p.rejected)) for p in some])


CLONE = {"clone": np.zeros(3)}


def test_a_model_that_loves_length_is_flagged_even_where_it_is_right() -> None:
    train, heldout = pairs(200, 1.0), pairs(100, 1.0, seed=1)
    found = report(train, heldout, lengths(heldout), CLONE)
    assert found["accuracy"]["value"] == 1.0 and found["length heuristic"]["value"] == 1.0
    assert any("little better than length alone: 100% against 100%" in w for w in found["warnings"])


def test_a_model_that_loves_length_is_flagged_where_length_says_nothing() -> None:
    train, heldout = pairs(200, 0.5), pairs(100, 0.5, seed=1)
    found = report(train, heldout, lengths(heldout), CLONE)
    assert found["accuracy"]["value"] == 0.5
    assert found["length correlation"] == 1.0
    told = " | ".join(found["warnings"])
    assert "not surely above one half" in told
    assert "it likes longer replies" in told
    assert "where the shorter reply is better it is wrong: 0% of 50 pairs" in told


def test_a_model_that_reads_the_words_is_not_flagged() -> None:
    train, heldout = pairs(200, 0.5), pairs(100, 0.5, seed=1)
    taste = 1 + np.random.default_rng(2).random(100)
    found = report(train, heldout, taste, CLONE)
    assert found["accuracy"] == {**share(np.ones(100)), "n": 100}
    assert found["warnings"] == []


def test_the_length_heuristic_learns_either_direction() -> None:
    for longer_wins, expected in ((0.9, 0.9), (0.1, 0.9)):
        right = length_heuristic(pairs(400, longer_wins), pairs(200, longer_wins, seed=3))
        assert right.mean() == pytest.approx(expected, abs=0.02)


def test_wilson_interval_of_known_shares() -> None:
    found = share(np.array([1.0] * 8 + [0.0] * 2))
    assert (round(found["low"], 4), round(found["high"], 4)) == (0.4902, 0.9433)
    assert share(np.array([])) == {"value": 0.5, "low": 0.0, "high": 1.0, "n": 0}


def test_calibration_is_judged_by_what_is_found() -> None:
    # A difference of log 4 claims 80 %, and 80 of 100 such pairs are right.
    honest = np.array([np.log(4)] * 80 + [-np.log(4)] * 20)
    assert calibration(honest)["error"] == pytest.approx(0.0, abs=1e-9)
    boastful = np.array([5.0] * 60 + [-5.0] * 40)
    assert calibration(boastful)["error"] == pytest.approx(0.9933 - 0.6, abs=1e-3)


def test_true_replies_are_compared_with_the_clones_prompt_by_prompt() -> None:
    heldout = pairs(40, 0.5)
    rewards = {"true": np.array([1.0, 2.0, 3.0]), "clone": np.array([0.0, 2.0, 4.0])}
    found = report(pairs(40, 0.5), heldout, np.ones(40), rewards)
    assert found["true beats clone"]["value"] == 0.5
    assert found["rewards"]["true"] == {"mean": 2.0, "deviation": np.std([1, 2, 3]), "n": 3}
