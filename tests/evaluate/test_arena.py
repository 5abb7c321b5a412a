from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asimbot_plugins.arena.game import Game, blind_round, rank_round, wilson
from asimbot_plugins.arena.server import ArenaServer
from asimbot_plugins.errors import UserError
from asimbot_plugins.tokens import TokenNames

TOKENS = TokenNames()


def new_game(log: Path, rounds: int = 3) -> Game:
    game = Game(log, "Asim", TOKENS)
    for i in range(rounds):
        game.add(blind_round(f"<USR_A> blind {i} <SYS>", f"real {i}", f"clone {i}", 1))
        game.add(rank_round(f"<USR_A> rank {i} <SYS>", ["a", "b\nb2", "c"]))
    game.finished = True
    return game


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines() if line]


def test_answers_are_on_disk_at_once_and_survive_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "arena.jsonl"
    game = new_game(log)
    first = game.state("blind")["round"]
    record = game.answer(first["id"], "left")
    assert lines(log) == [record]
    assert record["correct"] == (record["real"] == "left")
    assert record[record["real"]].startswith("real")
    again = new_game(log)
    assert again.state("blind")["round"]["id"] != first["id"]
    assert again.state("blind")["done"] == 1
    assert again.score() == game.score()


def test_a_round_keeps_its_first_answer(tmp_path: Path) -> None:
    game = new_game(tmp_path / "arena.jsonl")
    id_ = game.state("blind")["round"]["id"]
    first = game.answer(id_, "left")
    assert game.answer(id_, "right") == first
    assert len(lines(game.log)) == 1


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    log = tmp_path / "arena.jsonl"
    game = new_game(log)
    game.answer(game.state("blind")["round"]["id"], "left")
    with log.open("a") as file:
        file.write('{"mode": "bli')
    game = new_game(log)
    assert game.state("blind")["done"] == 1
    game.answer(game.state("blind")["round"]["id"], "right")
    assert new_game(log).state("blind")["done"] == 2


def test_a_ranking_is_the_preference_record(tmp_path: Path) -> None:
    game = new_game(tmp_path / "arena.jsonl")
    id_ = game.state("rank")["round"]["id"]
    record = game.answer(id_, [3, 1, 3])
    assert {k: record[k] for k in ("mode", "prompt", "responses", "ranking")} == {
        "mode": "rank",
        "prompt": "<USR_A> rank 0 <SYS>",
        "responses": ["a", "b\nb2", "c"],
        "ranking": [2, 1, 2],
    }
    assert "time" in record


@pytest.mark.parametrize("bad", ["middle", [1, 2], [0, 1, 2], [1, 2, True], None])
def test_nonsense_is_refused_and_not_written(tmp_path: Path, bad: Any) -> None:
    game = new_game(tmp_path / "arena.jsonl")
    with pytest.raises(UserError):
        game.answer(game.state("rank")["round"]["id"], bad)
    with pytest.raises(UserError):
        game.answer(game.state("blind")["round"]["id"], bad)
    assert not game.log.exists()


def test_the_real_reply_is_on_either_side_and_never_told_before(tmp_path: Path) -> None:
    rounds = [blind_round(f"p{i}", f"real {i}", f"clone {i}", 1) for i in range(200)]
    left = sum(r is not None and r.real == 0 for r in rounds)
    assert 70 < left < 130
    assert rounds == [blind_round(f"p{i}", f"real {i}", f"clone {i}", 1) for i in range(200)]
    assert "real" not in new_game(tmp_path / "a.jsonl").state("blind")["round"]


def test_rounds_that_show_nothing_are_left_out() -> None:
    assert blind_round("p", "same", " same ", 1) is None
    assert blind_round("p", "real", "", 1) is None
    assert rank_round("p", ["a", "a", ""]) is None


def test_interval_of_the_score() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    # Newcombe (1998), table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArenaServer]:
    made = ArenaServer(new_game(tmp_path / "arena.jsonl"), 0)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def call(server: ArenaServer, path: str, body: Any = None, **headers: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    sent = {
        "Content-Type": "application/json",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    request = urllib.request.Request(server.url + path, data, sent)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def test_the_server_listens_on_loopback_alone(server: ArenaServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_round_over_http(server: ArenaServer) -> None:
    state = call(server, "next?mode=blind")
    result = call(server, "answer", {"id": state["round"]["id"], "answer": "left"})
    assert result["score"]["n"] == 1
    assert result["correct"] == (result["real"] == "left")
    assert call(server, "next?mode=blind")["done"] == 1


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("next", None, {"Host": "evil.example"}, 403),
        ("answer", {"id": "x", "answer": "left"}, {"Content_Type": "text/plain"}, 403),
        ("answer", {"id": "x", "answer": "left"}, {}, 400),
        ("answer", [1], {}, 400),
        ("next?mode=x", None, {}, 400),
        ("etc/passwd", None, {}, 404),
    ],
)
def test_what_the_server_refuses(
    server: ArenaServer, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        call(server, path, body, **headers)
    assert error.value.code == status
    assert not server.game.log.exists()
