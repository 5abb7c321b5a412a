from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from asimbot_plugins.evaluate.relevance import advantage, echo, fits, selection
from asimbot_plugins.evaluate.transcript import Turn, answered_text, turns, whole_text
from asimbot_plugins.tokens import TokenNames

TOKENS = TokenNames()
TOPICS = [f"topic{i}" for i in range(20)]


def embed(texts: Sequence[str]) -> np.ndarray:
    """One axis a topic: a text points to the topics it names."""
    vectors = np.array([[float(topic in t.split()) for topic in TOPICS] for t in texts])
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


PROMPTS = [f"<USR_A> about {topic} <SYS>" for topic in TOPICS]


def test_replies_on_topic_are_always_chosen() -> None:
    fit = fits(PROMPTS, [f"yes {topic}" for topic in TOPICS], embed, TOKENS)
    assert fit.shape == (20, 20)
    assert selection(fit).tolist() == [1.0] * 20
    assert advantage(fit).tolist() == pytest.approx([1.0] * 20)


def test_always_the_same_reply_gets_exactly_chance() -> None:
    fit = fits(PROMPTS, ["lol"] * 20, embed, TOKENS)
    assert selection(fit).tolist() == pytest.approx([0.1] * 20)
    assert advantage(fit).tolist() == pytest.approx([0.0] * 20)


def test_replies_one_prompt_late_are_never_chosen() -> None:
    late = [f"yes {topic}" for topic in [TOPICS[-1], *TOPICS[:-1]]]
    found = selection(fits(PROMPTS, late, embed, TOKENS))
    # The right reply is among the 9 drawn of 19 with probability 9/19; else ten ties.
    assert found.tolist() == pytest.approx([(1 - 9 / 19) / 10] * 20)


def test_selection_equals_drawing_candidates_many_times() -> None:
    generator = np.random.default_rng(0)
    fit = generator.integers(0, 4, size=(14, 14)).astype(float)
    exact = selection(fit, candidates=4)
    for i in (0, 5):
        others = np.delete(fit[i], i)
        wins = []
        for _ in range(20_000):
            drawn = generator.choice(others, 3, replace=False)
            wins.append((drawn.max() <= fit[i, i]) / (1 + (drawn == fit[i, i]).sum()))
        assert exact[i] == pytest.approx(np.mean(wins), abs=0.01)


def test_an_empty_reply_fits_nothing() -> None:
    fit = fits(PROMPTS[:3], ["", "topic1", "x"], embed, TOKENS)
    assert fit[:, 0].tolist() == [-1.0] * 3


def test_turns_of_a_prompt() -> None:
    prompt = "<SYS> one <SEP> two <USR_B> hey <USR_A> you there <USR_A> hello? <SYS>"
    assert turns(prompt, TOKENS) == [
        Turn(None, ("one", "two")),
        Turn("B", ("hey",)),
        Turn("A", ("you there", "hello?")),
    ]
    assert answered_text(prompt, TOKENS) == "hey\nyou there\nhello?"
    assert whole_text(prompt, TOKENS) == "one\ntwo\nhey\nyou there\nhello?"


def test_the_friend_speaking_twice_answers_the_others_before() -> None:
    prompt = "<USR_A> coming? <SYS> yes <SYS>"
    assert answered_text(prompt, TOKENS) == "coming?"
    assert answered_text("coming? <|response|>", TOKENS) == "coming?"


def test_echo_is_the_share_of_words_said_before() -> None:
    prompts = ["<USR_A> is the Bus late? <SYS>"] * 3
    found = echo(prompts, ["the bus, late??", "no idea", ""], TOKENS)
    assert found.tolist() == [1.0, 0.0, 0.0]
