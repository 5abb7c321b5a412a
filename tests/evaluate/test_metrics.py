"""Metrics on cases whose value is known by construction."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from asimbot_plugins.evaluate import bootstrap
from asimbot_plugins.evaluate.distinguish import auc, distinguish
from asimbot_plugins.evaluate.diversity import distinct, repeated
from asimbot_plugins.evaluate.habits import Habits, catch_phrases, distance, js_distance
from asimbot_plugins.evaluate.likelihood import bits_per_character
from asimbot_plugins.evaluate.measure import way

WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u", "ai")]


def sentences(n: int, seed: int) -> list[str]:
    r = random.Random(seed)
    return [" ".join(r.choices(WORDS, k=6)) for _ in range(n)]


def test_auc_of_separate_equal_and_tied_scores() -> None:
    ones = np.ones(3, dtype=int)
    low, high = np.array([1.0, 2, 3]), np.array([4.0, 5, 6])
    assert auc(high, low, ones, ones) == 1.0
    assert auc(low, high, ones, ones) == 0.0
    assert auc(low, low, ones, ones) == 0.5
    assert auc(np.zeros(3), np.zeros(3), ones, ones) == 0.5
    # Only the middle positive counts: it beats one of three and ties one.
    assert auc(low, low, np.array([0, 1, 0]), ones) == 0.5


def test_real_against_the_same_distribution_is_a_coin_toss() -> None:
    estimate = distinguish(sentences(120, 1), sentences(120, 2), 200, 0)
    assert estimate.n == 120
    assert estimate.low < 0.5 < estimate.high
    assert 0.35 < estimate.value < 0.65


def test_another_way_of_writing_is_always_told() -> None:
    estimate = distinguish(sentences(60, 1), [s.upper() for s in sentences(60, 2)], 200, 0)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)


def test_distinguish_is_the_same_for_the_same_seed() -> None:
    pair = sentences(30, 1), sentences(30, 2)
    assert distinguish(*pair, 100, 5) == distinguish(*pair, 100, 5)


def test_distinguish_wants_one_reply_a_prompt() -> None:
    with pytest.raises(ValueError, match="2 real replies, but 1"):
        distinguish(["a", "b"], ["a"], 100, 0)


def test_distance_of_histograms() -> None:
    a = np.array([1.0, 2, 3, 0])
    assert js_distance(a, 10 * a) == pytest.approx(0.0, abs=1e-7)
    assert js_distance(np.array([1.0, 0]), np.array([0.0, 5])) == 1.0
    assert js_distance(np.zeros(2), np.zeros(2)) == 0.0
    assert js_distance(np.zeros(2), np.ones(2)) == 1.0
    # (1, 0) against (1/2, 1/2): divergence (log2(4/3) + 1/2 log2(2/3) + 1/2 log2(2)) / 2
    expected = math.sqrt((math.log2(4 / 3) + (math.log2(2 / 3) + 1) / 2) / 2)
    assert js_distance(np.array([1.0, 0]), np.array([1.0, 1])) == pytest.approx(expected)


def test_habits_of_one_reply_counted_by_hand() -> None:
    habits = Habits(["hey 🎉"] * 5, ["Hello."] * 5)
    assert habits.emoji == ["🎉"]
    text = "well 🎉\nNO WAY\nok..."

    def shown(habit: str) -> dict[str, float]:
        row = habits.counts(habit, [text])[0]
        return {k: v for k, v in zip(habits.labels(habit), row.tolist(), strict=True) if v}

    assert shown("words in a reply") == {"4-5": 1}
    assert shown("messages in a reply") == {"3": 1}
    assert shown("emoji") == {"🎉": 1}
    assert shown("end of a message") == {"emoji": 1, "nothing": 1, "…": 1}
    assert shown("casing") == {"all small": 2, "ALL LARGE": 1}
    assert shown("catch-phrases") == {"none": 1}
    for habit in habits.names():
        assert habits.counts(habit, ["", text]).shape == (2, len(habits.labels(habit)))


def test_the_same_replies_have_no_distance_and_disjoint_ones_all() -> None:
    habits = Habits(["hey 🎉"] * 5, ["Hello."] * 5)
    a = habits.counts("casing", ["small words"] * 10)
    b = habits.counts("casing", ["LARGE WORDS"] * 10)
    assert distance(a, a, 100, 0) == (0.0, 0.0, 0.0, 10)
    assert distance(a, b, 100, 0) == (1.0, 1.0, 1.0, 10)


def test_catch_phrases_are_the_friends_own() -> None:
    friend = ["im deceased", "<NAME>"] * 10 + ["see you on the bus"] * 20
    others = ["see you on the bus"] * 60
    assert catch_phrases(friend, others, 3) == ["im deceased"]


def test_distinct_of_known_texts() -> None:
    assert distinct(["a b c d"], 1, 4) == pytest.approx(1.0)
    assert distinct(["a a a a"], 1, 4) == pytest.approx(0.25)
    assert distinct(["a a b b"], 1, 2) == pytest.approx((1 * 2 / 6 + 2 * 4 / 6) / 2)
    assert distinct(["a b", "c d"], 2, 2) == pytest.approx(1.0)
    assert distinct([""], 1, 5) == 0.0


def test_distinct_does_not_depend_on_the_amount_of_text() -> None:
    short, long = sentences(100, 1), sentences(1000, 2)
    assert distinct(short, 1, 200) == pytest.approx(distinct(long, 1, 200), abs=0.03)


def test_repeated_replies() -> None:
    assert repeated(["yes", "Yes", "no", "", "yes?"]).tolist() == [1, 1, 0, 1, 0]


def test_intervals_cover_the_mean_and_shrink() -> None:
    values = np.random.default_rng(0).normal(size=100)
    few, many = bootstrap.mean(values[:25], 500, 1), bootstrap.mean(np.tile(values, 20), 500, 1)
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 3
    assert many.value == pytest.approx(values.mean())
    assert few == bootstrap.mean(values[:25], 500, 1)
    # The normal interval is ±1.96 standard errors: 4 * sd / sqrt(n) wide.
    width = 2 * 1.96 * values[:25].std() / 5
    assert few.high - few.low == pytest.approx(width, rel=0.2)


def test_ratio_is_of_sums_not_of_means() -> None:
    estimate = bootstrap.ratio(np.array([1.0, 9]), np.array([1.0, 3]), 100, 0)
    assert estimate.value == 2.5
    assert bootstrap.mean(np.full(5, 0.3), 100, 0)[:3] == pytest.approx((0.3, 0.3, 0.3))


def test_way_from_floor_to_friend() -> None:
    real, floor = np.full(20, 0.8), np.full(30, 0.2)
    assert way(np.full(20, 0.5), real, floor, 100, 0)["value"] == pytest.approx(0.5)
    assert way(real, real, floor, 100, 0)["low"] == pytest.approx(1.0)
    assert way(np.full(20, 0.1), real, 0.1, 100, 0)["high"] == pytest.approx(0.0, abs=1e-9)


def test_bits_per_character_do_not_know_tokens() -> None:
    # 8 bits over "ab" + end and "c" + end: five characters.
    assert bits_per_character([8 * math.log(2)], [["ab", "c"]]) == pytest.approx(8 / 5)
