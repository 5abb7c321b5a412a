"""Report and arena in a real browser."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from eval_browser import page
from eval_made_report import made_report, made_samples
from test_arena import lines, new_game

from asimbot_plugins.arena.server import ArenaServer
from asimbot_plugins.evaluate.report import render
from asimbot_plugins.tokens import TokenNames

pytestmark = pytest.mark.slow
PHONE = 390


@pytest.mark.parametrize(("width", "dark"), [(1100, False), (PHONE, True)])
def test_the_report_opens_without_a_word_and_fits(tmp_path: Path, width: int, dark: bool) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(made_report(), made_samples(), "Asim <b>", TokenNames()), "utf-8")
    with page(tmp_path / "profile", width, dark=dark) as tab:
        tab.goto(file.as_uri())
        assert tab.complaints == []
        assert tab.asked == [file.as_uri()]  # nothing else is loaded
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.inner_text("h1") == "Does it sound like Asim <b>?"
        assert tab.locator("svg").count() >= 5
        text = tab.inner_text("body")
        assert "<script>alert(1)</script>" in text  # shown, not run
        assert "failed" in tab.locator(".tile .fail").inner_text()
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(22, 23, 27)" if dark else "rgb(255, 255, 255)")


def test_ten_blind_rounds_and_a_ranking(tmp_path: Path) -> None:
    log = tmp_path / "arena.jsonl"
    server = ArenaServer(new_game(log, rounds=12), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with page(tmp_path / "profile", PHONE) as tab:
            tab.goto(server.url)
            for n in range(1, 11):
                tab.wait_for_selector("#left:enabled")
                tab.click("#left" if n % 2 else "#right")
                tab.wait_for_selector("#next:visible")
                records = lines(log)
                assert len(records) == n  # recorded at once
                verdict = tab.inner_text("#verdict")
                assert verdict.startswith("Right") == records[-1]["correct"]
                if n == 5:
                    tab.reload()  # nothing is lost, nothing is asked twice
                else:
                    tab.click("#next")
            tab.wait_for_selector("#left:enabled")
            right = sum(record["correct"] for record in records)
            assert f"{right} of 10 right" in tab.inner_text("#score")
            assert len({record["prompt"] for record in records}) == 10

            tab.click("#mode-rank")
            tab.wait_for_selector("#save")
            assert tab.is_disabled("#save")
            for reply, rank in ((1, 2), (2, 1), (3, 2)):
                tab.click(f'[aria-label="reply {reply}: rank {rank}"]')
            tab.click("#save")
            tab.get_by_text("Round 2 of 12").wait_for()
            assert lines(log)[-1]["ranking"] == [2, 1, 2]
            assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE
            assert tab.complaints == []
            assert all(url.startswith(server.url) or url.startswith("data:") for url in tab.asked)
        # A restart goes on where it ended.
        assert new_game(log, rounds=12).state("blind")["done"] == 10
    finally:
        server.shutdown()
        server.server_close()


def test_the_report_as_json_holds_no_text_of_the_chat() -> None:
    text = json.dumps(made_report())
    assert "alert" not in text
    assert "Asim" not in text
