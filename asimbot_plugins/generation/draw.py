"""Drawing the next token from a large vocabulary without sorting it.

Temperature, top-k and top-p mean what they mean in transformers, whose way (sort, mask, softmax,
``multinomial``) takes most of a step on a CPU: with 262,144 tokens and 32 rows 3 to 10 times as
long as this (EXPERIMENTS.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_BLOCK = 512


class Draw:
    """A logits processor that draws one token a row and makes it the only one to choose.

    Use it with ``do_sample=False``: the largest logit is then the token drawn here.
    """

    def __init__(
        self,
        temperature: float,
        top_k: int = 0,
        top_p: float = 1.0,
        prompt_length: int = 0,
        stops: Sequence[int] = (),
    ) -> None:
        """``temperature`` > 0; ``top_k`` 0 is no limit, ``top_p`` 1 the whole distribution.

        Rows whose last token, beyond ``prompt_length`` tokens, is one of ``stops`` have ended:
        nothing is drawn for them. In a large batch that is most of the rows most of the time.
        """
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.prompt_length = prompt_length
        self.stops = stops

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``scores``: float logits (rows, vocabulary); returned with +inf at the drawn token."""
        import torch

        rows = torch.arange(len(scores), device=scores.device)
        if self.stops and input_ids.shape[1] > self.prompt_length:
            stops = torch.tensor(self.stops, device=input_ids.device)
            rows = rows[~torch.isin(input_ids[:, -1], stops)]
        open_ones = scores if len(rows) == len(scores) else scores[rows]
        scores[rows, draw(open_ones, self.temperature, self.top_k, self.top_p)] = math.inf
        return scores


def draw(scores: torch.Tensor, temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """One token id a row from logits (rows, vocabulary): int64, shape (rows,).

    The nucleus (Holtzman et al., 2020) is met by rejection: a token is drawn from all and kept
    if those likelier than it do not reach ``top_p`` yet; else it and all that are no likelier
    are taken out, and the row is drawn again. Tokens that tie at the edge of the nucleus all
    belong to it.
    """
    import torch

    weights = scores.float() / temperature
    weights = weights.sub_(weights.amax(dim=-1, keepdim=True)).exp_()
    if top_k:
        least = weights.topk(min(top_k, weights.shape[-1]), dim=-1).values[:, -1:]
        weights = weights.masked_fill_(weights < least, 0.0)
    drawn = _one_of(weights)
    if top_p >= 1:
        return drawn
    limit = top_p * weights.sum(dim=-1)
    rows = torch.arange(len(drawn), device=drawn.device)
    while True:
        likelier = weights * (weights > weights.gather(-1, drawn[rows, None]))
        outside = likelier.sum(dim=-1) >= limit
        if not bool(outside.any()):
            return drawn
        rows, limit, weights = rows[outside], limit[outside], likelier[outside]
        drawn[rows] = _one_of(weights)


def _one_of(weights: torch.Tensor) -> torch.Tensor:
    """A column a row, drawn with probability in proportion to its weight: int64, (rows,).

    By blocks: first which, then which of its columns. That is quicker than a running sum over
    the vocabulary, and does not lose small weights to rounding.
    """
    import torch

    rows, size = weights.shape
    if size % _BLOCK:
        weights = torch.nn.functional.pad(weights, (0, _BLOCK - size % _BLOCK))
    blocks = weights.view(rows, -1, _BLOCK)
    block = _place(blocks.sum(dim=-1))
    inner = _place(blocks[torch.arange(rows, device=weights.device), block])
    return block * _BLOCK + inner


def _place(weights: torch.Tensor) -> torch.Tensor:
    import torch

    sums = weights.double().cumsum(dim=-1)
    # In (0, 1]: the first running sum that reaches it has a weight above 0.
    chance = 1 - torch.rand(len(weights), 1, dtype=torch.float64, device=weights.device)
    return (sums < chance * sums[:, -1:]).sum(dim=-1)
