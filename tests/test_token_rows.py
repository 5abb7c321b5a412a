"""The cheap way against PEFT's own: same logits, same gradients, same file, same merge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_base

from asimbot_plugins.sft.token_rows import use_sparse_rows

IDS = [5, 17, 599]
BATCH = [[2, 5, 30, 17, 40, 5], [2, 9, 599, 8, 7, 6]]


def make(folder: Path, seed: int = 1) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules="all-linear", trainable_token_indices=IDS)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or "trainable_tokens_delta" in name:
            parameter.data += 0.1 * torch.randn(parameter.shape)
    return model


@pytest.mark.parametrize(
    ("family", "tied"), [("gemma", True), ("gemma3_text", True), ("llama", False), ("gpt2", True)]
)
def test_same_loss_and_gradients_as_peft(
    family: str, tied: bool, tmp_path: Path, tiny_tokenizer_text: list[str]
) -> None:
    import torch

    base = make_tiny_base(tmp_path / family, tiny_tokenizer_text, family, tie_word_embeddings=tied)
    theirs, ours = make(base), make(base)
    assert use_sparse_rows(ours) == (2 if tied else 1)
    ids = torch.tensor(BATCH)
    losses = [model(input_ids=ids, labels=ids).loss for model in (theirs, ours)]
    torch.testing.assert_close(losses[1], losses[0])
    for loss in losses:
        loss.backward()
    expected = {n: p.grad for n, p in theirs.named_parameters() if p.requires_grad}
    for name, parameter in ours.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, expected[name], msg=name)
    with torch.no_grad(), ours.disable_adapter(), theirs.disable_adapter():
        torch.testing.assert_close(ours(input_ids=ids).logits, theirs(input_ids=ids).logits)
    ours.eval()
    before = ours(input_ids=ids).logits
    ours.save_pretrained(tmp_path / "saved")
    theirs.save_pretrained(tmp_path / "reference")
    files = [tmp_path / name / "adapter_model.safetensors" for name in ("saved", "reference")]
    assert files[0].stat().st_size == files[1].stat().st_size
    torch.testing.assert_close(ours.merge_and_unload()(input_ids=ids).logits, before)
