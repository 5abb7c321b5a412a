"""Shared fixtures: tiny random models that cost milliseconds, chats made in the test."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tiny import ROOT, android_line, make_tiny_base

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests keep prepared models to themselves; converted pocket bases are shared."""
    os.environ["ASIMBOT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_tokenizer_text() -> list[str]:
    """Text that a tiny tokenizer is trained on: the example chat's own words."""
    lines = []
    for file in sorted((ROOT / "examples" / "chat").glob("*.txt")):
        lines += file.read_text(encoding="utf-8").splitlines()
    return lines


@pytest.fixture(scope="session")
def tiny_gemma(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_text: list[str]) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base") / "tiny-gemma", tiny_tokenizer_text)


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_text: list[str]) -> Path:
    return make_tiny_base(
        tmp_path_factory.mktemp("base") / "tiny-gpt2", tiny_tokenizer_text, "gpt2"
    )


@pytest.fixture
def small_chat(tmp_path: Path) -> Path:
    """An Android export of twelve conversations, Asim answering Mina and Jonas in each."""
    start = datetime(2025, 1, 20, 9, 0)
    lines = []
    for day in range(12):
        t = start + timedelta(days=day)
        for minute, (sender, text) in enumerate(
            [
                ("Mina", f"Good morning number {day}."),
                ("Jonas", f"Is there bread left from day {day}?"),
                ("Asim", f"i ate it lol {day}"),
                ("Asim", f"sorry not sorry {day}"),
                ("Mina", f"You owe us a loaf, day {day}."),
                ("Asim", f"tmrw defo {day}"),
            ]
        ):
            lines.append(android_line(t + timedelta(minutes=minute), sender, text))
    path = tmp_path / "WhatsApp Chat with Bread.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
