"""Conversations and bursts: where one talk ends and the next begins.

Works on text messages in the order of the file. Times are naive local times; a step back in
time (clock change, merged phones) counts as no gap.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from asimbot_plugins.components import Reply
from asimbot_plugins.messages import Message

_SHORTEST_GAP, _LONGEST_GAP = timedelta(minutes=30), timedelta(hours=12)


@dataclass(frozen=True)
class Conversation:
    """``messages[start:end]`` of the list it was cut from."""

    start: int
    end: int


def learn_gap(messages: Sequence[Message]) -> timedelta:
    """The silence that ends a conversation in this chat.

    Pauses between messages come in two kinds: seconds to minutes while people talk, hours
    while they don't. Otsu's threshold (1979) on the logarithm of the pauses parts the two;
    the result is kept between 30 minutes and 12 hours.
    """
    logs = [
        math.log(seconds)
        for a, b in itertools.pairwise(messages)
        if (seconds := (b.timestamp - a.timestamp).total_seconds()) >= 60
    ]
    if len(logs) < 20:
        return timedelta(hours=4)
    gap = timedelta(seconds=math.exp(_otsu(sorted(logs))))
    return min(max(gap, _SHORTEST_GAP), _LONGEST_GAP)


def _otsu(values: list[float]) -> float:
    """The cut of sorted values that maximises the variance between the two sides."""
    total, n = sum(values), len(values)
    best, cut, below = -1.0, values[0], 0.0
    for i in range(1, n):
        below += values[i - 1]
        difference = (total - below) / (n - i) - below / i
        variance = i * (n - i) * difference * difference
        if variance > best:
            best, cut = variance, (values[i - 1] + values[i]) / 2
    return cut


def conversations(messages: Sequence[Message], gap: timedelta) -> list[Conversation]:
    """Cuts the chat wherever nobody wrote for longer than ``gap``."""
    if not messages:
        return []
    starts = [0]
    starts += [
        i
        for i in range(1, len(messages))
        if messages[i].timestamp - messages[i - 1].timestamp > gap
    ]
    return [
        Conversation(start, end)
        for start, end in zip(starts, [*starts[1:], len(messages)], strict=True)
    ]


def replies_of(messages: Sequence[Message], friend: str, burst: timedelta) -> list[Reply]:
    """The friend's replies: runs of messages by nobody else, no pause in them over ``burst``."""
    found: list[Reply] = []
    for i, message in enumerate(messages):
        if message.sender != friend:
            continue
        last = found[-1] if found else None
        pause = message.timestamp - messages[i - 1].timestamp
        if last is not None and last.end == i and pause <= burst:
            found[-1] = Reply(last.start, i + 1)
        else:
            found.append(Reply(i, i + 1))
    return found
