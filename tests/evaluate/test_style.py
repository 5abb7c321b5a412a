from __future__ import annotations

import random

import numpy as np
import pytest

from asimbot_plugins.errors import UserError
from asimbot_plugins.evaluate.style import EMOJI, FEATURES, StyleClassifier, stylometry

WORDS = "gerald tent rain bus lake soup drum gull petrol train castle sunday".split()


def small(n: int, seed: int) -> list[str]:
    """Bursts in small letters without marks."""
    r = random.Random(seed)
    return ["\n".join(" ".join(r.choices(WORDS, k=4)) for _ in range(2)) for _ in range(n)]


def proper(n: int, seed: int) -> list[str]:
    """The same words as a sentence."""
    r = random.Random(seed)
    return [" ".join(r.choices(WORDS, k=8)).capitalize() + "." for _ in range(n)]


def test_two_clear_styles_are_told_apart_and_new_texts_too() -> None:
    classifier = StyleClassifier().fit(small(60, 1), proper(90, 2), 0)
    assert classifier.auc == 1.0
    assert classifier.probability(small(20, 3)).min() > 0.9
    assert classifier.probability(proper(20, 4)).max() < 0.1


def test_one_style_under_two_names_is_a_coin_toss() -> None:
    classifier = StyleClassifier().fit(small(150, 1), small(150, 2), 0)
    assert 0.4 < classifier.auc < 0.6


def test_the_same_seed_gives_the_same_probabilities() -> None:
    texts = small(5, 9) + proper(5, 9)
    first, second = (
        StyleClassifier().fit(small(30, 1), proper(30, 2), 7).probability(texts) for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_an_empty_reply_is_never_the_friends() -> None:
    classifier = StyleClassifier().fit(small(30, 1), proper(30, 2), 0)
    assert classifier.probability(["", "  \n "]).tolist() == [0.0, 0.0]
    assert classifier.probability([]).shape == (0,)


def test_too_few_texts_are_a_users_mistake() -> None:
    with pytest.raises(UserError, match="9 message"):
        StyleClassifier().fit(small(9, 1), proper(30, 2), 0)


def test_stylometry_of_a_text_counted_by_hand() -> None:
    text = "no WAY??\nsooo good 🎉 call 07"
    measured = dict(zip(FEATURES, stylometry([text])[0], strict=True))
    assert measured["messages"] == 2
    assert measured["words a message"] == 3.5
    assert measured["messages that start small"] == 1.0
    assert measured["words in capitals"] == pytest.approx(1 / 7)
    assert measured["messages that end in ! or ?"] == 0.5
    assert measured["messages without an end mark"] == 0.5
    assert measured["doubled marks (?? !! ...)"] == 0.5
    assert measured["emoji a message"] == 0.5
    assert measured["stretched letters (sooo)"] == pytest.approx(1 / 7)
    assert measured["digits"] == pytest.approx(2 / len(text))
    assert measured["capital letters"] == pytest.approx(3 / 17)
    assert stylometry([""]).tolist() == [[0.0] * len(FEATURES)]


@pytest.mark.parametrize("emoji", ["😂", "👩‍👩‍👧", "👍🏽", "🇬🇧", "❤️"])
def test_one_emoji_counts_once(emoji: str) -> None:
    assert EMOJI.findall(f"a{emoji}b") == [emoji]
    assert len(EMOJI.findall(emoji * 2)) == 2
