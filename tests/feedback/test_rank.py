"""Asking twice, on judges whose answers are known by construction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from asimbot_plugins.components import Judge, JudgeCase, Verdict
from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import read_jsonl, write_jsonl
from asimbot_plugins.preferences.rank import (
    Tally,
    askings,
    combine,
    rank_cases,
    rank_file,
    two_orders,
)
from asimbot_plugins.tokens import TokenNames


class Longest(Judge):
    """Likes long replies."""

    name = "longest"
    version = "7"

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        return [Verdict(tuple(float(len(r)) for r in case.replies), "length") for case in cases]


class First(Judge):
    """Likes whatever comes first."""

    name = "first"

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        return [Verdict(tuple(-float(i) for i in range(len(c.replies)))) for c in cases]


class Shy(Judge):
    """Abstains where a reply is about Gerald."""

    name = "shy"

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        return [
            Verdict(None if any("gerald" in r for r in c.replies) else (1.0,) * len(c.replies))
            for c in cases
        ]


CASE = JudgeCase("<USR_A> hi <SYS>", ("aa", "a", "aaaa", "aa"))


def test_the_second_order_is_the_first_reversed_and_both_differ_from_case_to_case() -> None:
    first, second = two_orders(CASE, 0)
    assert second == first[::-1]
    assert sorted(first) == [0, 1, 2, 3]
    assert two_orders(CASE, 0) == (first, second)
    orders = {tuple(two_orders(JudgeCase(f"{i}", CASE.replies), 0)[0]) for i in range(60)}
    assert len(orders) > 10


def test_the_judge_sees_the_shuffled_replies() -> None:
    first, second = two_orders(CASE, 3)
    assert askings([CASE], 3) == [
        JudgeCase(CASE.prompt, tuple(CASE.replies[i] for i in order)) for order in (first, second)
    ]


def test_scores_return_to_their_places_and_ties_make_no_pair() -> None:
    tally = Tally()
    (ranking,) = rank_cases(Longest(), [CASE], 0, tally)
    assert ranking is not None
    assert ranking.scores == [2.0, 1.0, 4.0, 2.0]
    assert ranking.ranks == [2, 4, 1, 2]
    assert sorted(ranking.pairs) == [(0, 1), (2, 0), (2, 1), (2, 3), (3, 1)]
    assert (tally.pairs, tally.agreed, tally.tied, tally.split) == (6, 5, 1, 0)
    assert tally.agreement == 1.0
    assert tally.position_bias == 0.0


def test_a_judge_that_likes_the_first_contradicts_itself() -> None:
    tally = Tally()
    (ranking,) = rank_cases(First(), [CASE], 0, tally)
    assert ranking is not None
    assert ranking.pairs == []
    assert ranking.ranks == [1, 1, 1, 1]
    assert (tally.agreed, tally.split) == (0, 6)
    assert tally.agreement == 0.0
    assert tally.position_bias == 0.5


def test_only_what_both_orders_say_is_kept() -> None:
    case = JudgeCase("p", ("a", "b", "c"))
    first, second = two_orders(case, 0)
    by_place = {0: 3.0, 1: 2.0, 2: 1.0}
    other = {0: 3.0, 1: 1.0, 2: 2.0}  # b and c the other way round
    tally = Tally()
    ranking = combine(
        case,
        Verdict(tuple(by_place[i] for i in first)),
        Verdict(tuple(other[i] for i in second)),
        0,
        tally,
    )
    assert ranking is not None
    assert sorted(ranking.pairs) == [(0, 1), (0, 2)]
    assert ranking.ranks == [1, 2, 2]
    assert ranking.scores == [3.0, 1.5, 1.5]
    assert (tally.agreed, tally.split) == (2, 1)


def test_a_file_is_ranked_and_abstentions_are_counted(tmp_path: Path) -> None:
    rows = [
        {"prompt": "<USR_A> a <SYS>", "responses": ["one", "three <SEP> four"]},
        {"prompt": "<USR_A> b <SYS>", "responses": ["gerald", "x"]},
    ]
    write_jsonl(tmp_path / "c.jsonl", rows)
    tokens = TokenNames()
    rank_file(tmp_path / "c.jsonl", tmp_path, Longest(), tokens, 0, lambda s: False)
    first, second = read_jsonl(tmp_path / "ranked.jsonl")
    assert first["responses"] == rows[0]["responses"]
    assert (first["ranking"], first["pairs"], first["scores"]) == ([2, 1], [[1, 0]], [3.0, 10.0])
    assert (first["judge"], first["version"]) == ("longest", "7")
    assert second["ranking"] == [1, 2]
    tally = rank_file(tmp_path / "c.jsonl", tmp_path, Shy(), tokens, 0, lambda s: False)
    assert (tally.cases, tally.abstained) == (2, 1)
    assert [row["ranking"] for row in read_jsonl(tmp_path / "ranked.jsonl")] == [[1, 1]]
    assert json.loads((tmp_path / "ranked.json").read_text())["abstained"] == 1


def test_a_judge_that_miscounts_is_named() -> None:
    class Broken(Longest):
        def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
            return super().judge(cases)[1:]

    with pytest.raises(UserError, match="'longest' gave 1 verdicts for 2 cases"):
        rank_cases(Broken(), [CASE], 0, Tally())
