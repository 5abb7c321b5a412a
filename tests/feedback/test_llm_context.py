"""The context selector that asks a language model, against the server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_gemini import FakeGemini

from asimbot_plugins.components import Reply
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.messages import Message

pytestmark = pytest.mark.slow
START = datetime(2025, 1, 1, 9, 0)
TEXTS = ["Where is Gerald?", "In the garage, ask Jonas or Asim.", "lol", "Who has the key?", "JUNK"]
WHO = ["Mina", "Jonas", "Asim", "Mina", "Asim"]
MESSAGES = [
    Message(START + timedelta(minutes=n), who, text)
    for n, (who, text) in enumerate(zip(WHO, TEXTS, strict=True))
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGemini]:
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")
    server = FakeGemini()
    yield server
    server.close()


def selector(server: FakeGemini, folder: Path, **options: Any) -> Any:
    given = {"endpoint": server.url, "cache_dir": folder / "embeddings", **options}
    return load_host().make("context selector", "llm", given)


def test_it_chooses_what_the_model_names_and_never_sends_the_reply(
    server: FakeGemini, tmp_path: Path
) -> None:
    chosen = selector(server, tmp_path, consent=True, top_k=3).select(MESSAGES, Reply(4, 5), "Asim")
    assert chosen == [1, 2]  # the server names the first two of the last three
    sent = json.dumps(server.requests)
    assert "JUNK" not in sent
    assert not any(name in sent for name in ("Mina", "Jonas", "Asim"))
    assert '\\"from\\": \\"FRIEND\\", \\"text\\": \\"lol\\"' in sent.replace("\\\\", "\\")


def test_nothing_is_sent_without_consent_and_nothing_twice(
    server: FakeGemini, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"nobody is there to agree.*consent: true"):
        selector(server, tmp_path).select(MESSAGES, Reply(4, 5), "Asim")
    assert server.requests == []
    for _ in range(2):
        replies = [Reply(2, 3), Reply(4, 5)]
        found = list(
            selector(server, tmp_path, consent=True).select_many(MESSAGES, replies, "Asim")
        )
        assert found == [[0, 1], [0, 1]]
    assert len(server.requests) == 2
    assert (tmp_path / "llm_cache" / "answers.sqlite").is_file()


def test_without_a_usable_answer_it_is_a_window(server: FakeGemini, tmp_path: Path) -> None:
    server.script = ["not json"] * 3
    made = selector(server, tmp_path, consent=True, select_k=2, concurrency=1)
    assert made.select(MESSAGES, Reply(4, 5), "Asim") == [2, 3]
