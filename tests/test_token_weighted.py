from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asimbot_plugins.sft.collator import PackedBatch, PaddedBatch
from asimbot_plugins.sft.token_weighted import TokenBudgetSampler, TokenWeightedMixin

lengths_and_budget = st.tuples(
    st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(10, 200)
)


@given(lengths_and_budget, st.integers(1, 3))
def test_every_row_once_within_the_budget(case: tuple[list[int], int], multiple: int) -> None:
    lengths, budget = case
    sampler = TokenBudgetSampler(lengths, budget, seed=3, multiple_of=multiple)
    first, second = list(sampler), list(sampler)
    for batches in (first, second):
        rows = sorted(row for batch in batches for row in batch)
        assert sorted(set(rows)) == list(range(len(lengths)))
        assert len(rows) - len(lengths) < multiple  # only to give every process a batch
        assert len(batches) == len(sampler)
    assert len(sampler) % multiple == 0
    for batch in first:
        assert sum(lengths[row] for row in batch) <= max(budget, max(lengths))


def test_epochs_differ_and_seeds_repeat() -> None:
    lengths = [5 + n % 7 for n in range(50)]
    one, two = TokenBudgetSampler(lengths, 64, seed=1), TokenBudgetSampler(lengths, 64, seed=1)
    first = list(one)
    assert first == list(two)
    assert first != list(one)


def make_rows(count: int) -> list[dict[str, list[int]]]:
    """Rows of 6 to 25 tokens with 1 to 9 supervised ones: means of means would be far off."""
    rows = []
    for n in range(count):
        ids = [4 + (n * 7 + i * 3) % 40 for i in range(6 + (n * 5) % 20)]
        supervised = 1 + (n * 3) % min(9, len(ids) - 2)
        rows.append(
            {"input_ids": ids, "labels": [-100] * (len(ids) - supervised) + ids[-supervised:]}
        )
    return rows


def train(tmp: Path, collate: Any, batch: int, accumulate: int) -> tuple[float, float, Any]:
    """(train loss of the one update, held-out loss before it, parameters after it)."""
    import torch
    from datasets import Dataset
    from transformers import AutoConfig, AutoModelForCausalLM, Trainer, TrainingArguments

    class Weighted(TokenWeightedMixin, Trainer):
        pass

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "llama",
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    trainer = Weighted(
        model=AutoModelForCausalLM.from_config(config),
        args=TrainingArguments(
            output_dir=str(tmp),
            per_device_train_batch_size=batch,
            per_device_eval_batch_size=3,
            gradient_accumulation_steps=accumulate,
            max_steps=1,
            learning_rate=0.1,
            optim="sgd",
            lr_scheduler_type="constant",
            max_grad_norm=0,
            use_cpu=True,
            report_to=[],
            logging_steps=1,
            save_strategy="no",
            remove_unused_columns=False,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(make_rows(8)),
        eval_dataset=Dataset.from_list(make_rows(7)),
        data_collator=collate,
    )
    heldout = trainer.evaluate()["eval_loss"]
    trainer.train()
    parameters = torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
    return trainer.state.log_history[-2]["loss"], heldout, parameters


def test_accumulation_equals_one_big_batch_in_every_mode(tmp_path: Path) -> None:
    import torch

    ways = [
        (PaddedBatch(0), 8, 1),
        (PaddedBatch(0), 2, 4),
        (PackedBatch(False), 4, 2),
        (PackedBatch(True), 8, 1),
        (PackedBatch(True), 1, 8),
    ]
    results = [train(tmp_path, *way) for way in ways]
    for loss, heldout, parameters in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-5)
        assert heldout == pytest.approx(results[0][1], rel=1e-5)
        torch.testing.assert_close(parameters, results[0][2], atol=1e-6, rtol=1e-5)


def test_held_out_loss_is_the_mean_over_tokens(tmp_path: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "llama",
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    nll, count = 0.0, 0
    for row in make_rows(7):
        logits = model(torch.tensor([row["input_ids"]])).logits[0, :-1]
        target = torch.tensor(row["labels"][1:])
        nll += torch.nn.functional.cross_entropy(logits, target, reduction="sum").item()
        count += int((target != -100).sum())
    assert train(tmp_path, PackedBatch(True), 8, 1)[1] == pytest.approx(nll / count, rel=1e-5)
