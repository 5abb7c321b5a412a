"""Token ids and labels of a training row, made in one place.

Labels are made where the ids are made, so whatever batches them later can't train on a
prompt by mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

IGNORED = -100
"""Label of a position that is not trained on (PyTorch's cross-entropy convention)."""


def mask_before_reply(ids: Sequence[int], reply_id: int) -> list[int]:
    """Labels for ``ids``: −100 up to and including the last ``reply_id``, the ids after it.

    Without any ``reply_id`` every label is −100.
    """
    last = max((i for i, id_ in enumerate(ids) if id_ == reply_id), default=len(ids) - 1)
    return [IGNORED] * (last + 1) + list(ids[last + 1 :])


def mask_all_but_replies(
    ids: Sequence[int], reply_id: int, border_ids: Collection[int]
) -> list[int]:
    """Labels for ``ids`` that supervise every reply of the friend, earlier ones too.

    A reply is what follows ``reply_id`` up to the next of ``border_ids`` (speaker tokens and the
    reply token); the borders themselves are −100.
    """
    labels, inside = [], False
    for id_ in ids:
        if id_ in border_ids or id_ == reply_id:
            inside = id_ == reply_id
            labels.append(IGNORED)
        else:
            labels.append(id_ if inside else IGNORED)
    return labels


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """Ids of a prompt, with the begin token where the base has one and no end token."""
    ids: list[int] = list(tokenizer(prompt)["input_ids"])
    if ids and ids[-1] == tokenizer.eos_token_id:
        ids.pop()
    return ids


def encode_row(
    tokenizer: Any,
    text: str,
    reply_token: str,
    max_length: int | None = None,
    border_tokens: Sequence[str] = (),
    train_on: str = "last_reply",
) -> dict[str, list[int]]:
    """``input_ids``, ``labels`` and ``attention_mask`` (all ones) of one row.

    The end token is appended and supervised. ``train_on`` is ``last_reply`` (all before it is
    context) or ``every_reply`` (the friend's earlier replies are supervised too). A row longer
    than ``max_length`` loses its oldest messages: it is cut just before one of
    ``border_tokens`` (speaker and reply tokens), never inside a message, and the reply is never
    cut; where even that is not enough, the row stays too long and the trainer drops it.
    """
    reply_id = tokenizer.convert_tokens_to_ids(reply_token)
    ids = [*prompt_ids(tokenizer, text), tokenizer.eos_token_id]
    borders = set(tokenizer.convert_tokens_to_ids([*border_tokens, reply_token]))
    if max_length is not None and len(ids) > max_length:
        ids = _cut_left(ids, max_length, borders, tokenizer.bos_token_id)
    return {
        "input_ids": ids,
        "labels": (
            mask_all_but_replies(ids, reply_id, borders)
            if train_on == "every_reply"
            else mask_before_reply(ids, reply_id)
        ),
        "attention_mask": [1] * len(ids),
    }


def _cut_left(ids: list[int], limit: int, borders: set[int], bos_id: int | None) -> list[int]:
    head = [bos_id] if bos_id is not None and ids[0] == bos_id else []
    for start in range(len(head), len(ids)):
        if ids[start] in borders and len(head) + len(ids) - start <= limit:
            return head + ids[start:]
    return ids
