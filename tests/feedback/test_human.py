"""People's rankings as a judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from asimbot_plugins.components import JudgeCase, Verdict
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.paths import write_jsonl
from asimbot_plugins.recipe import Recipe, recipe_from


@pytest.fixture
def recipe(tmp_path: Path, small_chat: Path) -> Recipe:
    block = {"chat_path": str(small_chat), "friend_path": "Asim"}
    data = {"asimbot": block, "base_model": "none", "output_dir": str(tmp_path / "out")}
    return recipe_from(data, tmp_path / "recipe.yml")


def test_rankings_of_the_arena_are_repeated(recipe: Recipe) -> None:
    rank = {"mode": "rank", "prompt": "<USR_A> hi <SYS>", "time": "2025-01-01T00:00:00"}
    write_jsonl(
        recipe.output_dir / "arena.jsonl",
        [
            {"mode": "tell", "prompt": "<USR_A> hi <SYS>", "answer": 1},
            {**rank, "responses": ["a <SEP> b", "c", "d"], "ranking": [1, 2, 2]},
            {**rank, "responses": ["c", "d"], "ranking": [2, 1]},
        ],
    )
    with (recipe.output_dir / "arena.jsonl").open("a") as file:
        file.write('{"mode": "rank", "prom')
    judge = load_host().make("judge", "human")
    judge.prepare(recipe)
    cases = [
        JudgeCase("<USR_A> hi <SYS>", ("d", "a\nb", "c")),
        JudgeCase("<USR_A> hi <SYS>", ("d", "unseen")),
        JudgeCase("<USR_A> other <SYS>", ("d", "c")),
    ]
    assert judge.judge(cases) == [
        Verdict((0.0, 2.0, -2.0), "people"),
        Verdict(None, "nobody ranked these"),
        Verdict(None, "nobody ranked these"),
    ]
    assert judge.version == "2 rankings"


def test_without_rankings_it_says_where_to_make_some(recipe: Recipe) -> None:
    with pytest.raises(UserError, match=r"no ranking in .*arena\.jsonl: run 'asimbot arena"):
        load_host().make("judge", "human").prepare(recipe)
