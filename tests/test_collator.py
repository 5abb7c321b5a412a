from __future__ import annotations

from typing import Any

import pytest

from asimbot_plugins.sft.collator import PACKABLE, PackedBatch, PaddedBatch, SysMaskCollator

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
    assert batch["cu_seq_lens_q"].tolist() == [0, 5, 8]
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


FAMILIES = ["gemma", "gemma2", "gemma3_text", "llama", "mistral", "qwen2", "qwen3", "gpt2"]


def tiny(family: str) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": 50,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    if family in ("gemma2", "gemma3_text", "mistral"):
        sizes["sliding_window"] = 4
    if family == "gpt2":
        sizes = {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    config = AutoConfig.for_model(family, **sizes)
    attention = "eager" if family == "gemma2" else "sdpa"
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


MIXED = [
    {"input_ids": list(range(3, 15)), "labels": [-100] * 8 + list(range(11, 15))},
    {"input_ids": [20, 21, 22, 23, 24], "labels": [-100, -100, 22, 23, 24]},
    {"input_ids": list(range(30, 47)), "labels": [-100] * 15 + [45, 46]},
]


@pytest.mark.parametrize("family", FAMILIES)
def test_all_modes_give_the_loss_and_gradients_of_row_by_row(family: str) -> None:
    import torch

    model = tiny(family)
    total = torch.zeros(())
    count = 0
    for row in MIXED:
        logits = model(torch.tensor([row["input_ids"]])).logits[0, :-1]
        target = torch.tensor(row["labels"][1:])
        total = total + torch.nn.functional.cross_entropy(logits, target, reduction="sum")
        count += int((target != -100).sum())
    (total / count).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters()}
    for collate in (PaddedBatch(0), PackedBatch(False), PackedBatch(True)):
        model.zero_grad()
        loss = model(**collate(MIXED), use_cache=False).loss
        assert loss.item() == pytest.approx(total.item() / count, rel=1e-5), collate
        loss.backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter.grad, expected[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_never_sees_another(family: str) -> None:
    """Changing the second row leaves the logits of the first and third as they are."""
    import torch

    model = tiny(family)
    other = {"input_ids": [40, 41, 42, 43, 44], "labels": [-100, -100, 42, 43, 44]}
    collate = PackedBatch(False)
    with torch.no_grad():
        one = model(**collate(MIXED), use_cache=False).logits[0]
        two = model(**collate([MIXED[0], other, MIXED[2]]), use_cache=False).logits[0]
    torch.testing.assert_close(one[:12], two[:12])
    torch.testing.assert_close(one[17:], two[17:])
    assert not torch.allclose(one[12:17], two[12:17])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_known_family_takes_reply_only(family: str) -> None:
    assert family in PACKABLE
