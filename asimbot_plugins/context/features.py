"""What a reply-free ranker may know: who wrote when, and the text of earlier messages.

``ChatTable`` holds what does not depend on the reply; ``window_features`` adds, for many
replies at once, what depends on who is about to speak. Nothing here looks at a message at
or after the reply, and no name or word is kept: words are hashed, names become numbers.
"""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asimbot_plugins.messages import Message

WINDOW = 40
"""Candidates: the messages before the reply, at most this many."""
BUCKETS = 1 << 16
"""Size of the hash space of words."""
MAX_WORDS = 48
"""Words of a message that are read; what follows rarely tells what a message is about."""
HISTORY = 400
"""Messages that count for 'these two talk with each other'."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[?!.:;,)(/]+|[^\w\s]")
_PREFIX = re.compile(r"^\s*@?([^\s:,]+)[:,]+(?:\s|$)")
_URL = re.compile(r"https?://|www\.")

N_STATS = 9
N_FEATURES = 21 + N_STATS
N_FRIEND_FEATURES = 8


@dataclass(frozen=True)
class ChatTable:
    """A chat as numbers; n messages, in order.

    sender: int64 (n,), numbers in order of first appearance. time: float64 (n,), minutes.
    mention: int64 (n,), the sender a message names (one who spoke before it), else −1.
    stats: float32 (n, N_STATS). words: int32, bucket numbers of all messages joined;
    ``words[first_word[i]:first_word[i + 1]]`` are those of message i.
    """

    sender: np.ndarray
    time: np.ndarray
    mention: np.ndarray
    stats: np.ndarray
    words: np.ndarray
    first_word: np.ndarray
    number_of: dict[str, int]

    def __len__(self) -> int:
        return len(self.sender)


def make_table(messages: Sequence[Message], first: int = 0) -> ChatTable:
    """Reads each message once; of those before ``first`` only who wrote them and when."""
    number_of: dict[str, int] = {}
    by_name: dict[str, int] = {}
    n = len(messages)
    sender = np.zeros(n, np.int64)
    time = np.zeros(n, np.float64)
    mention = np.full(n, -1, np.int64)
    stats = np.zeros((n, N_STATS), np.float32)
    words = array("i")
    first_word = np.zeros(n + 1, np.int64)
    hashes: dict[str, int] = {}
    for i, message in enumerate(messages):
        if i >= first:
            tokens = _WORD.findall(message.text[:2000].casefold())
            mention[i] = _find_mention(message.text, tokens, by_name)
            words.extend(_buckets(tokens, by_name, hashes))
            stats[i] = _stats(message.text, tokens)
        first_word[i + 1] = len(words)
        time[i] = (message.timestamp - messages[0].timestamp).total_seconds() / 60
        name = message.sender or ""
        number = number_of.get(name)
        if number is None:
            number = number_of[name] = len(number_of)
            by_name.update({form: number for form in _forms(name) if form not in by_name})
        sender[i] = number
    # Clocks that jump back would make negative gaps.
    time = np.maximum.accumulate(time)
    joined = np.frombuffer(words, np.int32) if words else np.zeros(0, np.int32)
    return ChatTable(sender, time, mention, stats, joined, first_word, number_of)


def _buckets(tokens: list[str], by_name: dict[str, int], hashes: dict[str, int]) -> list[int]:
    """Numbers of the words and, last, two for how the message begins ("^why", "^why is")."""
    # A participant's name says nothing in another chat.
    read = [token for token in tokens[:MAX_WORDS] if token not in by_name]
    buckets = []
    for token in (*read, "^" + "".join(read[:1]), "^" + " ".join(read[:2])):
        bucket = hashes.get(token)
        if bucket is None:
            data = token.encode("utf-8", "replace")
            bucket = hashes[token] = zlib.crc32(data) % BUCKETS
        buckets.append(bucket)
    return buckets


def without_address(text: str) -> str:
    """``text`` without a leading "name:" or "@name,"."""
    return _PREFIX.sub("", text, count=1)


def _forms(name: str) -> set[str]:
    """How others may write a name: in full, or its first word."""
    folded = name.casefold().strip()
    forms = {folded, (folded.split() or [""])[0]}
    return {form for form in forms if len(form) >= 3}


def _find_mention(text: str, tokens: list[str], by_name: dict[str, int]) -> int:
    prefix = _PREFIX.match(text)
    if prefix and (number := by_name.get(prefix.group(1).casefold())) is not None:
        return number
    for token in tokens:
        if (number := by_name.get(token)) is not None:
            return number
    return -1


def _stats(text: str, tokens: list[str]) -> tuple[float, ...]:
    end = text.rstrip()[-1:]
    letters = sum(map(str.isalpha, text[:200]))
    return (
        float("?" in text),
        float(end == "?"),
        float(end in "!)"),
        float(end == "." or end == "…"),
        float(_URL.search(text) is not None),
        float(np.log1p(len(tokens))) / 3,
        float(len(tokens) <= 2),
        float(text[:1].isupper()),
        letters / max(len(text[:200]), 1),
    )


@dataclass(frozen=True)
class Windows:
    """R replies and the W messages before each, newest first (position 0 = the last message).

    index: int64 (R, W), −1 where the chat has no such message. features: float32
    (R, W, N_FEATURES). friend: float32 (R, N_FRIEND_FEATURES), about who will speak.
    relation: int8 (R, W + 1, W + 1), see ``RELATIONS``; row and column W are the reply's.
    """

    index: np.ndarray
    features: np.ndarray
    friend: np.ndarray
    relation: np.ndarray


RELATIONS = 5
"""0 others, 1 same sender, 2 names its sender, 3 is named by it, 4 both."""


class WindowReader:
    """Makes ``Windows`` of one chat."""

    def __init__(self, table: ChatTable, window: int = WINDOW) -> None:
        self.table = table
        self.window = window
        n = len(table)
        self._earlier = _earlier_by_sender(table.sender)
        # Who speaks right after whom, as sorted (pair, position) numbers: counts by bisection.
        low, high = np.minimum(*_neighbours(table.sender)), np.maximum(*_neighbours(table.sender))
        self._n_senders = len(table.number_of) + 1
        pair = low * self._n_senders + high
        different = low != high
        self._pairs = np.sort((pair * (n + 1) + np.arange(1, max(n, 1)))[different])

    def read(self, starts: np.ndarray, friends: np.ndarray) -> Windows:
        """Windows before ``starts`` (int64 (R,)) for ``friends`` (int64 (R,), −1 if unknown)."""
        table, width = self.table, self.window
        starts = starts[:, None]
        # −1 also means "names nobody": an unknown friend must not be taken for that.
        friends = np.where(friends < 0, -9, friends)[:, None]
        position = np.arange(width)
        index = starts - 1 - position
        valid = index >= 0
        at = np.maximum(index, 0)
        sender = np.where(valid, table.sender[at], -2)
        mention = np.where(valid, table.mention[at], -3)
        by_friend = sender == friends
        last = np.maximum(starts - 1, 0)
        time = table.time[at]

        same = sender[:, :, None] == sender[:, None, :]
        names = mention[:, :, None] == sender[:, None, :]
        newer = position[:, None] > position  # [i, j]: j is newer than i
        later_by_sender = (same & newer).sum(2)
        named_by_friend = (names & by_friend[:, :, None] & newer.T).any(1)

        before = np.where(at > 0, at - 1, 0)
        after = np.minimum(at + 1, last)
        since_friend = _distance_to(by_friend)
        until_friend = _distance_to(by_friend[:, ::-1])[:, ::-1]
        talk = self._talks(sender, friends, starts)
        features = np.concatenate(
            [
                np.stack(
                    [
                        by_friend,
                        np.broadcast_to(np.log1p(position) / 3, at.shape),
                        np.log1p(table.time[last] - time) / 5,
                        np.log1p(time - table.time[before]) / 3,
                        np.log1p(table.time[after] - time) / 3,
                        (table.sender[before] == sender) & (at > 0),
                        (table.sender[after] == sender) & (after > at),
                        later_by_sender == 0,
                        np.log1p(later_by_sender) / 2,
                        np.log1p(np.cumsum(by_friend, 1) - by_friend) / 2,
                        np.log1p(since_friend) / 3,
                        np.log1p(until_friend) / 3,
                        np.log1p(self._earlier[at]) / 3,
                        self._earlier[at] == 0,
                        mention == friends,
                        (mention >= 0) & (mention != friends),
                        named_by_friend,
                        np.log1p(talk) / 2,
                        talk > 0,
                        since_friend == 1,
                        until_friend == 1,
                    ],
                    axis=2,
                    dtype=np.float32,
                    casting="unsafe",
                ),
                table.stats[at],
            ],
            axis=2,
        )
        features[~valid] = 0
        return Windows(
            np.where(valid, index, -1),
            features,
            self._friend_features(starts, friends, at, valid, by_friend, mention),
            _relations(same, names, by_friend, mention == friends),
        )

    def _talks(self, sender: np.ndarray, friends: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """How often friend and sender spoke in turn in the last HISTORY messages: (R, W)."""
        n = len(self.table)
        key = np.minimum(sender, friends) * self._n_senders + np.maximum(sender, friends)
        count = np.searchsorted(self._pairs, key * (n + 1) + starts) - np.searchsorted(
            self._pairs, key * (n + 1) + np.maximum(starts - HISTORY, 0)
        )
        return np.where((sender == friends) | (sender < 0) | (friends < 0), 0, count)

    def _friend_features(
        self,
        starts: np.ndarray,
        friends: np.ndarray,
        at: np.ndarray,
        valid: np.ndarray,
        by_friend: np.ndarray,
        mention: np.ndarray,
    ) -> np.ndarray:
        table, width = self.table, self.window
        known = by_friend.any(1)
        newest = np.where(known, by_friend.argmax(1), width)
        named = (mention == friends) & (friends >= 0)
        newest_named = np.where(named.any(1), named.argmax(1), width)
        last = at[:, 0]
        gap = table.time[last] - table.time[at[np.arange(len(at)), np.minimum(newest, width - 1)]]
        span = table.time[last] - table.time[at[:, -1]]
        return np.stack(
            [
                np.log1p(newest) / 3,
                np.where(known, np.log1p(gap) / 5, 2),
                newest == 0,
                ~known,
                by_friend.mean(1),
                np.log1p(span) / 5,
                newest_named < newest,
                valid.mean(1),
            ],
            axis=1,
            dtype=np.float32,
            casting="unsafe",
        )


def _neighbours(sender: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return sender[:-1], sender[1:]


def _earlier_by_sender(sender: np.ndarray) -> np.ndarray:
    """How many messages the sender of each message wrote before it: int64 (n,)."""
    order = np.argsort(sender, kind="stable")
    ordered = sender[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(sender) else order
    lengths = np.diff(np.r_[starts, len(sender)])
    earlier = np.empty(len(sender), np.int64)
    earlier[order] = np.arange(len(sender)) - np.repeat(starts, lengths)
    return earlier


def _distance_to(flags: np.ndarray) -> np.ndarray:
    """Steps from each place back to the nearest flag left of it, width where none is: (R, W)."""
    width = flags.shape[1]
    place = np.arange(width)
    nearest = np.maximum.accumulate(np.where(flags, place, -1), 1)
    left = np.concatenate([np.full((len(flags), 1), -1), nearest[:, :-1]], 1)
    return np.where(left >= 0, place - left, width)


def _relations(
    same: np.ndarray, names: np.ndarray, by_friend: np.ndarray, names_friend: np.ndarray
) -> np.ndarray:
    """Relation numbers of all pairs, the reply as the last row and column."""
    rows, width = by_friend.shape
    relation = np.zeros((rows, width + 1, width + 1), np.int8)
    named = names.transpose(0, 2, 1)
    relation[:, :width, :width] = np.where(
        same, 1, np.where(names, np.where(named, 4, 2), np.where(named, 3, 0))
    )
    relation[:, :width, width] = np.where(by_friend, 1, 2 * names_friend)
    relation[:, width, :width] = np.where(by_friend, 1, 3 * names_friend)
    relation[:, width, width] = 1
    return relation
