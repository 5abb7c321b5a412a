"""From the date and time of a header to a ``datetime``; calendars, eras and the day/month order."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from asimbot_plugins.messages import Message
from asimbot_plugins.whatsapp import cldr_data
from asimbot_plugins.whatsapp.calendars import to_gregorian
from asimbot_plugins.whatsapp.grammar import MARKS, SPACE, Shape, fold_word, meridiem, plain

_NUMBERS = re.compile(r"\d+")
_ERA = re.compile(r"(令和|平成|昭和|民國|民国|minguo|reiwa|heisei|[RHS])\s*(?=\d)", re.IGNORECASE)
_ERA_YEAR_0 = {"r": 2018, "令和": 2018, "reiwa": 2018, "h": 1988, "平成": 1988, "heisei": 1988}
_ERA_YEAR_0 |= {"s": 1925, "昭和": 1925, "民國": 1911, "民国": 1911, "minguo": 1911}
_PERSIAN_DIGIT = re.compile("[\u06f0-\u06f9]")
_WORDS = re.compile(r"[^\W\d_]{2,}")

NO_YEAR = 4
"""stands for a missing year; a leap year, so that every date exists"""


@dataclass
class DateOrder:
    """Which number of a date is the day, and why we think so."""

    order: str
    """dmy, mdy, ymd or ydm"""
    confidence: float
    evidence: str
    decided: bool
    """False: only a default; the user should say ``--date-order``"""
    hard: bool = False
    """True: no date in the chat contradicts it and at least one rules out the others"""


Fields = tuple[int, ...]


def fields(token: str) -> tuple[Fields, int | None, int]:
    """The numbers of a date, which of them carries an era letter, and that era's year 0."""
    clean = plain(token)
    era = _ERA.search(clean)
    numbers = tuple(int(number) for number in _NUMBERS.findall(clean))
    if era is None:
        return numbers, None, 0
    return numbers, len(_NUMBERS.findall(clean[: era.start()])), _ERA_YEAR_0[era[1].lower()]


def _as_date(token: str, order: str) -> date | None:
    numbers, era_at, era_year = fields(token)
    if len(numbers) != 3:
        return None
    at = {letter: place for place, letter in enumerate(order)}
    year, month, day = (numbers[at[letter]] for letter in "ymd")
    if not (1 <= month <= 12 and 1 <= day <= 32):
        return None
    try:
        if era_at is not None:
            return date(year + era_year, month, day) if at["y"] == era_at else None
        return to_gregorian(year, month, day, persian=bool(_PERSIAN_DIGIT.search(token)))
    except (ValueError, OverflowError):
        return None


def _candidates(tokens: list[str]) -> list[str]:
    """Orders that the place of the year allows."""
    first = last = 0
    for token in tokens:
        numbers, era_at, _ = fields(token)
        if len(numbers) == 3:
            lengths = [len(text) for text in _NUMBERS.findall(token)]
            first += lengths[0] > 2 or era_at == 0
            last += lengths[2] > 2 or era_at == 2
    if first > last:
        return ["ymd", "ydm"]
    return ["dmy", "mdy"] if last else ["dmy", "mdy", "ymd"]


def decide_order(tokens: Iterable[str], times: Iterable[str], shape: Shape) -> DateOrder:
    """Day/month order from the dates of a chat in the order of the file.

    In order of strength: a number above 12 anywhere; fewer steps back in time, the first line
    apart (it is often a notice dated later); dates closer together; what CLDR's locales do.
    """
    sequence = list(dict.fromkeys(tokens))
    if shape.date_kind == "yearless":
        return _yearless_order(sequence)
    orders = _candidates(sequence)
    dated = {order: [_as_date(token, order) for token in sequence] for order in orders}
    wrong = {order: sum(one is None for one in found) for order, found in dated.items()}
    fewest = min(wrong.values())
    left = [order for order in orders if wrong[order] == fewest]
    if "ymd" in left and orders[0] == "ymd":
        left = ["ymd"]  # no locale writes year-day-month: only a number above 12 speaks for it
    soft = None
    if len(left) != 1:
        soft = _soft_order(sequence, {o: dated[o] for o in left}, list(times), shape)
        if soft.order == "ymd" or {"dmy", "mdy"} <= set(left):
            return soft
        # A number above 12 rules out one of dmy and mdy; only a two-digit year first is left
        # beside the other, and everything speaks against that.
    best = soft.order if soft else left[0]
    if best == "ymd" and orders[0] == "ymd":
        return DateOrder("ymd", 0.99, "the year comes first", True, True)
    return _proven(best, sequence, dated)


def _proven(best: str, sequence: list[str], dated: dict[str, list[date | None]]) -> DateOrder:
    """The order that a number above 12 proves, with the share of dates that agree."""
    rival = next(order for order in dated if order != best)
    pairs = list(zip(sequence, dated[best], dated[rival], strict=True))
    proofs = [token for token, mine, other in pairs if mine is not None and other is None]
    against = sum(mine is None and other is not None for _, mine, other in pairs)
    text = f"{proofs[0]!r} is a date only this way" + (
        f", as are {len(proofs)} of {len(sequence)} dates" if len(sequence) > 1 else ""
    )
    sure = len(proofs) / (len(proofs) + against)
    return DateOrder(best, round(0.99 * sure, 2), text, sure > 0.6, against == 0)


def _yearless_order(sequence: list[str]) -> DateOrder:
    for token in sequence:
        for order, number in zip(("dmy", "mdy"), fields(token)[0], strict=False):
            if number > 12:
                return DateOrder(order, 0.95, f"{token!r} is a date only this way", True, True)
    if any("." in token for token in sequence):
        return DateOrder("dmy", 0.9, "dates with dots begin with the day", True)
    return DateOrder("dmy", 0.5, "no date decides", False)


def _soft_order(
    sequence: list[str], dated: dict[str, list[date | None]], times: list[str], shape: Shape
) -> DateOrder:
    prior = _prior(sequence, times, shape)
    dated = {order: found for order, found in dated.items() if prior.get(order)} or dated
    ranked = sorted(dated, key=lambda order: -prior.get(order, 0))
    if len(ranked) == 1:
        which = "CLDR locales that write dates this way" if prior else "the only order that fits"
        return DateOrder(ranked[0], 0.97, f"{which} agree on it", True)
    steps = {order: _steps(found) for order, found in dated.items()}
    ranked.sort(key=lambda order: steps[order][0])  # stable: CLDR decides between equals
    best, second = ranked[0], ranked[1]
    fewer = steps[second][0] - steps[best][0]
    if fewer:
        text = f"{steps[best][0]} steps back in time, {steps[second][0]} the other way"
        return DateOrder(best, 0.95 if fewer > 2 else 0.85, text, True)
    equal = [order for order in ranked if steps[order][0] == steps[best][0]]
    closest = min(equal, key=lambda order: steps[order][1])
    others = [steps[order][1] for order in equal if order != closest]
    if min(others) >= 5 * max(steps[closest][1], 1) and len(sequence) > 1:
        text = f"dates lie {steps[closest][1]} days apart, {min(others)} the other way"
        return DateOrder(closest, 0.75, text, True)
    share = prior.get(best, 0) / (sum(prior.get(order, 0) for order in equal) or 1)
    text = f"no date decides; {share:.0%} of the CLDR locales with such dates write it"
    return DateOrder(best, round(min(share, 0.97), 2), text, share > 0.9)


def _steps(found: list[date | None]) -> tuple[int, int]:
    """Steps back in time without the first date, and the days between neighbours in all."""
    days = [one.toordinal() for one in found if one is not None]
    tail = days[1:] if len(days) > 2 else days
    back = sum(later < earlier for earlier, later in pairwise(tail))
    return back, sum(abs(later - earlier) for earlier, later in pairwise(tail))


def _prior(sequence: list[str], times: list[str], shape: Shape) -> dict[str, int]:
    """Order -> number of CLDR locales whose short date looks like these."""
    numbers = [_NUMBERS.findall(token) for token in sequence]
    widths = [len(part) for found in numbers for part in found if len(found) == 3]
    first, second, end = (*shape.gaps, "", "", "")[:3]
    shapes = [f"N{first}N{second}N{end}", f"N{first}N{second}Y{end}", f"Y{first}N{second}N{end}"]
    wide = [max(len(found[0]), 1) > 2 for found in numbers if len(found) == 3]
    late = [len(found[2]) > 2 for found in numbers if len(found) == 3]
    name = shapes[2] if any(wide) else shapes[1] if any(late) else shapes[0]
    padded = bool(widths) and min(widths) > 1
    prior: dict[str, int] = {}
    # All-two-digit dates may come from an unpadded pattern too, so both count then.
    for key in ("0" + name, name) if padded else (name,):
        for order, count in cldr_data.DATE_ORDERS.get(key, {}).items():
            prior[order] = prior.get(order, 0) + count
    words = {period for period in (_period(time) for time in times) if period}
    if prior.get("mdy") and not padded and words & {"AM", "PM"}:
        # Capital AM and PM beside an unpadded short date: American English.
        prior = {"mdy": prior["mdy"], "dmy": max(1, prior["mdy"] // 3)}
    if any(_ERA.search(plain(token)) for token in sequence) and not padded:
        # Era letters come from phones set to English with the Japanese calendar.
        prior = {"mdy": 3, "dmy": 1}
    if {"오전", "오후"} & words and "ymd" in prior:
        prior = {"ymd": prior["ymd"]}
    return prior


def _period(token: str) -> str:
    found = _WORDS.search(plain(token))
    return found[0] if found else ""


class Days(dict[str, "datetime | None"]):
    """Date of a header -> midnight of that day, or None if there is no such day. Memoises.

    A date without a year is put into NO_YEAR until ``guess_years`` has seen them all.
    """

    def __init__(self, shape: Shape, order: str) -> None:
        super().__init__()
        self.shape, self.order = shape, order
        self.calendars: set[str] = set()
        self.guessed = False
        """a date had no year"""

    def __missing__(self, token: str) -> datetime | None:
        found = self._named(token) if self.shape.date_kind != "numeric" else None
        if self.shape.date_kind == "numeric":
            found = _as_date(token, self.order)
            numbers, era_at, _ = fields(token)
            if found is not None:
                self.calendars.add(_calendar(numbers, era_at, found))
        day = datetime(found.year, found.month, found.day) if found else None
        self[token] = day
        return day

    def _named(self, token: str) -> date | None:
        clean = plain(token)
        numbers = [int(number) for number in _NUMBERS.findall(clean)]
        if self.shape.date_kind == "yearless":
            if len(numbers) != 2:
                return None
            day, month = numbers if self.order.index("d") < self.order.index("m") else numbers[::-1]
        else:
            word = re.sub(r"[\d,]|\bde\b", "", clean).strip(" -")
            month = cldr_data.MONTHS.get(fold_word(word), 0)
            day = numbers[0] if numbers else 0
        try:
            if len(numbers) > 1 and self.shape.date_kind == "named":
                return date(numbers[1], month, day)
            found = date(NO_YEAR, month, day)
        except ValueError:
            return None
        self.guessed = True
        return found


def guess_years(messages: list[Message], latest: date) -> None:
    """Gives a year to the dates that have none, in place, from the last message backwards.

    The last message is no later than ``latest`` (the file's date); going back, the year before
    begins where a date is more than a month later than the one after it.
    """
    after, slack = latest, timedelta(0)
    for place in range(len(messages) - 1, -1, -1):
        when = messages[place].timestamp
        if when.year == NO_YEAR:
            for year in range(after.year, after.year - 9, -1):
                if (when.month, when.day) == (2, 29) and not calendar.isleap(year):
                    continue
                if date(year, when.month, when.day) <= after + slack:
                    break
            when = when.replace(year=year)
            messages[place] = messages[place]._replace(timestamp=when)
        after, slack = when.date(), timedelta(31)


def _calendar(numbers: Fields, era_at: int | None, found: date) -> str:
    if era_at is not None:
        return "era years"
    if found.year in numbers or found.year % 100 in numbers:
        return "Gregorian"
    if any(2552 <= n <= 2583 or n == (found.year + 543) % 100 for n in numbers):
        return "Buddhist"
    if any(98 <= n <= 140 for n in numbers):
        return "Republic of China"
    return "Hijri (lunar)" if any(1430 <= n <= 1465 for n in numbers) else "Hijri (solar)"


_CLOCK = re.compile(r"^(\D*)(\d+)\D+?(\d+)(?:\D+?(\d+))?(\D*)$")
_EDGE = re.compile(f"^[{MARKS}\\s]+|[{MARKS}\\s]+$|{SPACE}+$")


class Times(dict[str, "timedelta | None"]):
    """Time of a header -> time since midnight, or None if there is no such time. Memoises."""

    def __missing__(self, token: str) -> timedelta | None:
        self[token] = found = _as_time(token)
        return found


def _as_time(token: str) -> timedelta | None:
    found = _CLOCK.match(plain(token))
    if found is None:
        return None
    hour, minute, second = int(found[2]), int(found[3]), int(found[4] or 0)
    for word in (found[1], found[5]):
        hours = meridiem(word)
        if hours is None:
            return None
        if hours != (0, 24) and hour <= 12:
            hour = _half_day(hour, hours)
    if hour > 24 or minute > 59 or second > 60:
        return None
    return timedelta(hours=hour % 24, minutes=minute, seconds=min(second, 59))


def _half_day(hour: int, hours: tuple[int, int]) -> int:
    """A clock of 0-12 made one of 0-23: the reading nearest to the hours of the day period."""
    begin, end = hours
    length = (end - begin) % 24 or 24

    def distance(candidate: int) -> int:
        after = (candidate - begin) % 24
        return 0 if after < length else min(after - length + 1, 24 - after)

    return min((hour % 12, hour % 12 + 12), key=distance)
