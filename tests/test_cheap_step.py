"""The cheap training step against the library's own: same loss, same gradients."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = [
    {"input_ids": list(range(3, 15)), "labels": [-100] * 8 + list(range(11, 15))},
    {"input_ids": [20, 21, 22, 23, 24], "labels": [-100, -100, 22, 23, 24]},
    {"input_ids": list(range(30, 47)), "labels": [-100] * 15 + [45, 46]},
]
MODULES = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()


def make(family: str, dropout: float = 0.0, attention: str = "sdpa") -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
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
        sizes["sliding_window"] = 4  # shorter than every row
    config = AutoConfig.for_model(family, **sizes)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    for name, parameter in model.named_parameters():
        if "norm" in name:  # else all gains are alike
            parameter.data += 0.3 * torch.randn(parameter.shape)
    lora = LoraConfig(
        r=4, lora_dropout=dropout, target_modules=MODULES, trainable_token_indices=[5, 21, 46]
    )
    model = get_peft_model(model, lora)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data += 0.1 * torch.randn(parameter.shape)
    return model


@pytest.mark.parametrize("family", ["gemma", "gemma3_text", "llama", "mistral", "qwen2", "qwen3"])
@pytest.mark.parametrize("mode", ["padded", "packed", "reply_only"])
def test_same_loss_and_gradients_as_the_library(family: str, mode: str) -> None:
    import torch

    from asimbot_plugins.sft.collator import PackedBatch, PaddedBatch
    from asimbot_plugins.sft.step import make_cheap

    theirs, ours = make(family), make(family)
    make_cheap(ours)
    collate = PaddedBatch(0) if mode == "padded" else PackedBatch(mode == "reply_only")
    losses = [
        model(**collate(ROWS), use_cache=False, num_items_in_batch=torch.tensor(7)).loss
        for model in (theirs, ours)
    ]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-6)
    for loss in losses:
        (3 * loss).backward()
    expected = {n: p.grad for n, p in theirs.named_parameters() if p.requires_grad}
    for name, parameter in ours.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.abs().max() > 0, name
            torch.testing.assert_close(
                parameter.grad, expected[name], rtol=1e-3, atol=1e-5, msg=name
            )


def test_every_part_is_really_replaced() -> None:
    from asimbot_plugins.sft.frozen_norm import use_frozen_norm
    from asimbot_plugins.sft.lora_linear import use_lora_linear
    from asimbot_plugins.sft.row_attention import use_row_attention
    from asimbot_plugins.sft.token_loss import use_token_loss

    model = make("gemma3_text")
    assert use_lora_linear(model) == 2 * len(MODULES)
    assert use_frozen_norm(model) == 2 * 6 + 1
    assert use_row_attention(model) and use_token_loss(model)
    # An attention that was asked for, and a loss of the model's own, stay.
    assert not use_row_attention(make("gemma3_text", attention="eager"))
    assert not use_token_loss(model)


def test_the_end_token_weighs_what_it_is_told_to_in_training_alone() -> None:
    import torch

    from asimbot_plugins.sft.token_loss import causal_loss

    torch.manual_seed(3)
    logits = torch.randn(2, 5, 40, requires_grad=True)
    labels = torch.tensor([[-100, -100, 3, 39, 7], [-100, -100, -100, 8, 7]])
    each = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, 40), labels[:, 1:].reshape(-1), reduction="none"
    ).view(2, 4)
    # Five targets, two of them the end token 7: it counts 2.5 times, five is divided by.
    weights = torch.tensor([[1, 1, 1, 2.5], [1, 1, 1, 2.5]])
    (weights * each).sum().div(5).backward()
    expected, logits.grad = logits.grad, None
    loss = causal_loss(logits, labels, 40, end=(7, 2.5))
    loss.backward()
    torch.testing.assert_close(loss, (weights * each).sum() / 5)
    torch.testing.assert_close(logits.grad, expected)
    held_out = causal_loss(logits.detach(), labels, 40, end=(7, 2.5))
    torch.testing.assert_close(held_out, each.sum() / 5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loss_and_gradient_are_cross_entropy(dtype: str) -> None:
    import torch
    from transformers.loss.loss_utils import ForCausalLMLoss

    from asimbot_plugins.sft import token_loss

    torch.manual_seed(3)
    logits = (4 * torch.randn(2, 5, 40)).to(getattr(torch, dtype))
    labels = torch.tensor([[1, -100, 3, 39, 0], [-100, -100, -100, 7, 8]])
    for arguments in ({"labels": labels}, {"labels": None, "shift_labels": labels}):
        grads = []
        for loss_of in (ForCausalLMLoss, token_loss.causal_loss):
            x = logits.clone().requires_grad_()
            loss = loss_of(x, vocab_size=40, **arguments)
            loss.backward()
            grads.append((loss, x.grad))
        torch.testing.assert_close(grads[1], grads[0])


def test_loss_in_chunks_is_the_loss_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from asimbot_plugins.sft import token_loss

    x = torch.randn(1, 7, 11, requires_grad=True)
    targets = torch.tensor([[1, -100, 3, 4, 5, -100, 6]])
    found = []
    for size in (1, 22, 1000):
        monkeypatch.setitem(token_loss._CHUNK, "cpu", size)
        loss = token_loss.causal_loss(x, targets, 11, shift_labels=targets)
        found.append((loss, torch.autograd.grad(loss, x)[0]))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    import torch

    from asimbot_plugins.sft.lora_linear import _positions

    torch.manual_seed(1)
    x = torch.empty(200, 500)
    p = 0.2
    share = len(_positions(x, p).unique()) / x.numel()
    assert share == pytest.approx(p, abs=0.004)  # 3 deviations of independent draws


def test_dropout_is_the_same_in_forward_and_backward() -> None:
    import torch

    from asimbot_plugins.sft.lora_linear import _LoraLinear

    torch.manual_seed(2)
    x, w, a, b = (
        torch.randn(shape, dtype=torch.float64, requires_grad=grad)
        for shape, grad in (((2, 3, 6), True), ((4, 6), False), ((2, 6), True), ((4, 2), True))
    )
    dropped = torch.tensor([0, 7, 7, 20, 35])
    assert torch.autograd.gradcheck(
        lambda x, a, b: _LoraLinear.apply(x, w, None, a, b, 0.5, dropped), (x, a, b)
    )


def test_dropout_only_while_training_and_repeats_with_its_seed() -> None:
    import torch

    from asimbot_plugins.sft.collator import PackedBatch
    from asimbot_plugins.sft.step import make_cheap

    plain, model = make("gemma3_text"), make("gemma3_text", dropout=0.5)
    make_cheap(model)
    batch = PackedBatch(True)(ROWS)

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        with torch.no_grad():
            return float(model(**batch, use_cache=False).loss)

    model.train()
    assert loss(1) == loss(1) != loss(2)
    model.eval()
    assert loss(1) == loss(2) == pytest.approx(float(plain(**batch, use_cache=False).loss))


def test_bfloat16_under_autocast_is_as_near_as_the_librarys_own() -> None:
    import torch

    from asimbot_plugins.sft.collator import PackedBatch
    from asimbot_plugins.sft.step import make_cheap

    batch = PackedBatch(True)(ROWS)
    exact = make("gemma3_text")
    exact(**batch, use_cache=False).loss.backward()
    errors = []
    for cheap in (False, True):
        model = make("gemma3_text")
        for parameter in model.parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.bfloat16()
        if cheap:
            make_cheap(model)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        error = norm = 0.0
        for mine, theirs in zip(model.parameters(), exact.parameters(), strict=True):
            if mine.requires_grad:
                error += float((mine.grad - theirs.grad).square().sum())
                norm += float(theirs.grad.square().sum())
        errors.append((error / norm) ** 0.5)
    assert errors[0] < 0.05 and errors[1] < 1.2 * errors[0]


def test_trained_norms_and_merged_layers_keep_the_librarys_forward() -> None:
    import torch

    from asimbot_plugins.sft.step import make_cheap

    ids = torch.tensor([[4, 5, 6, 7]])
    plain, model = make("llama"), make("llama")
    make_cheap(model)
    norm = model.get_base_model().model.norm
    norm.weight.requires_grad_(True)
    loss = model(ids, labels=ids).loss
    loss.backward()
    assert norm.weight.grad.abs().max() > 0
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(ids).logits, plain.eval()(ids).logits)
        with model.disable_adapter(), plain.disable_adapter():
            torch.testing.assert_close(model(ids).logits, plain(ids).logits)
        model.merge_adapter()
        torch.testing.assert_close(model(ids).logits, plain(ids).logits, rtol=1e-4, atol=1e-5)
