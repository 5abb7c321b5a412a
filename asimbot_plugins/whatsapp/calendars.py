"""Calendars other than the Gregorian: Buddhist, Republic of China, solar and lunar Hijri."""

from __future__ import annotations

from datetime import date, timedelta

# WhatsApp began in 2009, so the calendars in use never share a four-digit year.
FIRST_YEAR, LAST_YEAR = 2009, 2040


def to_gregorian(year: int, month: int, day: int, *, persian: bool = False) -> date:
    """A date in the calendar that its year belongs to, as a Gregorian date.

    Buddhist years are 543 ahead, Republic-of-China years 1911 behind; 1388-1420 is solar Hijri
    (Jalali), 1430-1465 lunar Hijri (tabular, which can be a day off a country's sighting).
    ``persian``: the digits were Persian, so a two-digit year is a Jalali one where that fits.
    Raises ValueError for a date that does not exist.
    """
    if year < 100:
        if persian and not 9 <= year <= 40:
            return jalali(year + (1300 if year >= 88 else 1400), month, day)
        if year + 2500 - 543 in range(FIRST_YEAR, LAST_YEAR + 1):
            year = year + 2500 - 543
        else:
            year += 1900 if year >= 84 else 2000
    elif 98 <= year <= 140:
        year += 1911
    elif FIRST_YEAR + 543 <= year <= LAST_YEAR + 543:
        year -= 543
    elif 1388 <= year <= 1420:
        return jalali(year, month, day)
    elif 1430 <= year <= 1465:
        return islamic(year, month, day)
    return date(year, month, day)


def jalali(year: int, month: int, day: int) -> date:
    """Solar Hijri to Gregorian, by the 33-year leap cycle (exact for 1206-1498)."""
    if not (1 <= month <= 12 and 1 <= day <= (31 if month <= 6 else 30)):
        raise ValueError("no such date")
    if month == 12 and day == 30 and (year * 8 + 29) % 33 >= 8:
        raise ValueError("no such date")
    days = 365 * year + (year * 8 + 21) // 33
    days += (month - 1) * 31 if month <= 7 else (month - 7) * 30 + 186
    return date(622, 3, 21) + timedelta(days=days - 366 + day)


def islamic(year: int, month: int, day: int) -> date:
    """Lunar Hijri to Gregorian by the tabular (civil) calendar."""
    if not (1 <= month <= 12 and 1 <= day <= 30):
        raise ValueError("no such date")
    days = (year - 1) * 354 + (3 + 11 * year) // 30 + 29 * (month - 1) + month // 2 + day
    return date.fromordinal(227014 + days)
