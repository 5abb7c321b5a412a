"""The very ids that are supervised, with tokenizers of two kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asimbot_plugins.sft.masking import IGNORED, encode_row, mask_before_reply
from asimbot_plugins.sft.vocabulary import add_tokens, descriptions
from asimbot_plugins.tokens import TokenNames


def test_labels_start_behind_the_last_reply_token() -> None:
    assert mask_before_reply([5, 9, 6, 9, 7, 1], reply_id=9) == [-100, -100, -100, -100, 7, 1]


def test_no_reply_token_means_nothing_is_supervised() -> None:
    assert mask_before_reply([5, 6, 7], reply_id=9) == [-100, -100, -100]


@pytest.fixture(scope="module")
def tokenizer(tiny_gemma: Path) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = TokenNames()
    made = AutoTokenizer.from_pretrained(tiny_gemma)
    add_tokens(
        AutoModelForCausalLM.from_pretrained(tiny_gemma), made, tokens.all(), descriptions(tokens)
    )
    return made


def supervised(tokenizer: Any, row: dict[str, list[int]]) -> list[str]:
    ids = [label for label in row["labels"] if label != IGNORED]
    return [tokenizer.decode([id_]) for id_ in ids]


def test_reply_separator_and_end_token_are_supervised_and_nothing_else(tokenizer: Any) -> None:
    text = "<USR_A> hi there <SYS> old <USR_B> and <SYS> Yo lol <SEP> ok"
    row = encode_row(tokenizer, text, "<SYS>")
    assert "".join(supervised(tokenizer, row)) == " Yo lol<SEP> ok<eos>"
    assert len(row["labels"]) == len(row["input_ids"]) == len(row["attention_mask"])
    for id_, label in zip(row["input_ids"], row["labels"], strict=True):
        assert label in (IGNORED, id_)


def test_the_new_tokens_are_the_ids_after_the_old_ones(tokenizer: Any) -> None:
    names = ["<|response|>", *(f"<USR_{c}>" for c in "ABCDEFGH"), "<SYS>", "<SEP>"]
    assert tokenizer.convert_tokens_to_ids(names) == list(range(600, 611))
    assert tokenizer("<USR_A><SYS><SEP>")["input_ids"] == [601, 609, 610]


def test_the_space_before_a_token_costs_nothing(tokenizer: Any) -> None:
    with_space = tokenizer("<USR_A> hi <SYS>")["input_ids"]
    without = tokenizer("<USR_A> hi<SYS>")["input_ids"]
    assert with_space == without


def test_the_prompt_is_a_prefix_of_its_row(tokenizer: Any) -> None:
    prompt = "<USR_A> so what now? <SYS>"
    row = encode_row(tokenizer, f"{prompt} nothing", "<SYS>")
    ids = tokenizer(prompt)["input_ids"]
    assert row["input_ids"][: len(ids)] == ids
    assert row["labels"][: len(ids)] == [IGNORED] * len(ids)
    assert IGNORED not in row["labels"][len(ids) :]


def test_a_long_row_loses_whole_messages_from_the_left(tokenizer: Any) -> None:
    text = "<USR_A> aaaa bbbb cccc <USR_B> dddd <USR_A> ee <SYS> ff"
    whole = encode_row(tokenizer, text, "<SYS>")["input_ids"]
    for limit in range(len(whole), 4, -1):
        row = encode_row(tokenizer, text, "<SYS>", limit, TokenNames().speakers)
        ids = row["input_ids"]
        if len(ids) > limit:
            break
        assert ids == whole[-len(ids) :]
        assert ids[0] in (601, 602, 609)
        assert "".join(supervised(tokenizer, row)) == " ff<eos>"


def test_a_reply_is_never_cut(tokenizer: Any) -> None:
    text = "<USR_A> hi <SYS> " + "word " * 50
    row = encode_row(tokenizer, text.strip(), "<SYS>", 10, TokenNames().speakers)
    assert "".join(supervised(tokenizer, row)) == " word" * 50 + "<eos>"


def test_every_reply_can_be_supervised(tokenizer: Any) -> None:
    text = "<USR_A> hi <SYS> old <SEP> older <USR_B> and <SYS> new"
    row = encode_row(tokenizer, text, "<SYS>", None, TokenNames().speakers, "every_reply")
    assert "".join(supervised(tokenizer, row)) == " old<SEP> older new<eos>"
    last = encode_row(tokenizer, text, "<SYS>", None, TokenNames().speakers)
    assert "".join(supervised(tokenizer, last)) == " new<eos>"
