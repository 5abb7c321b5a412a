"""One export, from its bytes to messages: learn the format, then one pass over the text."""

from __future__ import annotations

import gc
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain

from asimbot_plugins.errors import UserError
from asimbot_plugins.messages import Message
from asimbot_plugins.whatsapp import senders
from asimbot_plugins.whatsapp.dates import DateOrder, Days, Times, decide_order
from asimbot_plugins.whatsapp.detect import Format, learn
from asimbot_plugins.whatsapp.grammar import MARKS
from asimbot_plugins.whatsapp.kinds import EDGE, START, STARTS, Doubts, classify
from asimbot_plugins.whatsapp.report import FileReport, back_steps
from asimbot_plugins.whatsapp.source import HOW_TO_EXPORT, Source, guess_encoding, read_text

SAMPLE = 1 << 18
"""characters in which the date order is looked for before the whole file is"""
PATIENCE = 16
"""chunks without a header after which a file is no chat"""

_ENDS = frozenset("<>)")
_FIRST = frozenset("<" + EDGE)
_LOOKALIKE = re.compile(f"\n[{MARKS}]*(?=\\[?\\d{{1,4}}[/.:\\-]\\s?\\d{{1,2}}[/.:\\-, ])[^\n]*")


@contextmanager
def _without_gc() -> Iterator[None]:
    """Millions of tuples and no cycles: collecting meanwhile only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parse(source: Source, date_order: str | None = None) -> tuple[list[Message], FileReport]:
    """Messages of one export in the order of the file, and how they were read."""
    report = FileReport(source.name)
    report.encoding = guess_encoding(source.head())
    with source.open() as stream, _without_gc():
        pieces = read_text(stream, report.encoding)
        start, learned, whole, cr_only = _learn(source, pieces, report)
        prefix = "\r\n" if learned.crlf_only else "\n"
        report.line_end = "CR" if cr_only else _line_end(start, learned)

        def text() -> Iterator[str]:
            return _cut(chain([(start, 0)], pieces), learned.crlf_only, cr_only, report)

        order = _order(source, learned, prefix, start, whole, cr_only, date_order, report)
        reader = _Reader(learned, order, source, report)
        for chunk in text():
            reader.feed(chunk)
        reader.finish()
    messages = reader.messages
    _describe(report, learned, order, reader)
    report.messages = len(messages)
    report.back_steps = back_steps(messages)
    return messages, report


def _learn(
    source: Source, pieces: Iterator[tuple[str, int]], report: FileReport
) -> tuple[str, Format, bool, bool]:
    """Reads until there is a header; returns the text so far, its format, whether that is all."""
    start, whole = "", False
    for number, (piece, bad) in enumerate(pieces):
        start += piece
        report.undecodable += bad
        whole = not piece
        cr_only = "\r" in start and "\n" not in start
        learned = learn(start.replace("\r", "\n") if cr_only else start, whole=whole)
        if learned is not None and (learned.confidence > 0 and (len(start) > 4096 or whole)):
            return start, learned, whole, cr_only
        if whole or number > PATIENCE:
            break
    raise UserError(f"{source.name}: no WhatsApp messages found", HOW_TO_EXPORT)


def _line_end(start: str, learned: Format) -> str:
    if learned.crlf_only or ("\r\n" in start and start.count("\n") == start.count("\r\n")):
        return "CRLF"
    return "CRLF or LF" if "\r\n" in start else "LF"


def _cut(
    pieces: Iterator[tuple[str, int]], crlf_only: bool, cr_only: bool, report: FileReport | None
) -> Iterator[str]:
    """Text in chunks that each end before a line end, the first one with a line end in front."""
    held = ["\r\n" if crlf_only else "\n"]
    for piece, bad in pieces:
        if report is not None:
            report.undecodable += bad
        if cr_only:
            piece = piece.replace("\r", "\n")
        at = piece.rfind("\n")
        if at < 0:
            held.append(piece)
            continue
        if at and piece[at - 1] == "\r":
            at -= 1
        elif not at and held and held[-1].endswith("\r"):
            held[-1] = held[-1][:-1]
            piece = "\r" + piece
        held.append(piece[:at])
        chunk = "".join(held)
        yield chunk if crlf_only else chunk.replace("\r\n", "\n")
        held = [piece[at:]]
    chunk = "".join(held)
    yield chunk if crlf_only else chunk.replace("\r\n", "\n")


def _order(
    source: Source,
    learned: Format,
    prefix: str,
    start: str,
    whole: bool,
    cr_only: bool,
    wanted: str | None,
    report: FileReport,
) -> DateOrder:
    if wanted is not None:
        return DateOrder(wanted, 1.0, "as asked", True, True)
    if learned.shape.date_kind == "named":
        return DateOrder("dmy", 1.0, "the month is spelled out", True, True)
    place = (1, 2) if learned.shape.date_first else (2, 1)
    sample = prefix + start[:SAMPLE]
    found = learned.header.findall(sample if learned.crlf_only else sample.replace("\r\n", "\n"))
    order = decide_order(
        [match[place[0]] for match in found], [match[place[1]] for match in found], learned.shape
    )
    if order.hard or (whole and len(start) <= SAMPLE):
        return order
    dates: list[str] = []
    times: list[str] = []
    with source.open() as stream:
        for chunk in _cut(read_text(stream, report.encoding), learned.crlf_only, cr_only, None):
            found = learned.header.findall(chunk)
            dates += dict.fromkeys(match[place[0]] for match in found)
            times += dict.fromkeys(match[place[1]] for match in found[:1000])
    return decide_order(dates, times, learned.shape)


class _Reader:
    """Turns chunks of text into messages; the last message waits for what may follow."""

    def __init__(self, learned: Format, order: DateOrder, source: Source, report: FileReport):
        self.header = learned.header
        self.bracketed = learned.bracketed
        self.date_first = learned.shape.date_first
        self.fix_lines = learned.crlf_only
        self.report = report
        self.messages: list[Message] = []
        self.names = senders.Names(self.messages)
        self.days = Days(learned.shape, order.order, source.modified)
        self.times = Times()
        self.doubts = Doubts()
        self.verbs: dict[str, list[int]] = defaultdict(list)
        self._last: list[str] = []
        """front marks, date, time and sender of the message that is not finished"""
        self._tail: list[str] = []
        """its body so far"""
        self._line = 0

    def feed(self, chunk: str) -> None:
        """Takes the next chunk; it ends before a line end."""
        parts = self.header.split(chunk)
        if not self._all_exist(parts):
            parts = self._split_checked(chunk)
        if len(parts) == 1:
            if self._last:
                self._tail.append(parts[0])
            else:
                self._unplaced(parts[0])
            self._line += chunk.count("\n")
            return
        if self._last:
            self._tail.append(parts[0])
            parts[0:1] = [*self._last, "".join(self._tail)]
        else:
            self._unplaced(parts[0])
            del parts[0]
        self._last, self._tail = parts[-5:-1], parts[-1:]
        del parts[-5:]
        self._emit(parts)
        self._find_lookalikes(chunk)
        self._line += chunk.count("\n")

    def finish(self) -> None:
        """Takes the last message and settles what the whole file decides."""
        if self._last:
            body = "".join(self._tail)
            if body.endswith("\n"):
                body = body[: -2 if body.endswith("\r\n") else -1]
            self._emit([*self._last, body])
        self.doubts.settle(self.messages)
        senders.settle_verbs(self.messages, self.verbs, self.names)
        senders.settle_tight_colons(self.messages, self.bracketed)
        senders.rejoin_colons(self.messages, self.names, self.bracketed)
        self.report.lines = self._line

    def _emit(self, parts: list[str]) -> None:
        messages, names, new = self.messages, self.names, tuple.__new__
        days, times = self.days, self.times
        append, cls, fix_lines = messages.append, Message, self.fix_lines
        one = iter(parts)
        dated_first = self.date_first
        for front, first, second, raw, body in zip(one, one, one, one, one, strict=True):
            if dated_first:
                when = days[first] + times[second]  # type: ignore[operator]
            else:
                when = days[second] + times[first]  # type: ignore[operator]
            if fix_lines and "\r" in body:
                body = body.replace("\r\n", "\n")
            name = names[raw]
            if (
                name is None
                or front
                or body[:START] in STARTS
                or body[-1:] in _ENDS
                or body[:1] in _FIRST
                or "\n" in body
                or "\u200e" in body
            ):
                self._special(when, front, raw, name, body)
            else:
                append(new(cls, (when, name, body, "text", False, None)))

    def _special(
        self, when: datetime, front: str, raw: str | None, name: str | None, body: str
    ) -> None:
        place = len(self.messages)
        if name is None:
            line = body if raw is None else f"{raw}:{' ' * (body[:1] not in ('', chr(10)))}{body}"
            found = senders.split(line)
            if found is None:
                text = line.lstrip(EDGE)
                self.messages.append(Message(when, None, text, "system"))
                return
            name, body = found
            if name in self.names.first_seen or not senders.SYSTEM_VERB.search(name):
                self.names.first_seen.setdefault(name, place)
            else:
                self.verbs[name].append(place)
        result = classify(body, front, self.bracketed)
        if result is None:
            self.messages.append(Message(when, name, body))
            return
        if result.doubt:
            self.doubts.note(result.doubt, place)
        self.messages.append(
            Message(when, name, result.text, result.kind, result.edited, result.attachment)
        )

    def _all_exist(self, parts: list[str]) -> bool:
        """True if every date and time in the pieces of a chunk exists."""
        first, second = set(parts[2::5]), set(parts[3::5])
        dates, clocks = (first, second) if self.date_first else (second, first)
        days, times = self.days, self.times
        return all(days[one] is not None for one in dates) and all(
            times[one] is not None for one in clocks
        )

    def _split_checked(self, chunk: str) -> list[str]:
        """As ``header.split``, but headers with an impossible date or time stay text."""
        parts: list[str] = []
        begin = 0
        for found in self.header.finditer(chunk):
            groups = found.groups()
            dated = groups[1] if self.date_first else groups[2]
            clock = groups[2] if self.date_first else groups[1]
            if self.days[dated] is None or self.times[clock] is None:
                self.report.lookalikes.add(self._line + chunk.count("\n", 0, found.start() + 2))
                continue
            parts += [chunk[begin : found.start()], *groups]
            begin = found.end()
        return [*parts, chunk[begin:]]

    def _unplaced(self, text: str) -> None:
        for number, line in enumerate(text.split("\n"), self._line):
            if line.strip(MARKS_AND_SPACE):
                self.report.unplaced.add(number)

    def _find_lookalikes(self, chunk: str) -> None:
        pass


MARKS_AND_SPACE = " \t\r\n\ufeff\u200e\u200f\u200b"


def _describe(report: FileReport, learned: Format, order: DateOrder, reader: _Reader) -> None:
    names = {"]": "iOS", "-": "Android", ":": "iOS before 2014"}
    report.platform = names[learned.shape.end]
    report.header = learned.example
    report.confidence = learned.confidence
    report.calendar = ", ".join(sorted(reader.days.calendars)) or "Gregorian"
    report.date_order = order.order
    report.date_order_confidence = order.confidence
    report.date_order_evidence = order.evidence
    report.date_order_decided = order.decided
    report.year_guessed = reader.days.guessed
