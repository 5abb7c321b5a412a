"""How surprised a model is by the real replies: teacher-forced negative log-likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asimbot_plugins.sft.masking import prompt_ids

if TYPE_CHECKING:
    from asimbot_plugins.evaluate.systems import Form
    from asimbot_plugins.generation.sampler import Clone

_POSITIONS = 4096  # tokens of a batch, padding included: bounds memory
_REPLY_ROWS = 256  # rows of logits of a batch: 262,144 floats each


def reply_losses(clone: Clone, forms: Sequence[Form], end_token: bool) -> list[float]:
    """Summed negative log-likelihood in nats of each reply given its prompt.

    The reply's own text is scored, and the end token after it if ``end_token``; the prompt is
    not. Batches hold prompts of similar length; the output layer runs on the reply alone.
    """
    import torch

    eos = [clone.tokenizer.eos_token_id] if end_token else []
    rows = []
    for form in forms:
        prompt = prompt_ids(clone.tokenizer, form.prompt)
        reply = clone.tokenizer(form.reply, add_special_tokens=False)["input_ids"]
        rows.append((prompt + reply + eos, len(reply) + len(eos)))
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i][0]), i))
    losses = [0.0] * len(rows)
    while order:
        batch = order[:1]
        for i in order[1:]:
            longest = max(rows[j][1] for j in (*batch, i)) + 1
            fits = (len(batch) + 1) * len(rows[i][0]) <= _POSITIONS
            if not fits or (len(batch) + 1) * longest > _REPLY_ROWS:
                break
            batch.append(i)
        order = order[len(batch) :]
        with torch.inference_mode():
            found = _batch_losses(clone, [rows[i] for i in batch])
        for i, loss in zip(batch, found, strict=True):
            losses[i] = loss
    return losses


def _batch_losses(clone: Clone, rows: list[tuple[list[int], int]]) -> list[float]:
    import torch

    width = max(len(ids) for ids, _ in rows)
    kept = max(n for _, n in rows) + 1
    pad = clone.tokenizer.pad_token_id
    device = clone.model.device
    # Left padding puts all replies at the end, where the output layer is asked for them.
    ids = torch.tensor([[pad] * (width - len(r)) + r for r, _ in rows], device=device)
    mask = torch.tensor([[0] * (width - len(r)) + [1] * len(r) for r, _ in rows], device=device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    logits = clone.model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=False,
        logits_to_keep=kept,
    ).logits[:, -kept:]
    losses = []
    for i, (_, n) in enumerate(rows):
        targets = ids[i, width - n :]
        scores = logits[i, kept - n - 1 : kept - 1].float()
        losses.append(float(torch.nn.functional.cross_entropy(scores, targets, reduction="sum")))
    return losses


def bits_per_character(losses: Sequence[float], replies: Sequence[Sequence[str]]) -> float:
    """Bits a character of replies with these losses (nats), the end of a message counted as one.

    Tokenizers drop out: every model spends its bits on the same characters.
    """
    characters = sum(sum(len(message) + 1 for message in reply) for reply in replies)
    return sum(losses) / math.log(2) / max(characters, 1)
