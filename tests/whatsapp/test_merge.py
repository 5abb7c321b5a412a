"""Several exports of one chat become one."""

from __future__ import annotations

from pathlib import Path

from asimbot_plugins.whatsapp import read_export
from asimbot_plugins.whatsapp.merge import chat_name

LINES = [
    "19/11/2023, 21:30 - Nora: one",
    "19/11/2023, 21:30 - Nora: ok",
    "19/11/2023, 21:30 - Nora: ok",
    "19/11/2023, 21:31 - Teo: two\nlines",
    "20/11/2023, 07:05 - Nora: three",
    "20/11/2023, 07:05 - Teo: <Media omitted>",
    "21/11/2023, 07:05 - Nora: four",
    "22/11/2023, 07:05 - Teo: five",
]


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def texts(*paths: Path) -> list[str]:
    return [message.text for message in read_export(list(paths)).messages]


WANTED = ["one", "ok", "ok", "two\nlines", "three", "<Media omitted>", "four", "five"]


def test_overlap_in_either_order(tmp_path: Path) -> None:
    early = write(tmp_path / "a.txt", LINES[:6])
    late = write(tmp_path / "b.txt", LINES[3:])
    assert texts(early, late) == WANTED
    assert texts(late, early) == WANTED
    report = read_export([early, late]).report
    assert [(span.duplicates, len(span.files)) for span in report.chats] == [(3, 2)]
    assert any("3 duplicates dropped" in line for line in report.lines())


def test_the_same_export_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", LINES)
    assert texts(path, path) == WANTED


def test_gaps_are_filled_from_both_sides(tmp_path: Path) -> None:
    odd = write(tmp_path / "a.txt", [LINES[0], LINES[4], LINES[6]])
    even = write(tmp_path / "b.txt", [LINES[0], LINES[3], LINES[6], LINES[7]])
    assert texts(odd, even) == ["one", "two\nlines", "three", "four", "five"]


def test_media_named_in_one_export_only(tmp_path: Path) -> None:
    without = write(tmp_path / "a.txt", LINES)
    named = [line.replace("<Media omitted>", "IMG-20231120-WA0001.jpg (file attached)")
             for line in LINES]  # fmt: skip
    chat = read_export([without, write(tmp_path / "b.txt", named)])
    assert len(chat.messages) == len(LINES)
    assert chat.messages[5].attachment == "IMG-20231120-WA0001.jpg"


def test_deleted_and_edited_later(tmp_path: Path) -> None:
    before = write(tmp_path / "a.txt", LINES)
    after = [
        *LINES[:-2],
        "21/11/2023, 07:05 - Nora: 4 <This message was edited>",
        "22/11/2023, 07:05 - Teo: This message was deleted",
    ]
    later = write(tmp_path / "b.txt", after)
    for pair in ([before, later], [later, before]):
        messages = read_export(pair).messages
        assert len(messages) == len(LINES)
        assert messages[6].text == "4" and messages[6].edited
        assert messages[7].kind == "deleted"


def test_seconds_on_one_phone_only(tmp_path: Path) -> None:
    android = write(tmp_path / "a.txt", LINES[:1] + LINES[4:5])
    ios = write(
        tmp_path / "b.txt",
        ["[19/11/2023, 21:30:44] Nora: one", "[20/11/2023, 07:05:01] Nora: three"],
    )
    assert texts(android, ios) == ["one", "three"]


def test_different_chats_follow_each_other(tmp_path: Path) -> None:
    one = write(tmp_path / "a.txt", LINES)
    two = write(
        tmp_path / "b.txt", ["01/01/2023, 10:00 - Nora: happy", "14/01/2023, 10:00 - Ida: x"]
    )
    report = read_export([one, two]).report
    assert [(span.name, span.start, span.stop) for span in report.chats] == [
        ("a", 0, 8),
        ("b", 8, 10),
    ]


def test_same_name_without_overlap(tmp_path: Path) -> None:
    one = write(tmp_path / "WhatsApp Chat with Nora.txt", LINES[:5])
    two = write(tmp_path / "WhatsApp Chat with Nora (1).txt", LINES[6:])
    report = read_export([one, two]).report
    assert len(report.chats) == 1 and report.messages == 7


def test_chat_names() -> None:
    assert chat_name("x/WhatsApp Chat - Nora.zip/_chat.txt") == "WhatsApp Chat - Nora"
    assert chat_name("x/WhatsApp Chat with Nora (2).txt") == "WhatsApp Chat with Nora"
    assert chat_name("_chat.txt") == "_chat"
