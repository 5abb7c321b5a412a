"""Chats, recipes and datasets for the tests of the builder."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from asimbot_plugins.building.builder import ChatBuilder
from asimbot_plugins.components import Dataset
from asimbot_plugins.messages import Chat, Message
from asimbot_plugins.recipe import Recipe, recipe_from

START = datetime(2025, 1, 6, 9)
_WORDS = """
amber basil cedar delta ember fable grove haven inlet jolly kettle lemon maple north otter pearl
quartz river sable timber umber velvet willow yonder zephyr acorn birch cliff dune elm
""".split()


def sentence(n: int, words: int = 9) -> str:
    """A text of its own for each ``n``."""
    return " ".join(random.Random(n).choices(_WORDS, k=words)) + f" q{n}"


def talk(lines: Iterable[tuple[float, str, str]], start: datetime = START) -> list[Message]:
    """Messages from (minutes since the one before, sender, text)."""
    minutes = itertools.accumulate(line[0] for line in lines)
    return [
        Message(start + timedelta(minutes=m), sender, text)
        for m, (_, sender, text) in zip(minutes, lines, strict=True)
    ]


def days(n: int, a_day: int = 10, friend: str = "Asim", others: str = "BC") -> list[Message]:
    """One conversation a day: a message a minute, every third by the friend."""
    lines = []
    for day in range(n):
        for i in range(a_day):
            pause = 1.0 if i else (0.0 if not day else 24 * 60 - a_day)
            sender = friend if i % 3 == 2 else others[i % len(others)]
            lines.append((pause, sender, sentence(day * a_day + i)))
    return talk(lines)


def recipe(folder: Path, **section: Any) -> Recipe:
    """A recipe whose chat file need not exist."""
    block = {
        "chat_path": str(folder / "chat.txt"),
        "friend_path": "Asim",
        "conversation_gap_minutes": 60,
        "heldout_share": 0.2,
        **section,
    }
    raw = {"asimbot": block, "base_model": "none", "output_dir": str(folder / "run")}
    return recipe_from(raw, folder / "recipe.yml")


def build(messages: list[Message], folder: Path, **section: Any) -> Dataset:
    """The dataset of a chat, in memory."""
    return ChatBuilder().build(Chat(messages), recipe(folder, **section))


def export(messages: list[Message], path: Path) -> Path:
    """Writes the chat as an Android phone exports it."""
    lines = [f"{m.timestamp:%d/%m/%Y, %H:%M} - {m.sender}: {m.text}\n" for m in messages]
    path.write_text("".join(lines), encoding="utf-8")
    return path
