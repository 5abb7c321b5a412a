"""Ranked files and what trainers take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asimbot_plugins.errors import UserError
from asimbot_plugins.preferences.formats import (
    Pair,
    export,
    length_balanced,
    length_report,
    pairs_of,
    ranks_of,
    read_ranked,
)

ROW: dict[str, Any] = {
    "prompt": "<USR_A> hi <SYS>",
    "responses": ["yo", "good day to you", "hi <SEP> lol"],
    "ranking": [1, 3, 2],
    "pairs": [[0, 1], [2, 1]],
    "scores": [4.0, 1.0, 3.5],
}


@pytest.mark.parametrize(
    ("ranking", "meaning", "ranks"),
    [
        ([1, 3, 2], "ranks", [1, 3, 2]),
        ([0.5, 2.0, 0.5], "ranks", [1, 3, 1]),
        ([2, 0, 1], "order", [2, 3, 1]),
        ([3, 1, 2], "order", [2, 3, 1]),
        ([2, [0, 1]], "order", [2, 2, 1]),
        ("C > A > B", "ranks", [2, 3, 1]),
        ("2 > 1 = 3", "ranks", [2, 1, 2]),
    ],
)
def test_rankings_are_read_however_they_are_written(
    ranking: Any, meaning: Any, ranks: list[int]
) -> None:
    assert ranks_of(ranking, 3, meaning) == ranks


@pytest.mark.parametrize("ranking", [[], [1, 2], [1, "x", 2], None, "1 > 2", "1 > 2 > 4", {}])
def test_what_is_no_ranking_is_refused(ranking: Any) -> None:
    with pytest.raises(UserError):
        ranks_of(ranking, 3)


def test_pairs_are_those_agreed_else_all_that_the_ranking_implies() -> None:
    assert [(p.chosen, p.rejected, p.margin) for p in pairs_of(ROW)] == [
        ("yo", "good day to you", 3.0),
        ("hi <SEP> lol", "good day to you", 2.5),
    ]
    plain = {key: ROW[key] for key in ("prompt", "responses")} | {"ranking": [1, 2, 2]}
    assert [(p.chosen, p.rejected, p.margin) for p in pairs_of(plain)] == [
        ("yo", "good day to you", None),
        ("yo", "hi <SEP> lol", None),
    ]


def test_dpo_rows_continue_the_prompt_as_training_rows_do() -> None:
    rows, report = export([ROW], "dpo", margin=True)
    assert rows[0] == {
        "prompt": "<USR_A> hi <SYS>",
        "chosen": " yo",
        "rejected": " good day to you",
        "margin": 3.0,
    }
    assert rows[0]["prompt"] + rows[0]["chosen"] == "<USR_A> hi <SYS> yo"
    assert report.pairs == 2
    assert export([ROW], "reward")[0][1].keys() == {"prompt", "chosen", "rejected"}
    assert len(export([ROW], "dpo", min_margin=2.6)[0]) == 1


def test_kto_labels_only_what_is_clear() -> None:
    row = {**ROW, "pairs": [[0, 1], [0, 2], [2, 1]]}
    rows, _ = export([row], "kto")
    assert {(r["completion"], r["label"]) for r in rows} == {
        (" yo", True),
        (" good day to you", False),
    }


def test_prompts_come_once() -> None:
    assert export([ROW, ROW], "grpo")[0] == [{"prompt": "<USR_A> hi <SYS>"}]
    assert export([ROW, ROW], "ppo")[0] == [{"prompt": "<USR_A> hi <SYS>"}]


def test_margins_need_scores() -> None:
    row = {key: ROW[key] for key in ("prompt", "responses", "ranking")}
    with pytest.raises(UserError, match="no scores"):
        export([row], "dpo", margin=True)


def pair(longer_by: int, n: int = 0) -> Pair:
    long, short = "x" * (5 + abs(longer_by)), "y" * 5
    return Pair(f"p{n}", *((long, short) if longer_by >= 0 else (short, long)), None)


def test_length_separability_is_reported() -> None:
    report = length_report([pair(3)] * 30 + [pair(-3)] * 10)
    assert report.longer == 0.75
    assert report.separable
    assert report.low == pytest.approx(0.598, abs=0.002)  # Wilson
    assert report.high == pytest.approx(0.858, abs=0.002)
    assert not length_report([pair(3)] * 5 + [pair(-3)] * 5).separable
    assert length_report([]).pairs == 0


@given(st.lists(st.integers(-60, 60), max_size=80))
def test_balanced_pairs_are_not_separable_by_any_threshold_on_length(gaps: list[int]) -> None:
    pairs = [pair(gap, n) for n, gap in enumerate(gaps)]
    kept = length_balanced(pairs)
    assert sum(p.difference > 0 for p in kept) == sum(p.difference < 0 for p in kept)
    assert [p for p in pairs if p in kept] == kept
    assert sum(p.difference == 0 for p in kept) == gaps.count(0)
    # Matched: on both sides the k-th smallest gaps are alike.
    up = sorted(p.difference for p in kept if p.difference > 0)
    down = sorted(-p.difference for p in kept if p.difference < 0)
    assert all(max(a, b) <= 1.25 * min(a, b) + 2 for a, b in zip(up, down, strict=True))


def test_balancing_keeps_what_it_can() -> None:
    pairs = [pair(10, 0), pair(-10, 1), pair(40, 2), pair(-11, 3), pair(11, 4)]
    assert len(length_balanced(pairs)) == 4


def test_the_seeds_layout_imports(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "output1": "x", "output2": "y", "output3": "z", "ranking": [2, 1, 3]},
        {"prompt": "b", "outputs": ["x", "y", "z"], "ranking": "[3, 1, 2]"},
        {"prompt": "c", "responses": ["x", "y", "z"], "ranking": "B > A > C"},
    ]
    path = tmp_path / "seed.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert [r["ranking"] for r in read_ranked(path)] == [[2, 1, 3], [3, 1, 2], [2, 1, 3]]
    assert [r["ranking"] for r in read_ranked(path, "order")] == [[2, 1, 3], [2, 3, 1], [2, 1, 3]]
    assert all(r["responses"] == ["x", "y", "z"] for r in read_ranked(path))
    (tmp_path / "seed.csv").write_text(
        'prompt,output_1,output_2,output_3,ranking\n"a, b",x,y,z,"[1, 2, 3]"\n', encoding="utf-8"
    )
    assert list(read_ranked(tmp_path / "seed.csv")) == [
        {"prompt": "a, b", "responses": ["x", "y", "z"], "ranking": [1, 2, 3]}
    ]


def test_rankings_of_the_arena_import(tmp_path: Path) -> None:
    rows = [
        {"mode": "blind", "prompt": "a", "left": "x", "right": "y"},
        {"mode": "rank", "prompt": "a", "responses": ["x\ny", "z"], "ranking": [2, 1]},
    ]
    path = tmp_path / "arena.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert list(read_ranked(path)) == [
        {"prompt": "a", "responses": ["x <SEP> y", "z"], "ranking": [2, 1]}
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"prompt": "a", "ranking": [1]}', "line 1 is no ranking: it has no outputs"),
        ('{"outputs": ["x", "y"], "ranking": [1, 2]}', "no key 'prompt'"),
        ('{"prompt": "a", "outputs": ["x", "y"], "ranking": [1]}', "does not rank 2"),
        ("{", "is not JSON"),
    ],
)
def test_a_file_that_is_none_is_refused_by_line(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=why.replace("[", r"\[")):
        list(read_ranked(path))
