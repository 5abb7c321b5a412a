"""Whatever is rendered is read back; whatever bytes come, nothing crashes or gets lost."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
babel = pytest.importorskip("babel")

from babel.dates import format_date, format_time  # noqa: E402
from hypothesis import HealthCheck, assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from asimbot_plugins.errors import UserError  # noqa: E402
from asimbot_plugins.messages import Message  # noqa: E402
from asimbot_plugins.whatsapp import read_export  # noqa: E402
from asimbot_plugins.whatsapp.grammar import MARKS, match  # noqa: E402
from asimbot_plugins.whatsapp.kinds import classify  # noqa: E402
from asimbot_plugins.whatsapp.report import FileReport  # noqa: E402
from asimbot_plugins.whatsapp.source import decode  # noqa: E402
from asimbot_plugins.whatsapp.strings import SYSTEM_VERB  # noqa: E402

LOCALES = """
en_GB en_US en_CA en_IN en_ZA de fr fr_CA es es_CO es_AR es_MX pt pt_PT it nl sv da nb fi is pl cs
sk sl hr sr bs hu ro bg mk uk ru be el tr az kk uz he ar ar_EG fa ur hi mr ne bn ta te kn ml gu pa
si th km lo my vi id ms fil sw zu am ka hy ja ko zh_Hans zh_Hant zh_Hant_HK eu ca gl lt lv et sq mt
cy ga af
""".split()

FIXED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
SOME = settings(max_examples=150, derandomize=True, **FIXED)  # type: ignore[arg-type]
MANY = settings(max_examples=2000, **FIXED)  # type: ignore[arg-type]

LETTERS = st.characters(
    exclude_categories=("Cs", "Cc", "Cf"), include_characters="\u200c\u200d\n\t"
)
BODIES = st.text(LETTERS, max_size=60).map(lambda text: text.rstrip("\n"))
SENDERS = st.text(
    st.characters(categories=("L", "Nd", "So", "Mn"), include_characters=" -.'[]()~+:/"),
    min_size=1,
    max_size=25,
).map(lambda name: re.sub(r":(?= |$)|^[\s]+|[\s]+$", "", name).strip())
TIMES = st.datetimes(datetime(2010, 1, 1), datetime(2039, 12, 31)).map(
    lambda when: when.replace(microsecond=0)
)


@cache
def writing(locale: str) -> tuple[babel.Locale, str, str]:
    """A locale, its joiner of date and time, and the order of its dates."""
    parsed = babel.Locale.parse(locale)
    joiner = re.sub(r"'([^']*)'", r"\1", str(parsed.datetime_formats["short"]))
    fields = re.sub(r"'[^']*'|[^dMy]", "", parsed.date_formats["short"].pattern)
    return parsed, joiner, "".join(dict.fromkeys(fields)).lower()


def header(locale: str, when: datetime, ios: bool) -> str:
    parsed, joiner, _ = writing(locale)
    clock = format_time(when, "medium" if ios else "short", locale=parsed)
    day = format_date(when, "short", locale=parsed)
    both = joiner.replace("{1}", day).replace("{0}", clock)
    return f"[{both}] " if ios else f"{both} - "


@st.composite
def chats(draw: st.DrawFn) -> tuple[str, bool, list[Message], str]:
    """A locale, whether iOS wrote it, the messages, and the text of the export."""
    locale, ios = draw(st.sampled_from(LOCALES)), draw(st.booleans())
    names = draw(st.lists(SENDERS.filter(bool), min_size=1, max_size=4, unique=True))
    assume(not any(SYSTEM_VERB.search(name) or '"' in name for name in names))
    messages, lines = [], []
    for when in sorted(draw(st.lists(TIMES, min_size=1, max_size=8))):
        when = when if ios else when.replace(second=0)
        name, body = draw(st.sampled_from(names)), draw(BODIES)
        assume(classify(body, "", ios) is None and not re.match(r"[^\n:]{1,40}: ", body))
        assume(not any(match(line) for line in body.split("\n")[1:]))
        messages.append(Message(when, name, body))
        lines.append(f"{header(locale, when, ios)}{name}: {body}")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return locale, ios, messages, end.join(line.replace("\n", end) for line in lines) + end


def read(data: bytes, **options: str) -> tuple[list[Message], FileReport]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chat.txt"
        path.write_bytes(data)
        chat = read_export(path, **options)  # type: ignore[arg-type]
    return chat.messages, chat.report.files[0]


def check_round_trip(chat: tuple[str, bool, list[Message], str], encoding: str) -> None:
    locale, _, messages, text = chat
    found, report = read(text.encode(encoding), date_order=writing(locale)[2])
    assert found == messages
    assert report.unplaced.count == 0


@SOME
@given(chats(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_round_trip(chat: tuple[str, bool, list[Message], str], encoding: str) -> None:
    check_round_trip(chat, encoding)


@pytest.mark.slow
@MANY
@given(chats(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_round_trip_at_length(chat: tuple[str, bool, list[Message], str], encoding: str) -> None:
    check_round_trip(chat, encoding)


PIECES = st.sampled_from(
    [
        *(
            "[19/11/2023, 21:36:04] ",
            "19/11/2023, 21:36 - ",
            "11/19/23, 9:36 PM - ",
            "Nora: ",
            "rye",
        ),
        *(
            "\n",
            "\r\n",
            "\r",
            "\u200e",
            "\ufeff",
            "<Media omitted>",
            "99/99/9999, 99:99 - ",
            "\x00",
        ),
        *(
            "<This message was edited>",
            "[21:36, 19/11/2023] ",
            "Nora left",
            '"',
            "\u2028",
            "🥖",
            ": ",
        ),
        *(
            "31/02/2023, 21:36 - Nora: ",
            "image omitted",
            "(file attached)",
            "a.jpg",
            "\u202f",
            " - ",
        ),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=30).map("".join)
DATA = st.one_of(
    st.binary(max_size=300),
    TEXTS.map(lambda text: text.encode("utf-8", "replace")),
    st.tuples(TEXTS, st.binary(max_size=3)).map(
        lambda both: both[0].encode("utf-8", "replace") + both[1]
    ),
    TEXTS.map(lambda text: text.encode("utf-16", "replace")),
)
_MARK = re.compile(f"[{MARKS}]")


def bare(text: str) -> str:
    return _MARK.sub("", text)


def lines_of(data: bytes, report: FileReport) -> Iterator[str]:
    """Lines of a file as the reader must have seen them, without those it reports as unplaced."""
    if report.encoding.startswith("utf-8"):
        text = decode(data.removeprefix(b"\xef\xbb\xbf"))[0]
    else:
        text = data.decode(report.encoding, "replace")
    text = text.replace("\r\n", "\n")
    if report.line_end == "CR":
        text = text.replace("\r", "\n")
    unplaced = report.unplaced.count
    text = text.removesuffix("\n")
    started = False
    for line in text.split("\n"):
        if not started and (unplaced or not line.strip(" \t\r\ufeff\u200e\u200f\u200b")):
            unplaced -= bool(line.strip(" \t\r\ufeff\u200e\u200f\u200b"))
        else:
            started = True
            yield line


def check_nothing_is_lost(data: bytes) -> None:
    try:
        messages, report = read(data)
    except UserError as error:
        assert "\n" not in str(error)
        return
    lines = lines_of(data, report)
    for message in messages:
        first, *more = message.text.split("\n")
        line = bare(next(lines))
        if message.edited and not more:
            assert bare(first) in line
        else:
            assert line.endswith(bare(first)), (line, first)
        assert message.sender is None or bare(message.sender) in line
        for part in more[:-1] if message.edited else more:
            assert bare(next(lines)) == bare(part)
        if message.edited and more:
            # The marker may stand on a line of its own.
            assert bare(next(lines)).startswith(bare(more[-1]))
    assert not list(lines)
    assert messages


@SOME
@given(DATA)
def test_nothing_is_lost(data: bytes) -> None:
    check_nothing_is_lost(data)


@pytest.mark.slow
@settings(max_examples=6000, **FIXED)  # type: ignore[arg-type]
@given(DATA)
def test_nothing_is_lost_at_length(data: bytes) -> None:
    check_nothing_is_lost(data)
