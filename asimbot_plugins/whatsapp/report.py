"""The reader's account: what it took the file for, and what it could not place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from operator import gt, itemgetter
from typing import Any

from asimbot_plugins.messages import Message

SHOWN = 20
"""line numbers kept and shown of each sort"""


@dataclass
class Lines:
    """Some lines of a file: how many, and the numbers of the first ones (from 1)."""

    count: int = 0
    numbers: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        self.count += 1
        if len(self.numbers) < SHOWN:
            self.numbers.append(number)

    def __str__(self) -> str:
        if not self.count:
            return "none"
        more = ", …" if self.count > len(self.numbers) else ""
        numbers = ", ".join(map(str, self.numbers))
        return f"{self.count} (line{'s' * (self.count > 1)} {numbers}{more})"


@dataclass
class FileReport:
    """How one export was read."""

    file: str
    platform: str = ""
    header: str = ""
    confidence: float = 0.0
    encoding: str = ""
    line_end: str = ""
    calendar: str = ""
    date_order: str = ""
    date_order_confidence: float = 0.0
    date_order_evidence: str = ""
    date_order_decided: bool = True
    year_guessed: bool = False
    messages: int = 0
    lines: int = 0
    unplaced: Lines = field(default_factory=Lines)
    """lines before the first header, which belong to no message"""
    lookalikes: Lines = field(default_factory=Lines)
    """lines kept as text although they resemble a header"""
    undecodable: int = 0
    """bytes that are not in the encoding; each became U+FFFD"""
    back_steps: int = 0
    """messages dated before their predecessor"""


@dataclass
class ChatSpan:
    """Messages ``start`` to ``stop`` (exclusive) come from one chat."""

    name: str
    files: list[str]
    start: int
    stop: int
    duplicates: int = 0
    """messages found in more than one of its exports and kept once"""


@dataclass
class Report:
    """Account of a whole ``read_export``."""

    files: list[FileReport] = field(default_factory=list)
    chats: list[ChatSpan] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """files of a folder or archive that are text but no chat export"""
    messages: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    senders: dict[str, int] = field(default_factory=dict)
    edited: int = 0
    attachments: int = 0

    def count(self, messages: list[Message]) -> None:
        """Fills in the totals."""
        self.messages = len(messages)
        self.kinds = dict(Counter(map(itemgetter(3), messages)).most_common())
        senders = Counter(map(itemgetter(1), messages))
        senders.pop(None, None)
        self.senders = {name: number for name, number in senders.most_common() if name is not None}
        self.edited = sum(map(itemgetter(4), messages))
        self.attachments = len(messages) - list(map(itemgetter(5), messages)).count(None)

    @property
    def undecided(self) -> list[FileReport]:
        """Files whose day/month order is only a default."""
        return [one for one in self.files if not one.date_order_decided]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for machines; plain types only."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Everything, for people: one fact a line."""
        return [f"{name:<12} {value}" for name, value in self.rows()]

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) pairs for a table."""
        rows: list[tuple[str, str]] = []
        for one in self.files:
            rows += _file_rows(one)
        for chat in self.chats:
            if len(self.chats) > 1 or len(chat.files) > 1:
                merged = f", {chat.duplicates:,} duplicates dropped" if len(chat.files) > 1 else ""
                rows.append(("chat", f"{chat.name}: {chat.stop - chat.start:,} messages{merged}"))
        if self.skipped:
            rows.append(("not a chat", ", ".join(self.skipped[:SHOWN])))
        rows.append(("messages", f"{self.messages:,}"))
        rows.append(("kinds", _counts(self.kinds.items())))
        rows.append(("edited", f"{self.edited:,}"))
        rows.append(("attachments", f"{self.attachments:,}"))
        rows.append(("senders", _counts(list(self.senders.items())[:SHOWN], len(self.senders))))
        return rows


def _counts(pairs: Iterable[tuple[str, int]], total: int = 0) -> str:
    listed = list(pairs)
    text = ", ".join(f"{name} {number:,}" for name, number in listed) or "none"
    return text + (f", and {total - len(listed)} more" if total > len(listed) else "")


def _file_rows(one: FileReport) -> list[tuple[str, str]]:
    order = f"{one.date_order} (confidence {one.date_order_confidence:.0%}: "
    order += f"{one.date_order_evidence})"
    if not one.date_order_decided:
        order += "; UNDECIDED, please pass --date-order dmy or --date-order mdy"
    rows = [
        ("file", f"{one.file}: {one.messages:,} messages in {one.lines:,} lines"),
        ("format", f"{one.platform}, {one.header!r} (confidence {one.confidence:.0%})"),
        ("text", f"{one.encoding}, {one.line_end} before headers, {one.calendar} calendar"),
        ("date order", order),
        ("unplaced", str(one.unplaced)),
        ("look-alikes", str(one.lookalikes)),
        ("back-steps", f"{one.back_steps:,}"),
    ]
    if one.undecodable:
        rows.append(("undecodable", f"{one.undecodable:,} bytes, shown as U+FFFD"))
    if one.year_guessed:
        rows.append(("year", "not in the export; counted back from the file's date"))
    return rows


def back_steps(messages: list[Message]) -> int:
    """Messages dated before their predecessor."""
    times = list(map(itemgetter(0), messages))
    return sum(map(gt, times, times[1:]))
