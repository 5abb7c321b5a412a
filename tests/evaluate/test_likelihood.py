"""Likelihoods and sampling with a tiny random model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asimbot_plugins.evaluate.likelihood import reply_losses
from asimbot_plugins.evaluate.material import Case
from asimbot_plugins.evaluate.systems import BaseSystem, CloneSystem, Form, examples_for
from asimbot_plugins.generation.sampler import Clone
from asimbot_plugins.generation.stopping import EndToken
from asimbot_plugins.recipe import Sampling
from asimbot_plugins.sft.vocabulary import add_tokens, descriptions
from asimbot_plugins.tokens import TokenNames

TOKENS = TokenNames()


def load(folder: Path) -> Clone:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    add_tokens(model, tokenizer, TOKENS.all(), descriptions(TOKENS))
    return Clone(model.eval(), tokenizer, TOKENS, Sampling(max_new_tokens=8), [EndToken()])


@pytest.fixture(scope="module", params=["tiny_gemma", "tiny_gpt2"])
def clone(request: pytest.FixtureRequest) -> Clone:
    return load(request.getfixturevalue(request.param))


CASES = [
    Case("<USR_A> bread? <SYS>", ("i ate it",)),
    Case("<USR_B> a much longer question about all of the bread here <SYS>", ("no", "sorry lol")),
    Case("<USR_A> x <SYS>", ("yes",)),
]


def test_batched_losses_are_those_of_each_row_alone(clone: Clone) -> None:
    system = CloneSystem(clone)
    losses = system.losses([system.form(case, "Asim") for case in CASES])
    alone = [clone.reply_loss(c.prompt, " <SEP> ".join(c.reply))[0] for c in CASES]
    assert losses == pytest.approx(alone, rel=1e-4)


def test_the_loss_is_the_sum_of_log_probabilities(clone: Clone) -> None:
    import torch

    ids = clone.tokenizer(" yes", add_special_tokens=False)["input_ids"]
    prompt = clone.tokenizer("hi")["input_ids"]
    with torch.inference_mode():
        logits = clone.model(torch.tensor([prompt + ids])).logits[0].log_softmax(-1)
    expected = -sum(float(logits[len(prompt) - 1 + i, id_]) for i, id_ in enumerate(ids))
    (loss,) = reply_losses(clone, [Form("hi", " yes")], end_token=False)
    assert loss == pytest.approx(expected, rel=1e-4)


def test_the_base_reads_a_plain_transcript(clone: Clone) -> None:
    form = BaseSystem(clone, "Asim").form(CASES[1], "Asim")
    assert form.prompt == "B: a much longer question about all of the bread here\nAsim:"
    assert form.reply == " no\nAsim: sorry lol\n"
    assert not any(token in form.prompt + form.reply for token in TOKENS.all())


def test_few_shot_examples_come_first_and_are_real() -> None:
    rows = [
        {"text": "t", "prompt": f"<USR_A> q{i} <SYS>", "reply": f"r{i} <SEP> s{i}"}
        for i in range(9)
    ]
    examples = examples_for(rows, 3, "Asim", TOKENS, 1)
    assert len(set(examples)) == 3
    for example in examples:
        i = example[4]
        assert example == f"A: q{i}\nAsim: r{i}\nAsim: s{i}"
    assert examples == examples_for(rows, 3, "Asim", TOKENS, 1)


def test_a_system_answers_every_prompt(clone: Clone) -> None:
    done: list[int] = []
    for system in (CloneSystem(clone), BaseSystem(clone, "Asim", ["A: q\nAsim: r"])):
        made = system.replies(CASES, 3, done.append)
        assert len(made) == 3
        assert made == system.replies(CASES, 3, done.append)
    assert done[-1] == 3
