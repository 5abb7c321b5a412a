"""Who replies: the base model, the base with examples, and the clone, all from one load."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asimbot_plugins.evaluate.material import Burst, Case
from asimbot_plugins.sft.baseline import as_plain_base, transcript

if TYPE_CHECKING:
    from asimbot_plugins.generation.sampler import Clone
    from asimbot_plugins.tokens import TokenNames

BATCH = 64
_EXAMPLE_WORDS = 60  # of a few-shot example: long ones would cost more than they show


@dataclass(frozen=True)
class Form:
    """How a system is asked: the prompt it reads and the reply in its own notation."""

    prompt: str
    reply: str


class CloneSystem:
    """The trained clone, asked with our chat tokens."""

    name, label = "clone", "the clone"

    def __init__(self, clone: Clone) -> None:
        self.clone = clone

    def form(self, case: Case, friend: str) -> Form:
        from asimbot_plugins.tokens import format_reply

        return Form(case.prompt, " " + format_reply(case.reply, self.clone.tokens))

    def replies(
        self, cases: Sequence[Case], seed: int, progress: Callable[[int], None]
    ) -> list[Burst]:
        made = self.clone.replies(
            [case.prompt for case in cases], seed=seed, batch_size=BATCH, progress=progress
        )
        return [tuple(reply[0]) for reply in made]

    def losses(self, forms: Sequence[Form]) -> list[float]:
        from asimbot_plugins.evaluate.likelihood import reply_losses

        return reply_losses(self.clone, forms, end_token=True)


class BaseSystem:
    """The base model, asked with a plain transcript that may start with real examples."""

    def __init__(self, clone: Clone, friend: str, examples: Sequence[str] = ()) -> None:
        self.clone = clone
        self.friend = friend
        self.name = "few_shot" if examples else "base"
        self.label = f"the base with {len(examples)} examples" if examples else "the base"
        self._head = "".join(example + "\n\n" for example in examples)

    def form(self, case: Case, friend: str) -> Form:
        text = self._head + transcript(case.prompt, friend, self.clone.tokens)
        return Form(text, f"\n{friend}:".join(f" {message}" for message in case.reply) + "\n")

    def replies(
        self, cases: Sequence[Case], seed: int, progress: Callable[[int], None]
    ) -> list[Burst]:
        prompts = [self.form(case, self.friend).prompt for case in cases]
        with self.clone.as_base():
            made = as_plain_base(self.clone).replies(
                prompts, seed=seed, batch_size=BATCH, progress=progress
            )
        return [tuple(reply[0]) for reply in made]

    def losses(self, forms: Sequence[Form]) -> list[float]:
        from asimbot_plugins.evaluate.likelihood import reply_losses

        with self.clone.as_base():
            return reply_losses(self.clone, forms, end_token=False)


def examples_for(
    rows: Sequence[dict[str, Any]], count: int, friend: str, tokens: TokenNames, seed: int
) -> list[str]:
    """``count`` training examples as transcripts, drawn from the shorter ones."""
    from asimbot_plugins.tokens import split_reply

    short = [row for row in rows if len(row["text"].split()) <= _EXAMPLE_WORDS] or list(rows)
    chosen = random.Random(seed).sample(short, min(count, len(short)))
    return [
        transcript(row["prompt"], friend, tokens)
        + f"\n{friend}:".join(f" {message}" for message in split_reply(row["reply"], tokens))
        for row in chosen
    ]
