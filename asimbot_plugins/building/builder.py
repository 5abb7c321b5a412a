"""The dataset builder: from messages to training and held-out rows.

Messages are redacted first. Then the chat is split by time, before anything is retrieved: no
held-out message can become a context or a reply of a training row.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from asimbot_plugins import components, hookimpl
from asimbot_plugins.building.filters import Row
from asimbot_plugins.building.options import Filters
from asimbot_plugins.building.rows import Candidate, finish
from asimbot_plugins.building.splits import split_by_time
from asimbot_plugins.building.threads import Threaded, Visible, learn_gap, replies_of
from asimbot_plugins.components import ContextSelector, Dataset, DatasetBuilder, Ledger, Reply
from asimbot_plugins.errors import UserError
from asimbot_plugins.messages import Chat, Message
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.redaction.placeholders import Numbering, plain_role, roles_in
from asimbot_plugins.text import nearest
from asimbot_plugins.tokens import (
    ContextMessage,
    TokenNames,
    format_prompt,
    format_reply,
    format_row,
)

__all__ = [
    "ChatBuilder", "PairsBuilder", "Threaded", "choose_context", "make_row", "make_selector",
    "present", "split_by_time", "thread_chat",
]  # fmt: skip

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""
_EVERY = 1000  # replies between two reports of progress


def _silent(what: str, done: int, total: int) -> None:
    pass


def thread_chat(
    chat: Chat, recipe: Recipe, ledger: Ledger | None = None, progress: Progress = _silent
) -> Threaded:
    """Text messages only, redacted, the friend's other names mapped to the main one.

    Raises UserError if the chat holds no message of the friend; it lists the senders.
    """
    from asimbot_plugins.redaction.chat import redact_messages, redactor_for

    ledger = ledger if ledger is not None else Ledger()
    main, *others = [_find_sender(chat, name) for name in recipe.names]
    messages: list[Message] = []
    for message in chat.messages:
        ledger.add("messages read")
        if message.kind != "text" or message.sender is None:
            ledger.add(f"dropped: {message.kind}")
        elif not message.text.strip():
            ledger.add("dropped: empty")
        else:
            messages.append(message._replace(sender=main) if message.sender in others else message)
    section = recipe.section
    gap = (
        learn_gap(messages)
        if section.conversation_gap_minutes == "auto"
        else timedelta(minutes=section.conversation_gap_minutes)
    )
    redactor = redactor_for(recipe, messages, main)
    messages = redact_messages(
        messages, redactor, ledger, lambda n, of: progress("redacting", n, of)
    )
    burst, late = (
        timedelta(minutes=section.burst_minutes),
        timedelta(hours=section.late_reply_hours),
    )
    return Threaded(messages, main, gap, burst, late)


def _find_sender(chat: Chat, name: str) -> str:
    counts: dict[str, int] = {}
    for message in chat.messages:
        if message.sender is not None and message.kind != "system":
            counts[message.sender] = counts.get(message.sender, 0) + 1
    if name in counts:
        return name
    folded = [sender for sender in counts if sender.casefold() == name.casefold()]
    if len(folded) == 1:
        return folded[0]
    close = nearest(name, counts)
    ordered = sorted(counts, key=lambda sender: (sender != close, -counts[sender]))
    shown = ", ".join(f"{sender} ({counts[sender]})" for sender in ordered[:12])
    raise UserError(
        f"nobody called {name!r} writes in this chat",
        f"set asimbot.friend_path to one of: {shown}" if shown else "the export has no messages",
    )


def choose_context(
    selector: ContextSelector, threaded: Threaded, replies: Sequence[Reply]
) -> list[list[ContextMessage]]:
    """The context of each reply, the one way for training and generation.

    What the selector chose from before the conversation goes, unless the reply opens one and
    still answers the one before (see ``threads.Visible``).
    """
    chosen = _choose(selector, threaded, replies)
    return [_context_messages(threaded, indices) for indices in chosen]


def _choose(
    selector: ContextSelector, threaded: Threaded, replies: Sequence[Reply]
) -> Iterator[list[int]]:
    visible = Visible(threaded)
    selected = selector.select_many(threaded.messages, replies, threaded.friend)
    for reply, chosen in zip(replies, selected, strict=True):
        first = visible.first(reply)
        yield [i for i in chosen if i >= first]


def _context_messages(threaded: Threaded, chosen: list[int]) -> list[ContextMessage]:
    messages, friend = threaded.messages, threaded.friend
    context = []
    for n, i in enumerate(chosen):
        message = messages[i]
        continues = (
            n > 0
            and chosen[n - 1] == i - 1
            and messages[i - 1].sender == message.sender
            and message.timestamp - messages[i - 1].timestamp <= threaded.burst
        )
        assert message.sender is not None
        context.append(
            ContextMessage(message.sender, message.text, message.sender == friend, continues)
        )
    return context


def present(
    context: Sequence[ContextMessage], tokens: TokenNames, friend: str
) -> tuple[str, Numbering]:
    """The prompt with its placeholders numbered, and the numbering for the reply.

    The one way for training and generation; the prompt does not depend on the reply.
    """
    numbering = Numbering(roles_in(context, friend, tokens))
    texts = numbering.place([message.text for message in context])
    placed = [
        m if m.text == text else replace(m, text=text)
        for m, text in zip(context, texts, strict=True)
    ]
    return format_prompt(placed, tokens), numbering


def make_row(
    context: Sequence[ContextMessage],
    answer: str | Sequence[str],
    tokens: TokenNames,
    friend: str | None = None,
) -> Row:
    """One row: ``text`` is the seed's format, ``prompt`` and ``reply`` its two halves.

    ``answer`` is the messages of the reply, or a reply that is formatted already.
    """
    friend = friend or next((m.sender for m in context if m.is_friend), "")
    prompt, numbering = present(context, tokens, friend)
    if not isinstance(answer, str):
        answer = format_reply(numbering.place(answer), tokens)
    return {"text": format_row(prompt, answer), "prompt": prompt, "reply": answer}


class _RowsBuilder(DatasetBuilder):
    """What the builders share: redact, thread, split, and sift the rows they make."""

    progress: Progress = staticmethod(_silent)

    @abstractmethod
    def rows(
        self, part: Threaded, replies: Sequence[Reply], recipe: Recipe
    ) -> Iterator[tuple[list[int], Row | None]]:
        """For each reply the context chosen for it and its row, None without a context."""

    def build(self, chat: Chat, recipe: Recipe) -> Dataset:
        ledger = Ledger()
        threaded = thread_chat(chat, recipe, ledger, self.progress)
        train, heldout = split_by_time(threaded, recipe.section.heldout_share)
        ledger.add("text messages, training part", len(train.messages))
        ledger.add("text messages, held-out part", len(heldout.messages))
        return finish(
            (train, self._candidates(train, recipe, ledger, "train")),
            (heldout, self._candidates(heldout, recipe, ledger, "heldout")),
            self._cuts(recipe),
            ledger,
            lambda n, of: self.progress("comparing with the held-out part", n, of),
        )

    def _cuts(self, recipe: Recipe) -> Filters:
        return recipe.section.filters

    def _candidates(
        self, part: Threaded, recipe: Recipe, ledger: Ledger, name: str
    ) -> list[Candidate]:
        replies = replies_of(part.messages, part.friend, part.burst)
        ledger.add(f"replies, {name}", len(replies))
        found: list[Candidate] = []
        made = self.rows(part, replies, recipe) if replies else iter(())
        for n, (reply, (chosen, row)) in enumerate(zip(replies, made, strict=True)):
            if n % _EVERY == 0:
                self.progress(f"choosing contexts, {name}", n, len(replies))
            if row is None:
                ledger.add(f"dropped, {name}: no context")
            elif not row["reply"].strip():
                ledger.add(f"dropped, {name}: empty")
            else:
                row["time"] = part.messages[reply.start].timestamp.isoformat()
                found.append(Candidate(row, reply, chosen))
        self.progress(f"choosing contexts, {name}", len(replies), len(replies))
        return found


class ChatBuilder(_RowsBuilder):
    """Rows ``<USR_A> … <USR_B> … <SYS> reply`` with a chosen context (the default)."""

    name = "chat"

    class Options(components.Options):
        max_reply_words: int | None = None
        """Longest reply; null for ``asimbot.filters.max_words``."""

    def _cuts(self, recipe: Recipe) -> Filters:
        longest = self.options.max_reply_words
        cuts = recipe.section.filters
        return cuts if longest is None else cuts.model_copy(update={"max_words": longest})

    def rows(
        self, part: Threaded, replies: Sequence[Reply], recipe: Recipe
    ) -> Iterator[tuple[list[int], Row | None]]:
        from asimbot_plugins.host import load_host

        tokens = recipe.section.tokens
        selector = make_selector(load_host(), recipe)
        for reply, chosen in zip(replies, _choose(selector, part, replies), strict=True):
            context = _context_messages(part, chosen)
            if all(message.is_friend for message in context):
                yield chosen, None
            else:
                texts = [message.text for message in part.messages[reply.start : reply.end]]
                yield chosen, make_row(context, texts, tokens, part.friend)


class PairsBuilder(_RowsBuilder):
    """Rows ``message <|response|> reply``, no speakers (the GPT-2 baseline)."""

    name = "pairs"

    def rows(
        self, part: Threaded, replies: Sequence[Reply], recipe: Recipe
    ) -> Iterator[tuple[list[int], Row | None]]:
        tokens = recipe.section.tokens
        for reply in replies:
            if reply.start == 0:
                yield [], None
                continue
            before = part.messages[reply.start - 1]
            numbering = Numbering({part.friend: plain_role(tokens.reply)})
            prompt = f"{format_reply(numbering.place([before.text]), tokens)} {tokens.response}"
            texts = [message.text for message in part.messages[reply.start : reply.end]]
            answer = format_reply(numbering.place(texts), tokens)
            row = {"text": format_row(prompt, answer), "prompt": prompt, "reply": answer}
            yield [reply.start - 1], row


def make_selector(host: Any, recipe: Recipe) -> ContextSelector:
    """The recipe's context selector; one that embeds uses the recipe's embedder."""
    spec = recipe.section.context
    options = spec.options
    component = host.find("context selector", spec.name)
    fields = component.Options.model_fields
    if "model" in fields and "embedder" not in fields:
        options.setdefault("model", recipe.section.embedder)
    if "cache_dir" in fields:
        # Embeddings tell a lot of what was said: they stay beside the dataset.
        options.setdefault("cache_dir", recipe.dataset_dir / "embeddings")
    selector: ContextSelector = host.make("context selector", spec.name, options)
    return selector


@hookimpl
def register_dataset_builders() -> list[type[DatasetBuilder]]:
    return [ChatBuilder, PairsBuilder]
