from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asimbot_plugins.sft.vocabulary import add_tokens, descriptions
from asimbot_plugins.tokens import TokenNames

T = TokenNames()


def load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def prepared(folder: Path) -> tuple[Any, Any, list[int]]:
    model, tokenizer = load(folder)
    ids = add_tokens(model, tokenizer, T.all(), descriptions(T))
    return model, tokenizer, ids


def test_old_rows_stay_and_new_rows_lie_near_what_they_stand_for(tiny_gemma: Path) -> None:
    import torch

    before, plain = load(tiny_gemma)
    model, _, ids = prepared(tiny_gemma)
    old = before.get_input_embeddings().weight
    new = model.get_input_embeddings().weight
    assert new.shape == (611, 64) and ids == list(range(600, 611))
    assert torch.equal(new[:600], old)
    meant = old[plain("\n", add_special_tokens=False)["input_ids"]].mean(0)
    cosine = torch.nn.functional.cosine_similarity(new[ids[-1]], meant, dim=0)
    assert cosine > 0.99
    assert len({tuple(row.tolist()) for row in new[600:]}) == 11


def test_a_tied_output_stays_tied(tiny_gemma: Path) -> None:
    model, _, _ = prepared(tiny_gemma)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_untied_output_rows_are_filled_too(tmp_path: Path, tiny_tokenizer_text: list[str]) -> None:
    import torch
    from tiny import make_tiny_base

    folder = make_tiny_base(
        tmp_path / "llama", tiny_tokenizer_text, "llama", tie_word_embeddings=False
    )
    before, plain = load(folder)
    model, _, ids = prepared(folder)
    out = model.get_output_embeddings().weight
    assert out is not model.get_input_embeddings().weight
    meant = (
        before.get_output_embeddings()
        .weight[plain("\n", add_special_tokens=False)["input_ids"]]
        .mean(0)
    )
    assert torch.nn.functional.cosine_similarity(out[ids[-1]], meant, dim=0) > 0.99


def test_again_or_in_two_steps_gives_the_same(tiny_gemma: Path) -> None:
    import torch

    one, _, ids = prepared(tiny_gemma)
    two, tokenizer = load(tiny_gemma)
    add_tokens(two, tokenizer, [T.response], descriptions(T))
    assert add_tokens(two, tokenizer, T.all(), descriptions(T)) == ids
    assert add_tokens(two, tokenizer, T.all(), descriptions(T)) == ids
    assert torch.equal(one.get_input_embeddings().weight, two.get_input_embeddings().weight)
    assert len(tokenizer) == 611


def test_ids_and_edges_survive_saving(tiny_gemma: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    _, tokenizer, _ = prepared(tiny_gemma)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "<USR_A> hi <SEP> you <SYS>"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again("<USR_A> hi <SYS>")["input_ids"] == again("<USR_A> hi<SYS>")["input_ids"]


def test_only_lora_and_the_new_rows_train(tiny_gemma: Path, tmp_path: Path) -> None:
    """One step: new rows get a gradient and move, old ones don't; both survive reload and merge."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model

    model, tokenizer, ids = prepared(tiny_gemma)
    model.save_pretrained(tmp_path / "base")
    model, _ = load_model(tmp_path / "base")  # as SFT does: the resized base comes from disk
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], trainable_token_indices=ids)
    peft = get_peft_model(model, config)
    peft.config.use_cache = False
    batch = torch.tensor([tokenizer("<USR_A> hi <SYS> yo <SEP> ok")["input_ids"]])
    parameters = {n: p for n, p in peft.named_parameters() if p.requires_grad}
    assert all("lora_" in name or "trainable_tokens_delta" in name for name in parameters)
    optimizer = torch.optim.AdamW(parameters.values(), lr=0.1)
    peft(input_ids=batch, labels=batch).loss.backward()
    (delta,) = (p for n, p in parameters.items() if "trainable_tokens_delta" in n)
    assert delta.shape == (11, 64)
    used = [ids.index(id_) for id_ in ids if id_ in batch[0].tolist()]
    assert len(used) == 3
    assert (delta.grad[used].norm(dim=1) > 0).all()
    optimizer.step()
    peft.eval()
    trained = peft(input_ids=batch).logits
    peft.save_pretrained(tmp_path / "adapter")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size < 100_000
    base, _ = load_model(tmp_path / "base")
    again = PeftModel.from_pretrained(base, str(tmp_path / "adapter")).eval()
    torch.testing.assert_close(again(input_ids=batch).logits, trained)
    merged = again.merge_and_unload()
    torch.testing.assert_close(merged(input_ids=batch).logits, trained, atol=1e-5, rtol=1e-4)
    start = prepared(tiny_gemma)[0].get_input_embeddings().weight
    end = merged.get_input_embeddings().weight
    assert torch.equal(end[:600], start[:600])
    assert (end[600:] != start[600:]).any(dim=1)[used].all()


def load_model(folder: Path) -> tuple[Any, None]:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder), None


@pytest.mark.parametrize("name", ["<USR_A>", "<SYS>", "<SEP>", "<|response|>"])
def test_every_token_has_words_to_start_from(name: str) -> None:
    assert descriptions(T)[name].strip() or name == "<SEP>"


def test_a_prepared_base_is_used_as_it_is_and_other_tokens_are_refused(
    tiny_gemma: Path, tmp_path: Path
) -> None:
    import yaml

    from asimbot_plugins.errors import UserError
    from asimbot_plugins.recipe import load_recipe
    from asimbot_plugins.sft.vocabulary import prepare

    path = tmp_path / "r.yml"
    block: dict[str, Any] = {"chat_path": "chat.txt", "friend_path": "Asim"}
    data = {"asimbot": block, "base_model": str(tiny_gemma), "output_dir": str(tmp_path / "o")}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    made = prepare(load_recipe(path))
    assert prepare(load_recipe(path)) == made
    data["base_model"] = str(made)
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert prepare(load_recipe(path)) == made
    block["tokens"] = {"reply": "<ME>"}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(UserError, match=r"other chat tokens .* \(<SYS>\)"):
        prepare(load_recipe(path))
