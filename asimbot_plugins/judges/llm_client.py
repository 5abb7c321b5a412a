"""Asking a language model: consent first, then bounded, patient, cached and capped.

A backend speaks one protocol; everything that must never go wrong is here, once: nothing is
sent before the user has agreed to a statement of what it is, nothing is paid for twice, and
no key gets into a message.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from asimbot_plugins.context.base import estimate_tokens
from asimbot_plugins.errors import UserError
from asimbot_plugins.judges.rubric import Model
from asimbot_plugins.paths import write_jsonl

OUTGOING = "outgoing.jsonl"
"""File with every request, word for word, written before the user is asked."""

T = TypeVar("T")


class Request(NamedTuple):
    """One question. ``schema`` is the JSON schema that the answer must obey."""

    system: str
    prompt: str
    schema: dict[str, Any]


class Answer(NamedTuple):
    """What came back; ``output_tokens`` includes thinking."""

    text: str
    input_tokens: int
    output_tokens: int


class Busy(Exception):
    """The server could not answer now. ``delay``: seconds it asks us to wait, if it says."""

    def __init__(self, reason: str, delay: float | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class Malformed(Exception):
    """An answer that does not obey the schema, or whose content can't be right."""


Send = Callable[[Request], Awaitable[Answer]]


class Backend(ABC):
    """A protocol and an address. ``secret`` is the key, or empty."""

    name: str
    endpoint: str
    secret: str

    @abstractmethod
    def session(self, model: Model) -> AbstractAsyncContextManager[Send]:
        """Opens a connection; the function it gives sends one request.

        It raises ``Busy`` for what may pass, UserError for what won't.
        """

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).hostname or self.endpoint

    @property
    def on_this_machine(self) -> bool:
        return self.host in ("127.0.0.1", "localhost", "::1")

    def scrub(self, text: str) -> str:
        """``text`` without the key."""
        return text.replace(self.secret, "[key]") if self.secret else text


@dataclass(frozen=True)
class Estimate:
    """Of requests that are not cached: tokens, and dollars (expected and at most)."""

    requests: int
    input_tokens: int
    output_tokens: int
    dollars: float
    most_dollars: float


class LLMClient:
    """Asks ``model`` through ``backend``; answers are cached in ``folder``.

    ``max_dollars`` caps what one run may spend. ``attempts`` bounds the tries of a request
    that meets a busy server, ``longest_wait`` (seconds) a single wait.
    """

    def __init__(
        self,
        backend: Backend,
        model: Model,
        folder: Path,
        *,
        max_dollars: float,
        concurrency: int = 8,
        attempts: int = 6,
        malformed_attempts: int = 3,
        first_wait: float = 1.0,
        longest_wait: float = 120.0,
    ) -> None:
        self.backend = backend
        self.model = model
        self.folder = folder
        self.max_dollars = max_dollars
        self.concurrency = concurrency
        self.attempts = attempts
        self.malformed_attempts = malformed_attempts
        self.first_wait = first_wait
        self.longest_wait = longest_wait
        self.spent = 0.0
        self.sent = 0
        self.malformed = 0
        self._reserved = 0.0
        self._agreed = False
        self._failure: UserError | None = None

    # -- before anything is sent ---------------------------------------------------------

    def estimate(self, requests: Sequence[Request]) -> Estimate:
        """What the requests that are not cached would cost; tokens are estimated here."""
        with closing(self._open_cache()) as cache:
            keys = dict(self._keys(requests))
            new = [i for key, i in keys.items() if _cached(cache, key) is None]
        tokens = sum(_input_tokens(requests[i]) for i in new)
        output = len(new) * self.model.expected_output_tokens
        most = len(new) * self.model.max_output_tokens
        return Estimate(
            len(new), tokens, output, self._dollars(tokens, output), self._dollars(tokens, most)
        )

    def agree(self, requests: Sequence[Request], what: str, confirm: Callable[[str], bool]) -> None:
        """States what would leave this machine and asks; raises UserError if the answer is no.

        ``what`` describes the content of a request. Nothing is asked where every answer is
        cached already, or the model runs on this machine.
        """
        if self._agreed:
            return
        estimate = self.estimate(requests)
        if estimate.requests == 0:
            return
        if not self.backend.on_this_machine or self.model.prices is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_jsonl(self.folder / OUTGOING, self._outgoing(requests))
            if not confirm(self.statement(estimate, what)):
                raise UserError("nothing was sent", "the judge 'style' works without a network")
        self._agreed = True

    def statement(self, estimate: Estimate, what: str) -> str:
        """What the user agrees to, in some lines."""
        prices = self.model.prices
        if prices is None:
            cost = "no price is given for this model: it counts as free"
        else:
            cost = (
                f"about ${estimate.dollars:.2f}, at most ${estimate.most_dollars:.2f}, by the "
                f"prices of {prices.as_of} in the rubric; this run stops at ${self.max_dollars:.2f}"
            )
        return "\n".join(
            [
                f"{estimate.requests:,} requests would go to {self.backend.host} "
                f"(model {self.model.name}).",
                f"Each holds {what}.",
                "Speakers are letters; personal data that the redactor knows is replaced. "
                "What it does not know stays in.",
                f"Every request, word for word: {self.folder / OUTGOING}",
                f"About {estimate.input_tokens:,} tokens in and {estimate.output_tokens:,} out: "
                f"{cost}.",
            ]
        )

    def _outgoing(self, requests: Sequence[Request]) -> Iterator[dict[str, Any]]:
        for request in dict.fromkeys(_frozen(r) for r in requests):
            yield {
                "to": self.backend.host,
                "model": self.model.name,
                "system": request[0],
                "prompt": request[1],
                "schema": json.loads(request[2]),
            }

    # -- asking --------------------------------------------------------------------------

    def ask(self, requests: Sequence[Request], read: Callable[[int, str], T]) -> list[T | None]:
        """The answers in order, each as ``read(index, text)`` makes it; None where none came.

        ``read`` raises ``Malformed`` for an answer to be asked for again; after
        ``malformed_attempts`` of them the result is None. Only good answers are cached, as
        soon as they come. Raises UserError if the server refuses or the cap is reached; what
        was answered until then is kept.
        """
        results: list[T | None] = [None] * len(requests)
        with closing(self._open_cache()) as cache:
            todo: dict[str, list[int]] = {}
            for key, i in self._keys(requests):
                text = _cached(cache, key)
                if text is None:
                    todo.setdefault(key, []).append(i)
                else:
                    results[i] = read(i, text)
            if todo:
                if not self._agreed:
                    raise UserError("nothing was sent: nobody agreed to it yet")
                asyncio.run(self._ask_all(todo, requests, read, results, cache))
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return results

    async def _ask_all(
        self,
        todo: dict[str, list[int]],
        requests: Sequence[Request],
        read: Callable[[int, str], T],
        results: list[T | None],
        cache: sqlite3.Connection,
    ) -> None:
        waiting = iter(todo.items())

        async def worker(send: Send) -> None:
            for key, indices in waiting:
                if self._failure is not None:
                    return
                try:
                    text = await self._ask_one(send, requests[indices[0]], indices[0], read)
                except UserError as error:
                    self._failure = self._failure or error
                    return
                if text is not None:
                    with cache:
                        cache.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, text))
                    for i in indices:
                        results[i] = read(i, text)

        async with self.backend.session(self.model) as send:
            await asyncio.gather(*(worker(send) for _ in range(self.concurrency)))

    async def _ask_one(
        self, send: Send, request: Request, index: int, read: Callable[[int, str], T]
    ) -> str | None:
        for _ in range(self.malformed_attempts):
            answer = await self._send_patiently(send, request)
            try:
                read(index, answer.text)
            except Malformed:
                self.malformed += 1
                continue
            return answer.text
        return None

    async def _send_patiently(self, send: Send, request: Request) -> Answer:
        most = self._dollars(_input_tokens(request), self.model.max_output_tokens)
        reason = ""
        for attempt in range(self.attempts):
            # Reserve before sending: requests in flight must not pass the cap together.
            if self.spent + self._reserved + most > self.max_dollars:
                raise UserError(
                    f"the spending cap of ${self.max_dollars:.2f} is reached "
                    f"(${self.spent:.2f} spent in this run); what was answered is kept",
                    "run again with a higher asimbot.judge.max_dollars to go on",
                )
            self._reserved += most
            delay: float | None = None
            try:
                self.sent += 1
                answer = await send(request)
                self.spent += self._dollars(answer.input_tokens, answer.output_tokens)
                return answer
            except Busy as busy:
                reason, delay = str(busy), busy.delay
            finally:
                self._reserved -= most
            if delay is not None and delay > self.longest_wait:
                raise UserError(
                    f"{self.backend.host} asks to wait {delay:.0f} seconds "
                    f"({self.backend.scrub(reason)})",
                    "run the same command later: what was answered is kept",
                )
            if attempt + 1 < self.attempts:
                # Full jitter keeps parallel requests from coming back all at once.
                backoff = min(self.first_wait * 2**attempt, self.longest_wait)
                await asyncio.sleep((delay or 0.0) + random.uniform(0, backoff))
        raise UserError(
            f"{self.backend.host} did not answer after {self.attempts} attempts "
            f"({self.backend.scrub(reason)})",
            "run the same command later: what was answered is kept",
        )

    # -- cache and money -----------------------------------------------------------------

    def _dollars(self, input_tokens: int, output_tokens: int) -> float:
        prices = self.model.prices
        if prices is None:
            return 0.0
        cost = input_tokens * prices.input_per_million + output_tokens * prices.output_per_million
        return cost / 1e6

    def _keys(self, requests: Sequence[Request]) -> Iterator[tuple[str, int]]:
        """(key, index) of each request; equal requests have equal keys."""
        settings = [
            self.backend.name,
            self.backend.endpoint,
            self.model.name,
            self.model.temperature,
            self.model.thinking_level,
            self.model.max_output_tokens,
        ]
        for i, request in enumerate(requests):
            text = json.dumps([*settings, *_frozen(request)], ensure_ascii=False)
            yield hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), i

    def _open_cache(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(self.folder / "answers.sqlite", timeout=60)
        cache.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT)")
        return cache


def _cached(cache: sqlite3.Connection, key: str) -> str | None:
    row = cache.execute("SELECT text FROM answers WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _frozen(request: Request) -> tuple[str, str, str]:
    return request.system, request.prompt, json.dumps(request.schema, sort_keys=True)


def _input_tokens(request: Request) -> int:
    return sum(estimate_tokens(part) for part in _frozen(request))
