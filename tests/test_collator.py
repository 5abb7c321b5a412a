from __future__ import annotations

from typing import Any

import pytest

from asimbot_plugins.collator import PackedBatch, PaddedBatch, SysMaskCollator

ROWS = [
    {"input_ids": [7, 8, 9, 4, 1], "labels": [-100, -100, -100, 4, 1]},
    {"input_ids": [5, 9, 6], "labels": [-100, -100, 6]},
]


def test_padded_batch_exactly() -> None:
    batch = PaddedBatch(pad_token_id=0)(ROWS)
    assert batch["input_ids"].tolist() == [[7, 8, 9, 4, 1], [5, 9, 6, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch["labels"].tolist() == [[-100, -100, -100, 4, 1], [-100, -100, 6, -100, -100]]


def test_packed_batch_exactly() -> None:
    batch = PackedBatch(reply_only=False)(ROWS)
    assert batch["input_ids"].tolist() == [[7, 8, 9, 4, 1, 5, 9, 6]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 0, 1, 2]]
    assert batch["shift_labels"].tolist() == [[-100, -100, 4, 1, -100, -100, 6, -100]]
    assert "attention_mask" not in batch


def test_reply_only_keeps_the_positions_before_the_targets() -> None:
    batch = PackedBatch(reply_only=True)(ROWS)
    assert batch["logits_to_keep"].tolist() == [2, 3, 6]
    assert batch["shift_labels"].tolist() == [[4, 1, 6]]


def test_axolotls_bins_of_rows_are_flattened() -> None:
    plain, binned = PackedBatch(True)(ROWS), PackedBatch(True)([[ROWS[0]], [ROWS[1]]])
    assert all(plain[key].equal(binned[key]) for key in plain)


def test_rows_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="rows without labels"):
        PaddedBatch(0)([{"input_ids": [1, 2]}])


def test_a_batch_without_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match="without a single supervised token"):
        PackedBatch(True)([{"input_ids": [1, 2], "labels": [-100, -100]}])


@pytest.mark.parametrize(
    ("mode", "model_type", "made"),
    [
        ("auto", "gemma3_text", PackedBatch),
        ("auto", "some_new_model", PaddedBatch),
        ("padded", "gemma", PaddedBatch),
        ("packed", "gemma", PackedBatch),
    ],
)
def test_mode_follows_the_model(mode: str, model_type: str, made: type) -> None:
    class Tokenizer:
        pad_token_id = 0

    collator = SysMaskCollator(SysMaskCollator.Options(mode=mode))
    assert type(collator.make(Tokenizer(), model_type)) is made


@pytest.mark.parametrize("family", ["gemma", "gemma3_text", "llama"])
def test_all_modes_give_one_loss(family: str) -> None:
    """The loss of each mode against cross-entropy row by row, the reference."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    extra: dict[str, Any] = {"sliding_window": 4} if family == "gemma3_text" else {}
    config = AutoConfig.for_model(
        family,
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        **extra,
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    rows = [
        {"input_ids": list(range(3, 15)), "labels": [-100] * 8 + list(range(11, 15))},
        {"input_ids": [20, 21, 22, 23, 24], "labels": [-100, -100, 22, 23, 24]},
        {"input_ids": list(range(30, 47)), "labels": [-100] * 15 + [45, 46]},
    ]
    total, count = 0.0, 0
    for row in rows:
        logits = model(torch.tensor([row["input_ids"]])).logits[0, :-1]
        target = torch.tensor(row["labels"][1:])
        total += torch.nn.functional.cross_entropy(logits, target, reduction="sum").item()
        count += int((target != -100).sum())
    for collate in (PaddedBatch(0), PackedBatch(False), PackedBatch(True)):
        loss = model(**collate(rows), use_cache=False).loss.item()
        assert loss == pytest.approx(total / count, rel=1e-5), collate
