"""The dataset builder: from messages to training and held-out rows.

The chat is split by time before anything is retrieved: no held-out message can become a
context or a reply of a training row.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from asimbot_plugins import components, hookimpl
from asimbot_plugins.components import ContextSelector, Dataset, DatasetBuilder, Ledger, Reply
from asimbot_plugins.errors import UserError
from asimbot_plugins.messages import Chat, Message
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.text import nearest
from asimbot_plugins.threads import Conversation, conversations, learn_gap, replies_of
from asimbot_plugins.tokens import (
    ContextMessage,
    TokenNames,
    format_prompt,
    format_reply,
    format_row,
)


@dataclass(frozen=True)
class Threaded:
    """Text messages of a chat with what is known of their order.

    ``gap`` ends a conversation, ``burst`` the friend's burst.
    """

    messages: list[Message]
    friend: str
    gap: timedelta
    burst: timedelta


def thread_chat(chat: Chat, recipe: Recipe, ledger: Ledger | None = None) -> Threaded:
    """Text messages only, the friend's other names mapped to the main one.

    Raises UserError if the chat holds no message of the friend; it lists the senders.
    """
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
    return Threaded(messages, main, gap, timedelta(minutes=section.burst_minutes))


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

    What the selector chose from before the conversation goes, unless nothing else is there:
    then the reply answers something older, and the whole choice stays.
    """
    messages = threaded.messages
    starts = [c.start for c in conversations(messages, threaded.gap)] or [0]
    contexts = []
    for reply, chosen in zip(
        replies, selector.select_many(messages, replies, threaded.friend), strict=True
    ):
        start = starts[bisect.bisect_right(starts, min(reply.start, len(messages) - 1)) - 1]
        chosen = [i for i in chosen if i >= start] or chosen
        contexts.append(_context_messages(threaded, chosen))
    return contexts


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


class ChatBuilder(DatasetBuilder):
    """Rows ``<USR_A> … <USR_B> … <SYS> reply`` with a chosen context (the default)."""

    name = "chat"

    class Options(components.Options):
        max_reply_words: int = 80
        """Longer replies are forwarded texts more often than talk."""

    def build(self, chat: Chat, recipe: Recipe) -> Dataset:
        from asimbot_plugins.host import load_host

        ledger = Ledger()
        threaded = thread_chat(chat, recipe, ledger)
        spec = recipe.section.context
        selector = make_selector(load_host(), recipe)
        train, heldout = split_by_time(threaded, recipe.section.heldout_share)
        ledger.add("text messages, training part", len(train.messages))
        ledger.add("text messages, held-out part", len(heldout.messages))
        tokens = recipe.section.tokens
        dataset = Dataset(
            self._rows(train, selector, tokens, ledger, "train"),
            self._rows(heldout, selector, tokens, ledger, "heldout"),
            ledger,
        )
        if not dataset.train or not dataset.heldout:
            part = "training" if not dataset.train else "held-out"
            raise UserError(
                f"no reply of {threaded.friend} is left for the {part} part "
                f"(context selector {spec.name!r})",
                "the ledger says why: " + json.dumps(ledger.counts, ensure_ascii=False),
            )
        return dataset

    def _rows(
        self,
        part: Threaded,
        selector: ContextSelector,
        tokens: TokenNames,
        ledger: Ledger,
        name: str,
    ) -> list[dict[str, Any]]:
        replies = replies_of(part.messages, part.friend, part.burst)
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        contexts = choose_context(selector, part, replies) if replies else []
        for reply, context in zip(replies, contexts, strict=True):
            ledger.add(f"replies, {name}")
            texts = [message.text for message in part.messages[reply.start : reply.end]]
            answer = format_reply(texts, tokens)
            if not any(not message.is_friend for message in context):
                ledger.add(f"dropped, {name}: no context")
            elif not answer.strip():
                ledger.add(f"dropped, {name}: empty")
            elif len(answer.split()) > self.options.max_reply_words:
                ledger.add(f"dropped, {name}: too long")
            else:
                row = make_row(context, answer, tokens)
                row["time"] = part.messages[reply.start].timestamp.isoformat()
                if row["text"] in seen:
                    ledger.add(f"dropped, {name}: duplicate")
                    continue
                seen.add(row["text"])
                rows.append(row)
        ledger.add(f"rows, {name}", len(rows))
        return rows


def make_row(context: Sequence[ContextMessage], answer: str, tokens: TokenNames) -> dict[str, Any]:
    """One row: ``text`` is the seed's format, ``prompt`` and ``reply`` its two halves."""
    prompt = format_prompt(context, tokens)
    return {"text": format_row(prompt, answer), "prompt": prompt, "reply": answer}


class PairsBuilder(DatasetBuilder):
    """Rows ``message <|response|> reply``, no speakers (the GPT-2 baseline)."""

    name = "pairs"

    def build(self, chat: Chat, recipe: Recipe) -> Dataset:
        ledger = Ledger()
        threaded = thread_chat(chat, recipe, ledger)
        tokens = recipe.section.tokens
        parts = split_by_time(threaded, recipe.section.heldout_share)
        rows = []
        for part, name in zip(parts, ("train", "heldout"), strict=True):
            found = []
            for reply in replies_of(part.messages, part.friend, part.burst):
                if reply.start == 0:
                    ledger.add(f"dropped, {name}: no context")
                    continue
                before = ContextMessage("", part.messages[reply.start - 1].text)
                prompt = f"{format_reply([before.text], tokens)} {tokens.response}"
                texts = [m.text for m in part.messages[reply.start : reply.end]]
                answer = format_reply(texts, tokens)
                found.append(
                    {"text": format_row(prompt, answer), "prompt": prompt, "reply": answer}
                )
            ledger.add(f"rows, {name}", len(found))
            rows.append(found)
        if not rows[0] or not rows[1]:
            raise UserError(f"no reply of {threaded.friend} is left", "give it a longer chat")
        return Dataset(rows[0], rows[1], ledger)


def make_selector(host: Any, recipe: Recipe) -> ContextSelector:
    """The recipe's context selector; one that embeds uses the recipe's embedder."""
    spec = recipe.section.context
    options = spec.options
    component = host.find("context selector", spec.name)
    if "model" in component.Options.model_fields:
        options.setdefault("model", recipe.section.embedder)
        # Embeddings tell a lot of what was said: they stay beside the dataset.
        options.setdefault("cache_dir", recipe.dataset_dir / "embeddings")
    selector: ContextSelector = host.make("context selector", spec.name, options)
    return selector


def split_by_time(threaded: Threaded, heldout_share: float) -> tuple[Threaded, Threaded]:
    """Training and held-out part: the border lies between two conversations.

    It is the border after which the share of the friend's messages comes nearest to
    ``heldout_share``. Raises UserError if the chat is a single conversation.
    """
    messages, friend = threaded.messages, threaded.friend
    talks: list[Conversation] = conversations(messages, threaded.gap)
    own = [sum(m.sender == friend for m in messages[c.start : c.end]) for c in talks]
    wanted = sum(own) * heldout_share
    best, border, after = float("inf"), 0, 0
    for talk, n in zip(reversed(talks[1:]), reversed(own[1:]), strict=True):
        after += n
        if after and abs(after - wanted) < best:
            best, border = abs(after - wanted), talk.start
    if border == 0:
        raise UserError(
            f"the chat holds {len(talks)} conversation(s) with {sum(own)} message(s) of {friend}: "
            "too few to hold some out",
            "give it a longer chat",
        )
    before, rest = messages[:border], messages[border:]
    return (
        Threaded(before, friend, threaded.gap, threaded.burst),
        Threaded(rest, friend, threaded.gap, threaded.burst),
    )


@hookimpl
def register_dataset_builders() -> list[type[DatasetBuilder]]:
    return [ChatBuilder, PairsBuilder]
