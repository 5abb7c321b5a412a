"""The SYS-masking collator: batches rows whose labels were masked at tokenisation.

Three modes, one contract (rows in, the same loss out): ``padded`` for any model; ``packed``,
one flat row without padding; ``reply_only``, the same with logits for the supervised positions
alone, which saves most of the work of a large vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from asimbot_plugins import components, hookimpl
from asimbot_plugins.components import Collator
from asimbot_plugins.sft.masking import IGNORED

if TYPE_CHECKING:
    import torch

PACKABLE = frozenset(
    {"gemma", "gemma2", "gemma3_text", "gpt2", "llama", "mistral", "qwen2", "qwen3"}
)
"""Model types whose attention keeps packed rows apart by ``position_ids`` alone."""

Row = dict[str, list[int]]


class SysMaskCollator(Collator):
    """Trains on the reply alone: pads or packs rows that carry their masked labels."""

    name = "sys_mask"

    class Options(components.Options):
        mode: Literal["auto", "padded", "packed", "reply_only"] = "auto"

    def make(self, tokenizer: Any, model_type: str) -> Any:
        mode = self.options.mode
        if mode == "auto":
            mode = "reply_only" if model_type in PACKABLE else "padded"
        if mode == "padded":
            return PaddedBatch(tokenizer.pad_token_id)
        return PackedBatch(reply_only=mode == "reply_only")


class PaddedBatch:
    """Right-padded batch: ``input_ids``, ``attention_mask``, ``labels``, each int64 (B, T)."""

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Any], return_tensors: str = "pt") -> dict[str, torch.Tensor]:
        import torch

        rows = _flat(rows)
        longest = max(len(row["input_ids"]) for row in rows)

        def padded(key: str, value: int) -> torch.Tensor:
            return torch.tensor(
                [row[key] + [value] * (longest - len(row[key])) for row in rows], dtype=torch.long
            )

        lengths = torch.tensor([[len(row["input_ids"])] for row in rows])
        return {
            "input_ids": padded("input_ids", self.pad_token_id),
            "attention_mask": (torch.arange(longest)[None] < lengths).long(),
            "labels": padded("labels", IGNORED),
        }


class PackedBatch:
    """All rows in one: ``input_ids`` and restarting ``position_ids``, int64 (1, T).

    There is no ``attention_mask``: with one, Hugging Face models no longer tell the rows apart
    by their positions, and rows see each other. ``cu_seq_lens_q``, int32 (rows + 1,), says where
    rows begin, for an attention that goes row by row. ``labels`` and ``shift_labels`` are equal:
    the next token inside each row, −100 where none is trained. With ``reply_only`` both hold only
    the K supervised targets, (1, K), and ``logits_to_keep`` (K,) their positions in the row.
    """

    def __init__(self, reply_only: bool) -> None:
        self.reply_only = reply_only

    def __call__(self, rows: Sequence[Any], return_tensors: str = "pt") -> dict[str, torch.Tensor]:
        import torch

        ids: list[int] = []
        positions: list[int] = []
        borders = [0]
        targets: list[int] = []
        for row in _flat(rows):
            ids += row["input_ids"]
            positions += range(len(row["input_ids"]))
            borders.append(len(ids))
            # The last position of a row has no next token of its own.
            targets += [*row["labels"][1:], IGNORED]
        target = torch.tensor([targets])
        batch = {
            "input_ids": torch.tensor([ids]),
            "position_ids": torch.tensor([positions]),
            "cu_seq_lens_q": torch.tensor(borders, dtype=torch.int32),
        }
        if self.reply_only:
            kept = (target[0] != IGNORED).nonzero().flatten()
            if not len(kept):
                raise ValueError("a batch without a single supervised token: nothing to train on")
            batch["logits_to_keep"] = kept
            target = target[:, kept]
        return {**batch, "labels": target, "shift_labels": target.clone()}


def _flat(rows: Sequence[Any]) -> list[Row]:
    """Rows as plain lists; Axolotl's sample packing passes lists of rows."""
    if rows and isinstance(rows[0], list):
        rows = [row for bin_ in rows for row in bin_]
    if rows and "labels" not in rows[0]:
        raise ValueError(
            "rows without labels: they were not tokenised by asimbot_plugins.axolotl_adapter"
        )
    return [{key: list(row[key]) for key in ("input_ids", "labels")} for row in rows]


@hookimpl
def register_collators() -> list[type[Collator]]:
    return [SysMaskCollator]
