"""Several exports made one list: those of the same chat without duplicates, others in a row."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from datetime import datetime
from pathlib import PurePath

from asimbot_plugins.messages import Message
from asimbot_plugins.whatsapp.report import ChatSpan, FileReport

Key = tuple[datetime, "str | None", str]
_COPY = re.compile(r"(?:[ _-]*(?:\(\d+\)|\d{1,2}|copy|Kopie|copia))+$", re.IGNORECASE)


def merge_exports(
    read: list[tuple[list[Message], FileReport]],
) -> tuple[list[Message], list[ChatSpan]]:
    """All messages, chat after chat, and where each chat is.

    Two exports are of one chat if they share messages (time, sender and text), or bear the same
    name and share a sender.
    """
    if len(read) == 1:
        only, report = read[0]
        return only, [ChatSpan(chat_name(report.file), [report.file], 0, len(only))]
    coarse = any(_whole_minutes(messages) for messages, _ in read)
    chats: list[tuple[list[Message], ChatSpan]] = []
    for messages, report in read:
        name = chat_name(report.file)
        for place, (others, span) in enumerate(chats):
            if _same_chat(messages, others, coarse, same_name=name == span.name):
                together = _merge(others, messages, coarse)
                span.duplicates += len(others) + len(messages) - len(together)
                span.files.append(report.file)
                chats[place] = (together, span)
                break
        else:
            chats.append((messages, ChatSpan(name, [report.file], 0, 0)))
    everything: list[Message] = []
    for messages, span in chats:
        span.start = len(everything)
        everything += messages
        span.stop = len(everything)
    return everything, [span for _, span in chats]


def chat_name(file: str) -> str:
    """Name of a chat from its file: ``_chat.txt`` is named after its archive or folder."""
    path = PurePath(file)
    if path.stem.startswith("_chat") and len(path.parts) > 1:
        path = path.parent
    stem = path.stem if path.suffix.lower() in (".txt", ".zip") else path.name
    return _COPY.sub("", stem) or stem


def _whole_minutes(messages: list[Message]) -> bool:
    return not any(message.timestamp.second for message in messages)


def _key(message: Message, coarse: bool) -> Key:
    when = message.timestamp.replace(second=0) if coarse else message.timestamp
    # An export with media names the file where one without says that it was left out.
    return when, message.sender, "\0" if message.kind == "media" else message.text


def _same_chat(one: list[Message], two: list[Message], coarse: bool, *, same_name: bool) -> bool:
    first = {_key(message, coarse) for message in one if message.sender is not None}
    second = {_key(message, coarse) for message in two if message.sender is not None}
    shared = len(first & second)
    if shared >= 2 or (shared and 2 * shared >= min(len(first), len(second))):
        return True
    return same_name and bool({key[1] for key in first} & {key[1] for key in second})


def _merge(one: list[Message], two: list[Message], coarse: bool) -> list[Message]:
    """Both, in the order of each; a message in both comes once, in its later state."""
    partner = _partners(one, two, coarse)
    merged: list[Message] = []
    at = 0
    for message, place in zip(two, partner, strict=True):
        if place is not None:
            if place >= at:
                merged += one[at:place]
                merged.append(_better(one[place], message))
                at = place + 1
            continue
        while at < len(one) and one[at].timestamp <= message.timestamp:
            merged.append(one[at])
            at += 1
        merged.append(message)
    return merged + one[at:]


def _partners(one: list[Message], two: list[Message], coarse: bool) -> list[int | None]:
    """For each message of ``two``, the place of the same message in ``one``, if there is one."""
    places: dict[Key, deque[int]] = defaultdict(deque)
    for place, message in enumerate(one):
        places[_key(message, coarse)].append(place)
    partner: list[int | None] = []
    for message in two:
        found = places.get(_key(message, coarse))
        partner.append(found.popleft() if found else None)
    # What is left may be the same message before and after it was edited or deleted.
    left: dict[tuple[datetime, str | None], deque[int]] = defaultdict(deque)
    for key, remaining in places.items():
        left[key[:2]].extend(remaining)
    for number, message in enumerate(two):
        if partner[number] is None:
            candidates = left.get(_key(message, coarse)[:2], ())
            for place in candidates:
                if _changed(message) != _changed(one[place]):
                    partner[number] = place
                    candidates.remove(place)  # type: ignore[union-attr]
                    break
    return partner


def _changed(message: Message) -> bool:
    return message.edited or message.kind == "deleted"


def _better(one: Message, two: Message) -> Message:
    """The later state of a message, or the one that names its attachment."""
    if _changed(two) != _changed(one):
        return two if _changed(two) else one
    return two if two.attachment and not one.attachment else one
