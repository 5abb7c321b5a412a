"""Drawing a token must follow the distribution that transformers' warpers leave, token by token."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from asimbot_plugins.generation.draw import Draw, draw

TIMES = 20_000


def expected(scores: torch.Tensor, temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """Probabilities after transformers' own warpers, (vocabulary,)."""
    none: Any = None
    left = TemperatureLogitsWarper(temperature)(none, scores[None])
    if top_k:
        left = TopKLogitsWarper(top_k)(none, left)
    if top_p < 1:
        left = TopPLogitsWarper(top_p)(none, left)
    return left.softmax(-1)[0]


@pytest.mark.parametrize("top_k", [0, 3, 50])
@pytest.mark.parametrize("top_p", [0.05, 0.6, 0.95, 1.0])
@pytest.mark.parametrize("size", [7, 512, 1300])
def test_tokens_come_as_often_as_transformers_would_have_them(
    size: int, top_p: float, top_k: int
) -> None:
    torch.manual_seed(size)
    scores = torch.randn(size) * 3
    wanted = expected(scores, 0.8, top_k, top_p)
    drawn = draw(scores.expand(TIMES, size), 0.8, top_k, top_p)
    counts = torch.bincount(drawn, minlength=size).double()
    assert not counts[wanted == 0].any(), "a token outside the nucleus was drawn"
    # Pearson's statistic over tokens that are expected often; mean k, deviation sqrt(2 k).
    often = wanted.double() * TIMES >= 10
    k = int(often.sum()) - 1
    gap = (counts - wanted.double() * TIMES)[often]
    statistic = float((gap**2 / (wanted.double() * TIMES)[often]).sum())
    assert statistic < k + 5 * math.sqrt(2 * k) + 5


def test_a_certain_token_is_always_drawn() -> None:
    scores = torch.full((64, 1000), -torch.inf)
    places = torch.arange(64) * 15 + 3
    scores[torch.arange(64), places] = -4.0
    for top_p in (0.1, 1.0):
        assert torch.equal(draw(scores, 1.0, 0, top_p), places)


def test_a_small_weight_late_in_a_large_vocabulary_is_not_lost() -> None:
    """A running sum in float32 would round the tail of 262,144 tokens away."""
    size = 262_144
    scores = torch.zeros(1, size)
    seen = torch.cat([draw(scores, 1.0, 0, 1.0) for _ in range(400)])
    # Uniform: the mean is the middle, and each quarter gets its share.
    quarters = torch.bincount(seen * 4 // size, minlength=4)
    assert quarters.min() > 60 and quarters.max() < 140


def test_the_seed_decides_and_rows_differ() -> None:
    scores = torch.randn(50, 3000)
    torch.manual_seed(1)
    first = draw(scores, 1.0, 0, 0.9)
    torch.manual_seed(1)
    assert torch.equal(first, draw(scores, 1.0, 0, 0.9))
    assert len(set(draw(torch.zeros(50, 3000), 1.0, 0, 1.0).tolist())) > 40


def test_the_processor_leaves_one_token_to_choose() -> None:
    scores = torch.randn(5, 900)
    torch.manual_seed(3)
    wanted = draw(scores.clone(), 0.7, 0, 0.9)
    torch.manual_seed(3)
    none: Any = None
    assert torch.equal(Draw(0.7, 0, 0.9)(none, scores).argmax(-1), wanted)


def test_nothing_is_drawn_for_rows_that_have_ended() -> None:
    end, pad, prompt = 7, 0, 3
    scores = torch.randn(4, 900)
    ids = torch.tensor([[5, 5, end, 8], [5, 5, 5, end], [5, 5, 5, pad], [5, 5, 5, 9]])
    left = Draw(1.0, 0, 1.0, prompt, [end, pad])(ids, scores.clone())
    # An end token in the prompt ends nothing.
    assert torch.isinf(left).sum(-1).tolist() == [1, 0, 0, 1]
    first = Draw(1.0, 0, 1.0, 4, [end, pad])(ids, scores.clone())
    assert torch.isinf(first).sum(-1).tolist() == [1, 1, 1, 1]


def test_equal_tokens_are_all_in_the_nucleus() -> None:
    """bfloat16 logits tie often; which of equal tokens a sort puts first means nothing."""
    drawn = draw(torch.zeros(2000, 8), 1.0, 0, 0.3)
    assert set(drawn.tolist()) == set(range(8))
