from __future__ import annotations

import math
from dataclasses import replace

import pytest

from asimbot_plugins.rlhf.guards import Guard, KLControl, Look, NotFinite, check_finite
from asimbot_plugins.rlhf.options import RLHF

SFT = Look(0, 0.5, 0.5, 0.5, 0.6, 0.10, 0.01, 0.8, 30.0, 0.0)


def look(step: int, win: float, **changes: float) -> Look:
    return replace(SFT, step=step, win=win, **changes)


def test_the_best_look_inside_the_band_is_kept() -> None:
    guard = Guard(RLHF(patience=9), SFT)
    assert guard.take(look(10, 0.6)) == (True, "")
    assert guard.take(look(20, 0.9, diversity=0.2)) == (False, "")
    assert guard.take(look(30, 0.55)) == (False, "")
    assert guard.best.step == 10


def test_a_run_that_never_helps_keeps_the_clone_it_started_from() -> None:
    guard = Guard(RLHF(patience=2), SFT)
    assert guard.take(look(10, 0.5)) == (False, "")
    better, why = guard.take(look(20, 0.4))
    assert not better and why == "2 looks in a row: no better than the look of step 0"
    assert guard.best == SFT


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"relevance": 0.071}, "relevance fell from 0.100 to 0.071"),
        ({"diversity": 0.67}, "distinct-2 fell from 0.80 to 0.67"),
        ({"length": 49.0}, "replies have 49 characters, the clone's 30"),
        ({"length": 17.0}, "replies have 17 characters, the clone's 30"),
        ({"kl": 21.0}, "KL rose to 21.0"),
        # 2 standard errors of the difference are .0283; 85 % of .8 is .68.
        ({"relevance": 0.072, "diversity": 0.69, "length": 47.0, "kl": 19.0}, ""),
    ],
)
def test_each_band_has_its_border(changes: dict[str, float], expected: str) -> None:
    assert Guard(RLHF(), SFT).outside(look(5, 0.7, **changes)) == expected


def test_an_exploding_kl_ends_the_run_at_once() -> None:
    _, why = Guard(RLHF(patience=9, kl_max=5), SFT).take(look(5, 0.9, kl=5.1))
    assert why == "KL 5.1 is above rlhf.kl_max 5"


def test_a_resumed_guard_judges_as_the_killed_one_would() -> None:
    guard = Guard(RLHF(patience=3), SFT)
    guard.take(look(1, 0.6))
    guard.take(look(2, 0.55))
    other = Guard(RLHF(patience=3), SFT)
    other.restore(guard.state())
    for after in (look(3, 0.5), look(4, 0.58)):
        assert guard.take(after) == other.take(after)
    assert other.best.step == 1 and other.worse == 3


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_stops_the_run_with_one_line(value: float) -> None:
    check_finite(3, {"loss": 1.0, "text": "nan"}, "kept")
    with pytest.raises(NotFinite, match=r"step 4: grad_norm is (nan|inf), .*: all is kept; try"):
        check_finite(4, {"loss": 1.0, "grad_norm": value}, "all is kept")


def test_the_kl_coefficient_follows_its_target() -> None:
    control = KLControl(0.1, target=4.0, horizon=10)
    assert control.update(4.0) == 0.1
    assert control.update(100.0) == pytest.approx(0.11)  # at most one horizon-th
    assert control.update(2.0) == pytest.approx(0.11 * 0.95)
    fixed = KLControl(0.1, target=None, horizon=10)
    assert fixed.update(100.0) == 0.1
