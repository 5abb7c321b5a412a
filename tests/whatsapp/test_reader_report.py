"""What the reader says about what it did."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from asimbot_plugins.cli import main
from asimbot_plugins.errors import UserError
from asimbot_plugins.whatsapp import read_export
from asimbot_plugins.whatsapp.report import Report

CHAT = """Exported by hand

19/11/2023, 21:36 - Nora: rye
18/11/2023, 21:37 - Teo: see
[18/11, 20:01] Nora: pasted
31/02/2023, 21:40 - Nora: no such day
20/11/2023, 07:05 - Nora added Ida
20/11/2023, 07:06 - Ida: <Media omitted>
20/11/2023, 07:07 - Teo: oats <This message was edited>
20/11/2023, 07:08 - Teo: This message was deleted
20/11/2023, 07:09 - Ida: IMG-20231120-WA0000.jpg (file attached)
"""


def read(tmp_path: Path, text: str, **options: object) -> Report:
    path = tmp_path / "chat.txt"
    path.write_text(text, encoding="utf-8")
    report = read_export(path, **options).report  # type: ignore[arg-type]
    assert isinstance(report, Report)
    return report


def test_everything_is_reported(tmp_path: Path) -> None:
    report = read(tmp_path, CHAT)
    one = report.files[0]
    assert (one.platform, one.header) == ("Android", "19/11/2023, 21:36 - ")
    assert one.confidence >= 0.8
    assert (one.encoding, one.line_end, one.calendar) == ("utf-8", "LF", "Gregorian")
    assert (one.date_order, one.date_order_decided) == ("dmy", True)
    assert "19/11/2023" in one.date_order_evidence
    assert (one.unplaced.count, one.unplaced.numbers) == (1, [1])
    assert (one.lookalikes.count, one.lookalikes.numbers) == (2, [5, 6])
    assert one.back_steps == 1
    assert (one.messages, one.lines) == (7, 12)
    assert report.kinds == {"text": 3, "media": 2, "system": 1, "deleted": 1}
    assert report.senders == {"Teo": 3, "Ida": 2, "Nora": 1}
    assert (report.edited, report.attachments) == (1, 1)
    text = "\n".join(report.lines())
    for said in ("Android", "confidence", "dmy", "line 1", "lines 5, 6", "Teo 3", "media 2"):
        assert said in text
    json.dumps(report.to_dict())


def test_undecided_order_asks(tmp_path: Path) -> None:
    report = read(tmp_path, "3/4/24, 18:42 - Nora: rye\n")
    assert not report.files[0].date_order_decided and report.undecided
    assert "--date-order" in "\n".join(report.lines())


@pytest.mark.parametrize(("order", "day"), [("dmy", "2024-04-03"), ("mdy", "2024-03-04")])
def test_order_as_asked(order: str, day: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("3/4/24, 18:42 - Nora: rye\n")
    chat = read_export(path, date_order=order)  # type: ignore[arg-type]
    assert chat.messages[0].timestamp.date().isoformat() == day
    assert not chat.report.undecided


def test_evidence_late_in_a_long_file(tmp_path: Path) -> None:
    """The first 13,000 lines cannot tell the order; the last one can."""
    lines = ["3/4/24, 6:42 PM - Nora: rye and a good deal of oats"] * 13_000
    report = read(tmp_path, "\n".join([*lines, "13/4/24, 6:42 PM - Nora: rye"]))
    assert (report.files[0].date_order, report.messages) == ("dmy", 13_001)


def test_unknown_order(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not known"):
        read(tmp_path, CHAT, date_order="dym")


def test_no_year(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text(
        "Nov 19, 9:36 PM - Nora: rye\nDec 31, 9:36 PM - Nora: a\nJan 1, 7:05 AM - Teo: b\n"
    )
    os.utime(path, (1_400_000_000, 1_400_000_000))  # May 2014
    chat = read_export(path)
    assert [m.timestamp.isoformat() for m in chat.messages] == [
        "2013-11-19T21:36:00",
        "2013-12-31T21:36:00",
        "2014-01-01T07:05:00",
    ]
    assert chat.report.files[0].year_guessed
    assert "counted back" in "\n".join(chat.report.lines())


def test_command_prints_a_table(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chat.txt"
    path.write_text(CHAT, encoding="utf-8")
    assert main(["parse", str(path)]) == 0
    out, err = capfd.readouterr()
    assert "Android" in out and "text 3" in out and err == ""


def test_command_prints_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chat.txt"
    path.write_text(CHAT, encoding="utf-8")
    assert main(["parse", str(path), "--json"]) == 0
    out, err = capfd.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 7
    assert rows[0] == {
        "timestamp": "2023-11-19T21:36:00",
        "sender": "Nora",
        "text": "rye",
        "kind": "text",
        "edited": False,
        "attachment": None,
    }
    assert rows[2]["sender"] is None and rows[2]["kind"] == "system"
    assert "unplaced" in err and "Android" in err


@pytest.mark.parametrize("arguments", [["nothing.txt"], [], ["x.txt", "--date-order", "ydm"]])
def test_command_errors_are_one_line(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["parse", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
