"""The context selector ``llm``: a language model names the messages that matter.

The seed's idea (process_chat_llm.py) on the judges' client: the same cache, spending cap and
consent. It sees what was said before the reply and never the reply.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from asimbot_plugins.components import Component, ContextSelector, Reply
from asimbot_plugins.embedding import default_cache_dir
from asimbot_plugins.judges.gemini import GeminiBackend
from asimbot_plugins.judges.llm_client import LLMClient, Malformed, Request
from asimbot_plugins.judges.llm_judge import CACHE, LLMOptions, as_data, model_of
from asimbot_plugins.judges.rubric import load_rubric
from asimbot_plugins.messages import Message

BATCH = 256
"""Replies whose contexts are asked for at a time."""


class LLMContextOptions(LLMOptions):
    top_k: int = Field(default=20, ge=1)
    """Earlier messages the model chooses from."""
    select_k: int = Field(default=5, ge=1)
    """Most messages to choose."""
    consent: bool = False
    """True: send without asking (for runs that nobody watches); it is stated all the same."""
    cache_dir: Path | None = None
    """Folder of the embeddings; the answers are kept beside it."""


class LLMContext(ContextSelector):
    """A language model chooses. Sends the chat's messages to Google after asking."""

    name: ClassVar[str] = "llm"
    leaks: ClassVar[bool] = False
    Options: type[Component.Options] = LLMContextOptions
    options: LLMContextOptions
    _client: LLMClient | None = None

    def select(self, messages: Sequence[Message], reply: Reply, friend: str) -> list[int]:
        return next(iter(self.select_many(messages, [reply], friend)))

    def select_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str
    ) -> Iterator[list[int]]:
        """Raises UserError if the user does not agree, or the service refuses."""
        from asimbot_plugins.redaction.redactor import Redactor

        redactor = Redactor("on", {friend, *(m.sender for m in messages if m.sender)})
        client = self._open()
        what = f"the last {self.options.top_k} messages before one reply of the friend"
        client.agree(
            [self._request(messages, reply, friend, redactor.redact) for reply in replies],
            what,
            self._confirm(),
        )
        for start in range(0, len(replies), BATCH):
            chunk = replies[start : start + BATCH]
            requests = [self._request(messages, r, friend, redactor.redact) for r in chunk]
            answers = client.ask(requests, lambda i, text, c=chunk: self._read(c[i], text))  # type: ignore[misc]
            for reply, chosen in zip(chunk, answers, strict=True):
                # Without a usable answer: the last messages, as a window would choose.
                window = list(range(self._first(reply), reply.start))[-self.options.select_k :]
                yield window if chosen is None else chosen

    def _open(self) -> LLMClient:
        if self._client is None:
            self._rubric = load_rubric("llm_context", self.options.rubric_path)
            folder = self.options.cache_dir or default_cache_dir()
            self._client = LLMClient(
                GeminiBackend(self.options.endpoint, self.options.timeout),
                model_of(self._rubric, self.options),
                folder.parent / CACHE,
                max_dollars=self.options.max_dollars,
                concurrency=self.options.concurrency,
                attempts=self.options.attempts,
            )
        return self._client

    def _confirm(self) -> Callable[[str], bool]:
        from asimbot_plugins.commands._judging import confirm_with

        return confirm_with(self.options.consent, "set asimbot.context.consent: true to agree")

    def _first(self, reply: Reply) -> int:
        return max(0, reply.start - self.options.top_k)

    def _request(
        self,
        messages: Sequence[Message],
        reply: Reply,
        friend: str,
        redact: Callable[[str], str],
    ) -> Request:
        first = self._first(reply)
        letters: dict[str, str] = {friend: "FRIEND"}
        chat = []
        for n, message in enumerate(messages[first : reply.start], 1):
            sender = message.sender or ""
            letter = letters.setdefault(sender, chr(ord("A") + (len(letters) - 1) % 26))
            chat.append({"n": n, "from": letter, "text": redact(str(message.text))})
        values = {"chat": as_data(chat), "k": str(self.options.select_k)}
        number = {"type": "integer", "minimum": 1, "maximum": max(len(chat), 1)}
        schema = {
            "type": "object",
            "properties": {"messages": {"type": "array", "items": number}},
            "required": ["messages"],
            "additionalProperties": False,
        }
        rubric = self._rubric
        return Request(
            rubric.fill(rubric.system, **values), rubric.fill(rubric.prompt, **values), schema
        )

    def _read(self, reply: Reply, text: str) -> list[int]:
        try:
            numbers = json.loads(text)["messages"]
        except (ValueError, KeyError, TypeError):
            raise Malformed("not an object with messages") from None
        count = reply.start - self._first(reply)
        fits = isinstance(numbers, list) and all(
            isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= count for n in numbers
        )
        if not fits:
            raise Malformed("a number that no message has")
        chosen = list(dict.fromkeys(numbers))[: self.options.select_k]
        return sorted(self._first(reply) + n - 1 for n in chosen)
