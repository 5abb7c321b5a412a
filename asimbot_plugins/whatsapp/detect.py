"""Learns from a sample how this file writes its headers: their shape and the line end before."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from asimbot_plugins.whatsapp.dates import Days, Times, decide_order
from asimbot_plugins.whatsapp.grammar import Hit, Shape, compile_shape, match

SAMPLE_LINES = 400


@dataclass
class Format:
    """How one file writes its headers."""

    shape: Shape
    header: re.Pattern[str]
    """splits the text (with a line end in front); see ``grammar.compile_shape``"""
    example: str
    """one header as found"""
    confidence: float
    """share of this shape among all lines of the sample that look like headers"""
    crlf_only: bool
    """True: only CRLF ends a message, a bare LF is inside one (iOS)"""
    rivals: dict[str, int] = field(default_factory=dict)

    @property
    def bracketed(self) -> bool:
        return self.shape.end == "]"


@dataclass
class _Candidate:
    hit: Hit
    line_end: str
    """line end before it; empty at the start of the file"""
    first: bool


def learn(text: str, *, whole: bool) -> Format | None:
    """The format of the file that starts with ``text``, or None if it is no chat export.

    ``whole``: ``text`` is the whole file, so its end counts as the end of a message.
    """
    candidates, ends = _scan(text, SAMPLE_LINES)
    if len(candidates) < 3 and len(ends) >= SAMPLE_LINES:
        candidates, ends = _scan(text, 50 * SAMPLE_LINES)
    if not candidates:
        return None
    votes: Counter[Shape] = Counter()
    weights: dict[Shape, float] = defaultdict(float)
    for one in candidates:
        votes[one.hit.shape] += 1
        weights[one.hit.shape] += _weight(one)
    shape = max(weights, key=lambda shape: weights[shape])
    chosen = [one for one in candidates if one.hit.shape == shape]
    hits = [one.hit for one in chosen]
    crlf_only = _crlf_only(chosen, ends, whole)
    return Format(
        shape=shape,
        header=compile_shape(hits, "\r\n" if crlf_only else "\n"),
        example=hits[0].header,
        confidence=round(votes[shape] / sum(votes.values()), 2),
        crlf_only=crlf_only,
        rivals={
            next(c.hit.header for c in candidates if c.hit.shape == other): count
            for other, count in votes.items()
            if other != shape
        },
    )


def _weight(one: _Candidate) -> float:
    """A vote: more for the first line of a file, less for dates without a year."""
    weight = 2.0 + ((": " in one.hit.rest) or one.hit.rest.endswith(":"))
    if one.hit.shape.date_kind == "yearless":
        weight /= 3
    return weight + (2.5 if one.first else 0)


def _scan(text: str, limit: int) -> tuple[list[_Candidate], list[str]]:
    """Header-like lines among the first ``limit`` lines, and the line ends of all of them."""
    candidates: list[_Candidate] = []
    ends: list[str] = []
    previous, first, at = "", True, 0
    while len(ends) <= limit:
        stop = text.find("\n", at)
        line = text[at:] if stop < 0 else text[at:stop]
        end = "" if stop < 0 else "\r\n" if line.endswith("\r") else "\n"
        line = line[:-1] if end == "\r\n" else line
        if line.strip():
            hit = match(line)
            if hit is not None:
                candidates.append(_Candidate(hit, previous, first))
            first = False
        ends.append(end)
        previous, at = end, stop + 1
        if not end:
            break
    return candidates, ends


def _crlf_only(chosen: list[_Candidate], ends: list[str], whole: bool) -> bool:
    """True if bare line feeds occur but do not precede headers.

    iOS ends a message with CRLF and writes LF inside one. A header after the rarer of the two
    line ends is then text that somebody pasted, and older than the message it was pasted into.
    """
    if "\n" not in ends or "\r\n" not in ends:
        return False
    after = Counter(one.line_end for one in chosen)
    last = next((end for end in reversed(ends) if end), "") if whole and not ends[-1] else ""
    crlf = after["\r\n"] + (last == "\r\n")
    if crlf == 0 or crlf < 2 * after["\n"]:
        return False
    return not after["\n"] or not _in_order(chosen)


def _in_order(chosen: list[_Candidate]) -> bool:
    """True if headers after a bare LF are no older than the header before them."""
    dates = [one.hit.date for one in chosen]
    order = decide_order(dates, [one.hit.time for one in chosen], chosen[0].hit.shape)
    days, times = Days(chosen[0].hit.shape, order.order), Times()
    fits = bare = 0
    for before, one in pairwise(chosen):
        if one.line_end == "\n":
            bare += 1
            day, earlier = days[one.hit.date], days[before.hit.date]
            time, sooner = times[one.hit.time], times[before.hit.time]
            if day and earlier and time is not None and sooner is not None:
                fits += day + time >= earlier + sooner
    return fits >= 0.9 * bare
