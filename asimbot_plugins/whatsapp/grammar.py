"""What a message header can look like, and the one regular expression for the file at hand.

``match`` recognises any header that CLDR can write (and the legacy ones); it is slow and used on
a sample only. The shapes it finds are voted on (``detect``), and ``Shape.compile`` turns the
winner into an expression fast enough for the whole file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from asimbot_plugins.whatsapp import cldr_data

# Direction marks, zero-width space and byte-order marks: WhatsApp and phones strew them over
# headers. Joiners (U+200C, U+200D) are not among them: they are part of names and text.
MARKS = "\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
MARK = f"[{MARKS}]*"
SPACE = "[ \t\u00a0\u2007\u2009\u202f]"

_FOLD = re.compile(r"[\s.\u200b-\u200f\u061c\u202a-\u202f\u2066-\u2069\"'’״׳`]")


def fold_word(word: str) -> str:
    """A word as the CLDR tables spell it: case folded, without space, dot, mark or quote."""
    return _FOLD.sub("", word).casefold()


def _any(words: tuple[str, ...] | list[str]) -> str:
    """An alternation of literal words, longest first; a final dot is optional."""
    spelled = []
    for word in sorted(words, key=len, reverse=True):
        text = re.escape(word.rstrip(".")).replace(r"\ ", SPACE)
        spelled.append(text + (r"\.?" if word.endswith(".") else ""))
    return "(?:" + "|".join(spelled) + ")"


# Calendars other than the Gregorian: Babel carries no names for their eras.
ERA_PREFIXES = ("R", "H", "S", "令和", "平成", "昭和", "民國", "民国", "Minguo", "Reiwa", "Heisei")
ERA_SUFFIXES = (
    *("BE", "B.E.", "พ.ศ.", "AP", "A.P.", "AH", "A.H.", "AD", "A.D.", "CE", "ค.ศ."),
    *("ه‍.ش.", "ه.ش.", "ه‍.ش", "هـ", "ه‍", "ه", "م", "ROC", "Minguo", "Saka", "ERA1"),
)
JOIN_WORDS = (
    *cldr_data.JOIN_WORDS,
    *("klo", "kl.", "at", "um", "om", "à", "às", "a les", "alle", "alle ore", "ore", "u", "o"),
    *("в", "о", "об", "lúc", "saat", "pukul", "साढ़े", "को", "ที่", "เวลา", "בשעה", "في", "στις"),
)
TIME_WORDS = (*cldr_data.TIME_WORDS, "ч.", "Uhr", "uur", "hrs", "hod.", "น.")
_NEUTRAL = {fold_word(word) for word in TIME_WORDS}

_ERA = f"(?:{_any(ERA_PREFIXES)}{SPACE}?)"
_DATE_GAP = f"(?:{SPACE}?[/.\\-‐‑–]{SPACE}?|[年月]{SPACE}?|[년월]{SPACE}?|{SPACE})"
_DATE_END = (
    f"(?:{SPACE}?日|{SPACE}?일\\.?|\\.)?(?:{SPACE}?"
    f"(?:{_any([*ERA_SUFFIXES, *cldr_data.DATE_WORDS])})(?![^\\W\\d_]))?"
)
_NUMERIC = (
    f"{_ERA}?\\d{{1,4}}{MARK}(?P<g1>{_DATE_GAP}){MARK}{_ERA}?\\d{{1,2}}{MARK}"
    f"(?P<g2>{_DATE_GAP}){MARK}{_ERA}?\\d{{1,4}}(?P<end>{_DATE_END})"
)
_MONTH = r"[^\W\d_][^\d\n:\[\],/]{1,14}?\.?"
_YEAR = f"(?:,?{SPACE}(?:de{SPACE})?\\d{{4}})"
_NAMED = (
    f"(?:{_MONTH}{SPACE}\\d{{1,2}}|\\d{{1,2}}\\.?(?:{SPACE}|-|{SPACE}de{SPACE})"
    f"{_MONTH}(?=,|{SPACE})){_YEAR}?"
)
_YEARLESS = r"\d{1,2}[/.]\d{1,2}\.?"

_PERIOD = r"\u070f?[^\W\d_][^\d\n:\[\]()\-–—,]{0,24}?"
_TIME_GAP = f"(?:[:.：٫]|{SPACE}?(?:h|min|[時时點点]|[시분]|{_any(cldr_data.TIME_WORDS)}){SPACE}?)"
_CLOCK = (
    f"\\d{{1,2}}{MARK}(?P<t1>{_TIME_GAP}){MARK}\\d{{1,2}}"
    f"(?P<sec>{MARK}(?P<t2>{_TIME_GAP}){MARK}\\d{{1,2}}(?:{SPACE}?s(?![^\\W\\d_])|秒|초)?)?"
    f"(?:[분分]|\\.(?={SPACE}))?"
)
_TIME = (
    f"(?:(?P<before>{_PERIOD}){SPACE}*{MARK})?{_CLOCK}"
    f"(?:{MARK}{SPACE}*{MARK}(?P<after>{_PERIOD}\\.?){MARK})?"
)
_WORD = f"(?:{_any(JOIN_WORDS)}{SPACE})?"
_JOIN = f"(?:{MARK}[,،]{MARK}{SPACE}*|{MARK}{SPACE}+|(?<=[日일年])|{SPACE}-{SPACE}){MARK}{_WORD}"
_ENDS = {  # the plain form first: that is quicker
    "]": f"(?:\\] (?![{MARKS}])|{MARK}\\]{MARK}{SPACE}?)",
    "-": f"(?: - (?![{MARKS}])|{MARK}{SPACE}{MARK}[-–—]{MARK}{SPACE}{MARK})",
    ":": f":{SPACE}",
}


def _header(date: str, dated_first: bool, end: str) -> str:
    first, second = (date, _TIME) if dated_first else (_TIME, date)
    opening = f"\\[{MARK}" if end == "]" else ""
    return (
        f"(?P<front>{MARK}){opening}"
        + f"(?P<{'date' if dated_first else 'time'}>{first})"
        + f"(?P<join>{_JOIN}\\(?{MARK})"
        + f"(?P<{'time' if dated_first else 'date'}>{second})\\)?"
        + f"(?P<sep>{_ENDS[end]})"
    )


_DATES = {"numeric": _NUMERIC, "named": _NAMED, "yearless": _YEARLESS}
# Every kind of header as (date kind, date first, end), commonest first.
_KINDS = [
    (kind, dated_first, end)
    for kind in _DATES
    for dated_first in (True, False)
    for end in ("]", "-", ":")
    if dated_first or (kind != "yearless" and end != ":")
]


@cache
def _pattern(kind: str, dated_first: bool, end: str) -> re.Pattern[str]:
    """Compiled on first use: most files need one of them."""
    return re.compile(_header(_DATES[kind], dated_first, end))


@dataclass(frozen=True)
class Shape:
    """What all headers of one export share."""

    date_kind: str
    """numeric (27/10/2024), named (Oct 27) or yearless (27/10)"""
    date_first: bool
    end: str
    """what closes the header: ``]`` (iOS), ``-`` (Android) or ``:`` (old iOS)"""
    gaps: tuple[str, ...]
    """separators of the date: two gaps and the literal after it; spaces plain, marks left out"""
    seconds: bool


@dataclass
class Hit:
    """One header that ``match`` recognised."""

    shape: Shape
    date: str
    time: str
    join: str
    header: str
    front: str
    clock_gaps: tuple[str, ...]
    """between hours and minutes, and between minutes and seconds if there are any"""
    periods: tuple[bool, bool]
    """whether a word such as PM stands before and after the clock"""
    rest: str
    """the line after the header"""


_MARK_RE = re.compile(f"[{MARKS}]")
_SPACE_RE = re.compile(SPACE)


def plain(text: str) -> str:
    """Marks removed, every space an ordinary one."""
    return _SPACE_RE.sub(" ", _MARK_RE.sub("", text))


_MAYBE = re.compile(
    f"{MARK}(?:\\[|\\d|[^\\W\\d_]{{1,12}}[^\\n:]{{0,8}}\\d)(?:[^\\n]{{0,40}}?\\d){{2}}"
)
_LETTER = re.compile(f"{MARK}\\[?{MARK}[^\\W\\d_]")


def match(line: str) -> Hit | None:
    """The header that ``line`` starts with, or None."""
    if not _MAYBE.match(line):
        return None
    bracketed = (
        line.lstrip("\ufeff\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e")[:1] == "["
    )
    named = _LETTER.match(line) is not None
    for kind, dated_first, end in _KINDS:
        if (end == "]") != bracketed or (named and kind == "yearless"):
            continue
        found = _pattern(kind, dated_first, end).match(line, 0, 120)
        if found is None or not _words_known(found, kind):
            continue
        if kind == "numeric":
            gaps = tuple(plain(found[name]) for name in ("g1", "g2", "end"))
            gaps = (gaps[0], gaps[1], gaps[2].strip() if gaps[2] else "")
        else:
            gaps = ()
        shape = Shape(kind, dated_first, end, gaps, found["sec"] is not None)
        return Hit(
            shape=shape,
            date=found["date"],
            time=found["time"],
            join=found["join"],
            header=found[0],
            front=found["front"],
            clock_gaps=tuple(plain(found[name]) for name in ("t1", "t2") if found[name]),
            periods=(found["before"] is not None, found["after"] is not None),
            rest=line[found.end() :],
        )
    return None


def _words_known(found: re.Match[str], kind: str) -> bool:
    for name in ("before", "after"):
        if found[name] and meridiem(found[name]) is None:
            return False
    if kind == "named":
        word = re.sub(r"[\d,]|\bde\b", "", found["date"])
        return fold_word(word.strip("- ")) in cldr_data.MONTHS
    return True


def meridiem(word: str) -> tuple[int, int] | None:
    """Hours that a day-period word stands for; (0, 24) for a word that says nothing."""
    folded = fold_word(word)
    if not folded or folded in _NEUTRAL:
        return (0, 24)
    hours = cldr_data.MERIDIEMS.get(folded)
    if hours is None:
        for neutral in _NEUTRAL:  # "18 h 42 min": a unit beside a day period
            if folded.endswith(neutral) and folded[: -len(neutral)] in cldr_data.MERIDIEMS:
                return cldr_data.MERIDIEMS[folded[: -len(neutral)]]
    return hours


def compile_shape(hits: list[Hit], before: str) -> re.Pattern[str]:
    """An expression for the headers of one file, learned from ``hits`` of one shape.

    ``before`` is the line end that precedes a header. Groups, in the order of ``split``:
    front marks, then the two of date and time (date first unless the shape says otherwise),
    then the sender with its colon and space, or None. The body is what follows.
    """
    shape = hits[0].shape
    marks = MARK if any(_MARK_RE.search(hit.header.lstrip(hit.front)) for hit in hits) else ""
    eras = (
        f"{_ERA}?" if any(re.search(r"^\W*[^\W\d_]|\d\W*[^\W\d_]+\d", h.date) for h in hits) else ""
    )
    if shape.date_kind == "numeric":
        first, second, end = shape.gaps
        one, two, three = _widths([hit.date for hit in hits])
        date = (
            f"{eras}\\d{one}{marks}{_loosen(first)}{marks}{eras}\\d{two}{marks}"
            f"{_loosen(second)}{marks}{eras}\\d{three}"
        )
        date += f"{SPACE}?" + _loosen(end) if end else ""
    else:
        date = re.sub(r"\?P<\w+>", "?:", _NAMED if shape.date_kind == "named" else _YEARLESS)
    clock = "\\d{1,2}"
    for number in range(2 if shape.seconds else 1):
        found = sorted({hit.clock_gaps[number] for hit in hits})
        gap = _any([text.strip() for text in found])
        wide = any(" " in text for text in found)
        clock += f"{marks}{SPACE}?{gap}{SPACE}?{marks}" if wide else f"{marks}{gap}{marks}"
        clock += "\\d{1,2}"
    if any(re.search(r"[^\W\d_]|\.", text) for hit in hits for text in hit.clock_gaps):
        clock += f"(?:{SPACE}?s(?![^\\W\\d_])|[秒초분分]|\\.(?={SPACE}))?"
    # AM and PM stay optional: phones switch between 12 and 24 hours within one chat.
    before_clock = any(hit.periods[0] for hit in hits)
    time = f"(?:{_PERIOD}{SPACE}*{MARK})?{clock}" if before_clock else clock
    if not before_clock or any(hit.periods[1] for hit in hits):
        # The look-ahead spares lines without such a word the attempt to find one.
        time += f"(?:(?! ?[\\]:-]){MARK}{SPACE}*{MARK}{_PERIOD}\\.?{MARK})?"
    joins = sorted({_loosen(plain(hit.join)) for hit in hits}, key=len, reverse=True)
    join = f"{marks}(?:{'|'.join(joins)}){marks}"
    opening = f"\\[{marks}" if shape.end == "]" else ""
    closing = r"\)?" if any("(" in hit.join for hit in hits) else ""
    first, second = (date, time) if shape.date_first else (time, date)
    return re.compile(
        f"{before}({MARK}){opening}({first}){join}({second}){closing}{_ENDS[shape.end]}"
        f"([^:\n]+:(?: |(?=\r?\n|\\Z)))?"
    )


def _widths(dates: list[str]) -> list[str]:
    """Repeat counts of the three numbers of a date: a year keeps its number of digits."""
    digits = [[len(number) for number in re.findall(r"\d+", date)] for date in dates]
    widths = []
    for lengths in zip(*digits, strict=True):
        low, high = min(lengths), max(lengths)
        widths.append("{1,2}" if high < 3 else f"{{{low},{high}}}")
    return widths


def _loosen(literal: str) -> str:
    """A literal with marks allowed after a comma and any kind of space for a space."""
    escaped = "".join(SPACE if char == " " else re.escape(char) for char in literal)
    return re.sub("[,،]", lambda comma: f"{comma[0]}{MARK}", escaped)
