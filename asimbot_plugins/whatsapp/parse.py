"""One export, from its bytes to messages: learn the format, then one pass over the text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, repeat
from operator import add

from asimbot_plugins.errors import UserError
from asimbot_plugins.messages import Message
from asimbot_plugins.whatsapp import senders
from asimbot_plugins.whatsapp.dates import DateOrder, Days, Times, decide_order, guess_years
from asimbot_plugins.whatsapp.detect import Format, learn
from asimbot_plugins.whatsapp.grammar import match
from asimbot_plugins.whatsapp.kinds import EDGE, START, STARTS, Body, Doubts, classify
from asimbot_plugins.whatsapp.report import FileReport, back_steps
from asimbot_plugins.whatsapp.source import (
    HOW_TO_EXPORT,
    Source,
    cut,
    decode,
    guess_encoding,
    read_utf8,
)

SAMPLE = 1 << 18
"""bytes from which the format is learned, and the date order if they prove one"""

_ENDS = frozenset("<>)")
MOST_LOOKALIKES = 1000
"""after so many the report has made its point"""
_NUMERIC_START = r"\d{1,4}[/.:\-]\s?\d{1,2}[/.:\-, ]"


def parse_source(source: Source, date_order: str | None = None) -> tuple[list[Message], FileReport]:
    """Messages of one export in the order of the file, and how they were read."""
    report = FileReport(source.name)
    report.encoding = guess_encoding(source.head())
    with source.open() as stream:
        pieces = read_utf8(stream, report.encoding)
        start, whole = _start(pieces)
        learned, style = _learn(source, start, whole)
        order = _order(source, report.encoding, learned, style, start, whole, date_order)
        reader = _Reader(learned, order, report)
        for chunk, undecodable in cut(chain(start, pieces), style):
            reader.feed(chunk)
            report.undecodable += undecodable
        reader.finish()
    messages = reader.messages
    if not messages:
        raise UserError(f"{source.name}: no line begins with a date that exists", HOW_TO_EXPORT)
    if reader.days.guessed:
        guess_years(messages, source.modified)
    report.line_end = style
    _describe(report, learned, order, reader)
    report.messages = len(messages)
    report.back_steps = back_steps(messages)
    return messages, report


def _start(pieces: Iterator[tuple[bytes, int]]) -> tuple[list[tuple[bytes, int]], bool]:
    """The first pieces, at least SAMPLE bytes, and whether they are the whole file."""
    start: list[tuple[bytes, int]] = []
    size = 0
    for piece in pieces:
        start.append(piece)
        size += len(piece[0])
        if size > SAMPLE:
            return start, False
    return start, True


def _learn(source: Source, start: list[tuple[bytes, int]], whole: bool) -> tuple[Format, str]:
    """Format of the file that begins with ``start``, and its style of line ends."""
    text = decode(b"".join(piece for piece, _ in start))[0]
    cr_only = "\r" in text and "\n" not in text
    learned = learn(text.replace("\r", "\n") if cr_only else text, whole=whole)
    if learned is None:
        raise UserError(f"{source.name}: no WhatsApp messages found", HOW_TO_EXPORT)
    return learned, "CR" if cr_only else "CRLF" if learned.crlf_only else "LF"


def _order(
    source: Source,
    encoding: str,
    learned: Format,
    style: str,
    start: list[tuple[bytes, int]],
    whole: bool,
    wanted: str | None,
) -> DateOrder:
    """Day/month order: from the first part of the file if that proves it, or else from all."""
    if wanted is not None:
        return DateOrder(wanted, 1.0, "as asked", True, True)
    if learned.shape.date_kind == "named":
        return DateOrder("dmy", 1.0, "the month is spelled out", True, True)

    def decide(pieces: Iterable[tuple[bytes, int]]) -> DateOrder:
        dates: list[str] = []
        times: list[str] = []
        for chunk, _ in cut(pieces, style):
            found = learned.header.findall(chunk)
            column = 1 if learned.shape.date_first else 2
            dates += dict.fromkeys(match[column] for match in found)
            times += dict.fromkeys(match[3 - column] for match in found[:1000])
        return decide_order(dates, times, learned.shape)

    order = decide(start)
    if order.hard or whole:
        return order
    with source.open() as stream:
        return decide(read_utf8(stream, encoding))


class _Reader:
    """Turns chunks of text into messages; the last message waits for what may follow."""

    def __init__(self, learned: Format, order: DateOrder, report: FileReport) -> None:
        self.header = learned.header
        self.bracketed = learned.bracketed
        self.date_first = learned.shape.date_first
        self.fix_lines = learned.crlf_only
        self.report = report
        self.messages: list[Message] = []
        self.names = senders.Names()
        self.days = Days(learned.shape, order.order)
        self.times = Times()
        self.doubts = Doubts()
        self.verbs: dict[str, list[int]] = defaultdict(list)
        self._memo: dict[tuple[str, str], Body | None] = {}
        """short bodies that occur again and again, such as placeholders"""
        self._last: tuple[datetime, str, str | None] | None = None
        """time, front marks and sender of the message that is not finished"""
        self._tail: list[str] = []
        """its body so far"""
        self._unsigned = 0
        """lines without a sender"""
        self._line = 0
        if learned.crlf_only:
            other = f"\n(?<!\r\n)\\[?{_NUMERIC_START}"
        elif learned.bracketed:
            other = f"\n{_NUMERIC_START}"
        else:
            other = f"\n\\[{_NUMERIC_START}"
        self._lookalike = re.compile(other)

    def feed(self, chunk: str) -> None:
        """Takes the next chunk; it ends before a line end."""
        parts = self.header.split(chunk)
        try:
            whens = self._whens(parts)
        except TypeError:  # None: a date or time that does not exist
            parts = self._split_checked(chunk)
            whens = self._whens(parts)
        if self._last:
            self._tail.append(parts[0])
        else:
            self._unplaced(parts[0])
        if whens:
            bodies = parts[5::5]
            if self._last:
                self._emit_last("".join(self._tail))
            fronts, raws = parts[1::5], parts[4::5]
            self._last = (whens.pop(), fronts.pop(), raws.pop())
            self._tail = [bodies.pop()]
            self._emit(whens, fronts, raws, bodies, "\u200e" in chunk or "\u200f" in chunk)
        self._find_lookalikes(chunk)
        self._line += chunk.count("\n")

    def finish(self) -> None:
        """Takes the last message and settles what the whole file decides."""
        if self._last:
            body = "".join(self._tail)
            end = "\r\n" if self.fix_lines and body.endswith("\r\n") else "\n"
            body = body.removesuffix(end)
            self._emit_last(body)
        self.doubts.settle(self.messages)
        senders.settle_verbs(self.messages, self.verbs, self.names)
        if self._unsigned > 0.6 * len(self.messages):
            senders.settle_tight_colons(self.messages, self.bracketed)
        senders.rejoin_colons(self.messages, self.names, self.bracketed)
        self.report.lines = self._line

    def _whens(self, parts: list[str]) -> list[datetime]:
        """Timestamps of a split chunk; TypeError if one of them does not exist."""
        dates, clocks = (2, 3) if self.date_first else (3, 2)
        days = map(self.days.__getitem__, parts[dates::5])
        return list(map(add, days, map(self.times.__getitem__, parts[clocks::5])))

    def _emit_last(self, body: str) -> None:
        assert self._last is not None
        when, front, raw = self._last
        self._emit([when], [front], [raw], [body], True)

    def _emit(
        self,
        whens: list[datetime],
        fronts: list[str],
        raws: list[str | None],
        bodies: list[str],
        marked: bool,
    ) -> None:
        """Appends messages, column by column: all as plain text, then the special ones again.

        ``marked``: there are direction marks in the text.
        """
        if self.fix_lines:
            bodies = [body.replace("\r\n", "\n") if "\r" in body else body for body in bodies]
        names = list(map(self.names.__getitem__, raws))
        start = len(self.messages)
        rows = zip(whens, names, bodies, repeat("text"), repeat(False), repeat(None))
        self.messages += map(tuple.__new__, repeat(Message), rows)
        if marked:
            special = [
                place
                for place, (front, body) in enumerate(zip(fronts, bodies, strict=True))
                if front
                or "\u200e" in body
                or body[:1] == "\u200f"
                or body[:START] in STARTS
                or body[-1:] in _ENDS
                or ("\n" in body and body[body.index("\n") - 1] in _ENDS)
            ]
        else:
            special = [
                place
                for place, body in enumerate(bodies)
                if body[:START] in STARTS
                or body[-1:] in _ENDS
                or ("\n" in body and body[body.index("\n") - 1] in _ENDS)
            ]
        for place in special:
            name = names[place]
            if name is not None:
                self._classify(start + place, fronts[place], name, bodies[place])
        if None in names:
            for place, name in enumerate(names):
                if name is None:
                    self._unnamed(start + place, fronts[place], raws[place], bodies[place])

    def _unnamed(self, place: int, front: str, raw: str | None, body: str) -> None:
        """A line whose sender the header expression could not tell, or should not be trusted."""
        line = body if raw is None else raw + body
        found = senders.split(line)
        when = self.messages[place].timestamp
        if found is None:
            self._unsigned += 1
            self.messages[place] = Message(when, None, line.lstrip(EDGE), "system")
            return
        name, body = found
        if name in self.names.known or not senders.SYSTEM_VERB.search(name):
            self.names.known.add(name)
        else:
            self.verbs[name].append(place)
        self.messages[place] = Message(when, name, body)
        self._classify(place, front, name, body)

    def _classify(self, place: int, front: str, name: str, body: str) -> None:
        key = (front, body)
        if key in self._memo:
            result = self._memo[key]
        else:
            result = classify(body, front, self.bracketed)
            if len(body) < 40 and len(self._memo) < 4096:
                self._memo[key] = result
        if result is None:
            return
        if result.doubt:
            self.doubts.note(result.doubt, place)
        when = self.messages[place].timestamp
        self.messages[place] = Message(
            when, name, result.text, result.kind, result.edited, result.attachment
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

    def _find_lookalikes(self, chunk: str) -> None:
        """Counts lines that are headers of another kind: mostly pasted messages."""
        if self.report.lookalikes.count > MOST_LOOKALIKES:
            return
        if not self.bracketed and "[" not in chunk:
            return
        for found in self._lookalike.finditer(chunk):
            stop = chunk.find("\n", found.end())
            line = chunk[found.start() + 1 : stop if stop > 0 else None]
            if match(line.rstrip("\r")):
                self.report.lookalikes.add(self._line + chunk.count("\n", 0, found.end()))

    def _unplaced(self, text: str) -> None:
        for number, line in enumerate(text.split("\n"), self._line):
            if line.strip(MARKS_AND_SPACE):
                self.report.unplaced.add(number)


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
    report.lookalikes.numbers.sort()
