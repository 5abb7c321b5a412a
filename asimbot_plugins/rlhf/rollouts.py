"""Replies drawn for training: they stop exactly where generation stops.

TRL's PPO knows one stop token and its GRPO masks what follows the end token alone, so a reply
that stopped at a speaker token would go on, or be trained on its own padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from asimbot_plugins.generation.draw import Draw
from asimbot_plugins.generation.sampler import Clone, Finished, left_padded

if TYPE_CHECKING:
    import torch


class Rollout(NamedTuple):
    """One drawn reply.

    ``ids``: every token drawn, the one that ended it included: what is trained on. ``reply``:
    those of them that belong to the reply. ``ended``: whether the end token ended it, not a
    speaker's token, too many messages or the length.
    """

    prompt: list[int]
    ids: list[int]
    reply: list[int]
    ended: bool

    def row(self, end_id: int) -> list[int]:
        """Ids of a whole training row: prompt, reply and end token, as a reward model reads it."""
        return [*self.prompt, *self.reply, end_id]


def draw(
    clone: Clone, prompts: Sequence[list[int]], max_new_tokens: int, temperature: float
) -> list[Rollout]:
    """One reply to each prompt (ids), sampled from the whole distribution at ``temperature``.

    No nucleus: the probability of a drawn token must be the one that the loss works with.
    """
    import torch
    from transformers import GenerationConfig

    tokenizer = clone.tokenizer
    batch, mask = left_padded(list(prompts), tokenizer.pad_token_id, clone.model.device)
    stops = clone.stop_ids()
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,  # ``Draw`` has drawn already
        eos_token_id=stops,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    with torch.no_grad():
        made = clone.model.generate(
            input_ids=batch,
            attention_mask=mask,
            generation_config=config,
            stopping_criteria=[Finished(clone, batch.shape[1])],
            logits_processor=[
                Draw(temperature, 0, 1.0, batch.shape[1], [*stops, tokenizer.pad_token_id])
            ],
        )
    drawn = made[:, batch.shape[1] :].tolist()
    return [rollout(clone, p, ids, set(stops)) for p, ids in zip(prompts, drawn, strict=True)]


def rollout(clone: Clone, prompt: list[int], ids: list[int], stops: set[int]) -> Rollout:
    """Cuts what the batch drew further for the sake of its longer rows."""
    end = next((i for i, id_ in enumerate(ids) if id_ in stops), len(ids))
    kept, used = ids[:end], ids[: end + 1]
    for criterion in clone.stopping:
        n = criterion.keep(kept, clone.tokenizer, clone.tokens)
        if n is not None:
            kept, used = kept[:n], ids[: n + 1]
    ended = used[-1:] == [clone.tokenizer.eos_token_id]
    return Rollout(list(prompt), used, kept, ended)


def right_padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, mask), both int64 of shape (rows, longest); mask is 1 on the rows' own tokens."""
    import torch

    longest = max(len(row) for row in rows)
    ids = [[*row, *[pad_id] * (longest - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)
