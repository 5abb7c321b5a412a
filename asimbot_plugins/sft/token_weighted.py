"""What Axolotl's trainer lacks for rows of very different length.

A batch's loss is the mean over its supervised tokens; the mean of such means favours short
replies. Here every supervised token of an update weighs the same, whatever batch, accumulation
step or process it is in, as if the update were one big batch; held-out loss likewise.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import BatchSampler


class TokenWeightedMixin:
    """Mix in before a ``transformers.Trainer`` (or Axolotl's)."""

    batch_tokens: int | None = None
    """Tokens in a batch, instead of ``per_device_train_batch_size`` rows; None for rows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Axolotl switches this off; with it Trainer divides by the tokens of the whole update.
        self.model_accepts_loss_kwargs = True
        self._heldout_nll = self._heldout_tokens = 0.0

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        found = super().prediction_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        targets = inputs["shift_labels"] if "shift_labels" in inputs else inputs["labels"][..., 1:]
        tokens = int((targets != -100).sum())
        total = self._get_num_items_in_batch([inputs], self.args.device)  # type: ignore[attr-defined]
        # Trainer returned nll * processes / (tokens of all processes).
        scale = float(total) / self.args.world_size  # type: ignore[attr-defined]
        self._heldout_nll += float(found[0]) * scale
        self._heldout_tokens += tokens
        return found

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        self._heldout_nll = self._heldout_tokens = 0.0
        output = super().evaluation_loop(*args, **kwargs)  # type: ignore[misc]
        sums = torch.tensor(
            [self._heldout_nll, self._heldout_tokens],
            device=self.args.device,  # type: ignore[attr-defined]
            dtype=torch.float32,
        )
        nll, tokens = self.accelerator.reduce(sums).tolist()  # type: ignore[attr-defined]
        prefix = kwargs.get("metric_key_prefix", "eval")
        if tokens:
            output.metrics[f"{prefix}_loss"] = nll / tokens
        return output

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        dataset = train_dataset if train_dataset is not None else self.train_dataset  # type: ignore[attr-defined]
        if self.batch_tokens is None or dataset is None:
            return super()._get_train_sampler(train_dataset)  # type: ignore[misc]
        # accelerate can't even out batches of changing size; ours are even by construction.
        self.accelerator.even_batches = False  # type: ignore[attr-defined]
        return TokenBudgetSampler(
            [len(ids) for ids in dataset["input_ids"]],
            self.batch_tokens,
            seed=self.args.data_seed or self.args.seed,  # type: ignore[attr-defined]
            multiple_of=self.args.world_size,  # type: ignore[attr-defined]
        )


class TokenBudgetSampler(BatchSampler):
    """Batches of about equal numbers of tokens, none over the budget; every row once an epoch.

    ``lengths``: tokens of each row. The number of batches is the same in every epoch (and a
    multiple of ``multiple_of``), so that schedules can be planned; their rows change with the
    epoch and depend on ``seed`` alone. A row longer than the budget gets a batch to itself.
    Batches are filled longest row first, always the emptiest one (Graham's LPT rule, 1969),
    which keeps them within one short row of each other.
    """

    def __init__(
        self, lengths: Sequence[int], budget: int, seed: int = 0, multiple_of: int = 1
    ) -> None:
        self.lengths = list(lengths)
        self.seed = seed
        self.epoch = 0
        self.batch_size = None  # type: ignore[assignment]  # accelerate asks for the attribute
        self.drop_last = False
        count = max(1, math.ceil(sum(self.lengths) / budget))
        while True:
            count = math.ceil(count / multiple_of) * multiple_of
            fits = max(budget, max(self.lengths, default=0))
            if count >= len(self.lengths) or max(map(self._tokens, self._fill(count))) <= fits:
                break
            count += 1
        most = math.ceil(len(self.lengths) / multiple_of) * multiple_of
        self.count = min(count, max(most, multiple_of))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        # Fewer rows than processes need: a row runs twice rather than a process not at all.
        shortest = min(range(len(self.lengths)), key=self.lengths.__getitem__)
        batches = [batch or [shortest] for batch in self._fill(self.count)]
        random.Random(f"{self.seed}/{self.epoch}/order").shuffle(batches)
        self.epoch += 1
        yield from batches

    def _tokens(self, rows: list[int]) -> int:
        return sum(self.lengths[row] for row in rows)

    def _fill(self, count: int) -> list[list[int]]:
        rows = list(range(len(self.lengths)))
        random.Random(f"{self.seed}/{self.epoch}/rows").shuffle(rows)
        rows.sort(key=lambda row: -self.lengths[row])  # stable: equal lengths stay shuffled
        batches: list[list[int]] = [[] for _ in range(count)]
        heap = [(0, i) for i in range(count)]
        for row in rows:
            tokens, i = heapq.heappop(heap)
            batches[i].append(row)
            heapq.heappush(heap, (tokens + self.lengths[row], i))
        return batches
