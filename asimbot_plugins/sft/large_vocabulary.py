"""What makes sampling from 262,144 tokens cheap on a CPU. Results stay the same.

Measured with torch 2.13, a vocabulary of 262,144 and one thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_BEST = 1024


def keep_head_contiguous(model: Any) -> None:
    """Call before an adapter is put on.

    ``logits_to_keep`` gives the output layer a slice that is not contiguous; torch then
    multiplies batch by batch and first copies the whole output matrix for each row: 11 s in
    place of 0.06 s for four rows.
    """
    head = model.get_output_embeddings()
    if head is not None:
        head.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(), *inputs[1:]))


class Nucleus:
    """Temperature, top-k and top-p as transformers does them, without sorting the vocabulary.

    The nucleus is looked for among the 1,024 likeliest tokens (18 ms a batch of 16, not 300);
    where they don't reach ``top_p``, all are sorted after all. ``top_k`` 0 is no limit.
    """

    def __init__(self, temperature: float, top_k: int, top_p: float) -> None:
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits (batch, vocabulary) with −inf outside the nucleus."""
        import torch

        scores = scores / self.temperature
        if self.top_p >= 1 and not self.top_k:
            return scores
        size = scores.shape[-1]
        best, ids = scores.topk(min(self.top_k or _BEST, size), dim=-1)
        total = (best if self.top_k else scores).logsumexp(dim=-1, keepdim=True)
        mass = (best - total).exp().cumsum(dim=-1)
        if not self.top_k and bool((mass[:, -1] < self.top_p).any()):
            best, ids = scores.sort(dim=-1, descending=True)
            mass = (best - total).exp().cumsum(dim=-1)
        # A token stays if those before it do not reach top_p yet; the first one always does.
        outside = mass - (best - total).exp() >= self.top_p
        outside[:, 0] = False
        best = best.masked_fill(outside, -torch.inf)
        return torch.full_like(scores, -torch.inf).scatter(-1, ids, best)
