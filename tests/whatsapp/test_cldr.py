"""Headers of every locale of CLDR, and the generated tables."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import pytest

from asimbot_plugins.whatsapp import cldr_data, read_export
from asimbot_plugins.whatsapp.calendars import islamic, jalali, to_gregorian
from asimbot_plugins.whatsapp.grammar import fold_word

babel = pytest.importorskip("babel")
ROOT = Path(__file__).parent.parent.parent

TIMES = [
    datetime(2023, 3, 4, 0, 5, 9),
    datetime(2023, 3, 4, 9, 15, 7),
    datetime(2023, 3, 29, 12, 30, 1),
    datetime(2023, 4, 1, 13, 2, 3),
    datetime(2023, 4, 2, 18, 45, 6),
    datetime(2023, 5, 20, 23, 59, 58),
]


def headers(locale: babel.Locale, seconds: bool, joiner: str) -> list[str]:
    """Headers of TIMES as a phone set to a locale writes them."""
    from babel.dates import format_date, format_time

    found = []
    for when in TIMES:
        day = format_date(when, "short", locale=locale)
        clock = format_time(when, "medium" if seconds else "short", locale=locale)
        both = joiner.replace("{1}", day).replace("{0}", clock)
        found.append(f"[{both}] " if seconds else f"{both} - ")
    return found


@lru_cache
def all_headers() -> dict[tuple[str, ...], str]:
    """Distinct lists of headers -> one locale that writes them."""
    from babel import Locale, localedata

    found: dict[tuple[str, ...], str] = {}
    for name in sorted(localedata.locale_identifiers()):
        locale = Locale.parse(name)
        joiners = {"{1} {0}"}
        for style in ("short", "medium", "long"):
            if style in locale.datetime_formats:
                joiner = str(locale.datetime_formats[style])
                joiners.add(re.sub(r"'([^']*)'", r"\1", joiner))
        for joiner in sorted(joiners):
            for seconds in (False, True):
                found.setdefault(tuple(headers(locale, seconds, joiner)), name)
    return found


def test_every_locale(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    failed = []
    assert len(all_headers()) > 450
    for written, locale in all_headers().items():
        path.write_text("\n".join(f"{header}Nora: rye {n}" for n, header in enumerate(written)))
        expected = [
            (when if written[0][0] == "[" else when.replace(second=0), "Nora", f"rye {n}")
            for n, when in enumerate(TIMES)
        ]
        if [message[:3] for message in read_export(path).messages] != expected:
            failed.append((locale, written[0]))
    assert failed == []


def test_generated_file_is_in_sync() -> None:
    if babel.__version__ != cldr_data.BABEL_VERSION:
        pytest.skip(f"the table was generated with Babel {cldr_data.BABEL_VERSION}")
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_cldr.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_words_are_folded_alike() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import make_cldr
    finally:
        sys.path.pop(0)
    for word in ("p. m.", "a.m.", "π.μ.", "SA", "ق.ظ.", "לפנה״צ", "e paradites", "\u200fم"):
        assert make_cldr.fold_word(word) == fold_word(word)


@pytest.mark.parametrize(
    ("year", "month", "day", "expected"),
    [
        (1403, 8, 6, "2024-10-27"),
        (1403, 12, 30, "2025-03-20"),
        (1388, 1, 1, "2009-03-21"),
        (1391, 12, 30, "2013-03-20"),
        (1400, 1, 1, "2021-03-21"),
    ],
)
def test_jalali(year: int, month: int, day: int, expected: str) -> None:
    assert jalali(year, month, day).isoformat() == expected
    assert to_gregorian(year, month, day).isoformat() == expected


@pytest.mark.parametrize("wrong", [(1402, 12, 30), (1403, 7, 31), (1403, 13, 1), (1403, 1, 0)])
def test_jalali_days_that_do_not_exist(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        jalali(*wrong)


def test_other_calendars() -> None:
    assert islamic(1445, 1, 1).isoformat() == "2023-07-19"
    assert to_gregorian(2567, 10, 27).isoformat() == "2024-10-27"
    assert to_gregorian(113, 10, 27).isoformat() == "2024-10-27"
    assert to_gregorian(67, 10, 27).isoformat() == "2024-10-27"
    assert to_gregorian(24, 10, 27).isoformat() == "2024-10-27"
    assert to_gregorian(3, 8, 6, persian=True).isoformat() == "2024-10-27"
