"""Conversations and bursts: where one talk ends and the next begins.

Works on text messages in the order of the file. Times are naive local times; a step back in
time (clock change, merged phones) counts as no gap.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from asimbot_plugins.components import Reply
from asimbot_plugins.messages import Message

_SHORTEST_GAP, _LONGEST_GAP = timedelta(minutes=30), timedelta(hours=12)


@dataclass(frozen=True)
class Threaded:
    """Text messages of a chat with what is known of their order.

    ``gap`` ends a conversation, ``burst`` the friend's burst; a reply to the conversation before
    may come up to ``late`` after its last message.
    """

    messages: list[Message]
    friend: str
    gap: timedelta
    burst: timedelta
    late: timedelta = timedelta(hours=36)


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


class Visible:
    """What a reply may be given: its own conversation, or the one before if it comes late."""

    def __init__(self, threaded: Threaded) -> None:
        self._threaded = threaded
        self._starts = [c.start for c in conversations(threaded.messages, threaded.gap)] or [0]

    def first(self, reply: Reply) -> int:
        """The first message that belongs to the talk the reply is part of.

        A reply that opens a conversation answers the one before if somebody else had the last
        word there and that is no longer ago than ``late``; otherwise it answers nothing and the
        result is ``reply.start``.
        """
        messages, late = self._threaded.messages, self._threaded.late
        at = bisect.bisect_right(self._starts, min(reply.start, len(messages) - 1)) - 1
        start = self._starts[at]
        if start != reply.start or at == 0:
            return start
        before, opening = messages[start - 1], messages[start]
        answers = before.sender != self._threaded.friend
        in_time = opening.timestamp - before.timestamp <= late
        return self._starts[at - 1] if answers and in_time else start
