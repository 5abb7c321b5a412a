"""What redaction finds in a chat, for people: counts by kind and masked samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asimbot_plugins.building.options import KINDS
from asimbot_plugins.errors import UserError
from asimbot_plugins.messages import Message
from asimbot_plugins.redaction.chat import find_in_chat, redact_messages, redactor_for
from asimbot_plugins.redaction.names import names_in_chat, ordinary_names
from asimbot_plugins.redaction.placeholders import Numbering
from asimbot_plugins.redaction.redactor import Redactor


def load_chat(
    source: Path, overrides: Sequence[str], mode: str | None
) -> tuple[list[Message], Redactor]:
    """Text messages and redactor of a recipe (``.yml``) or of an export."""
    if source.suffix in (".yml", ".yaml"):
        if mode is not None:
            raise UserError(
                "--mode is for exports", f"say --set asimbot.redaction.mode={mode} for a recipe"
            )
        from asimbot_plugins.host import load_host
        from asimbot_plugins.readers import read_chat
        from asimbot_plugins.recipe import load_recipe

        recipe = load_recipe(source, overrides)
        messages = _texts(read_chat(recipe, load_host()).messages)
        return messages, redactor_for(recipe, messages, recipe.friend)
    if overrides:
        raise UserError("--set is for recipes", f"{source} is an export")
    from asimbot_plugins.whatsapp import read_export

    messages = _texts(read_export([str(source)]).messages)
    people = names_in_chat(messages)
    ordinary = ordinary_names(messages, people)
    strict = mode == "strict"
    return messages, Redactor("strict" if strict else "on", people, ordinary=ordinary)


def _texts(messages: Iterable[Message]) -> list[Message]:
    return [m for m in messages if m.kind == "text" and m.sender is not None]


def lines(
    messages: Sequence[Message], redactor: Redactor, samples: int, unmasked: bool
) -> Iterator[str]:
    """The report: a line a kind, then its most frequent values, masked."""
    found: dict[str, Counter[str]] = {}
    touched = 0
    for findings in find_in_chat(messages, redactor):
        touched += bool(findings)
        for finding in findings:
            found.setdefault(finding.kind, Counter())[finding.text] += 1
    yield f"{len(messages):,} messages, {touched:,} with something to take out ({redactor.mode})"
    for kind in KINDS:
        if kind not in found:
            continue
        values = found[kind]
        yield f"{values.total():8,}  {kind}, {len(values):,} different"
        for value, n in values.most_common(samples):
            shown = " ".join(value.split()) if unmasked else masked(value)
            yield f"          {shown}" + (f"  × {n}" if n > 1 else "")


def masked(value: str) -> str:
    """The shape of a value: first and last character, the rest ``x`` and ``9``.

    Short values show nothing but their shape.
    """
    value = " ".join(value.split())
    shape = ["9" if c.isdecimal() else "x" if c.isalnum() else c for c in value]
    if len(value) > 5:
        shape[0], shape[-1] = value[0], value[-1]
    return "".join(shape)


def redacted_lines(messages: Sequence[Message], redactor: Redactor) -> Iterator[str]:
    """The redacted chat, a line a message; senders become ``A``, ``B``, … in order."""
    letters: dict[str, str] = {}
    for message in redact_messages(messages, redactor):
        number = len(letters)
        default = chr(65 + number) if number < 26 else f"P{number + 1}"
        who = letters.setdefault(message.sender or "", default)
        text = Numbering().place([message.text])[0].replace("\n", " ⏎ ")
        yield f"{message.timestamp:%Y-%m-%d %H:%M} {who}: {text}"
