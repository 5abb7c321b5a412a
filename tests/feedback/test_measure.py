"""The yardstick for judges, on judges whose quality is known by construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from asimbot_plugins.components import Judge, JudgeCase, Verdict
from asimbot_plugins.judges.evidence import Burst, Evidence, Exchange
from asimbot_plugins.judges.measure import (
    CLONE,
    NEXT,
    OTHER,
    SHUFFLED,
    TRUE,
    agreement,
    measure,
    rate_of,
    table,
    trials_of,
)
from asimbot_plugins.judges.rubric import load_rubric

START = datetime(2025, 1, 1)
HELDOUT = Evidence(
    [Exchange(f"<USR_A> q{i} <SYS>", f"own {i}", START + timedelta(i)) for i in range(40)],
    [Burst(f"words of somebody {i}", START - timedelta(hours=9 - i)) for i in range(9)],
)


class Oracle(Judge):
    """Knows the true reply by the number in the prompt; ``sign`` −1 makes it always wrong."""

    name = "oracle"
    sign = 1.0

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        return [
            Verdict(tuple(self.sign * self._score(case.prompt, r) for r in case.replies))
            for case in cases
        ]

    def _score(self, prompt: str, reply: str) -> float:
        number = prompt.split()[1].removeprefix("q")
        if reply == f"own {number}":
            return 3.0
        return 2.0 if reply.startswith("own") else 1.0


class Liar(Oracle):
    """Always wrong."""

    name = "liar"
    sign = -1.0


class Indifferent(Oracle):
    """Ties everything."""

    name = "indifferent"
    sign = 0.0


def never(statement: str) -> bool:
    raise AssertionError("a local judge asks nothing")


def test_trials_hold_one_reply_of_each_sort_and_no_shuffled_one_at_home() -> None:
    made = {CLONE: {HELDOUT.exchanges[3].prompt: "beep"}}
    trials = trials_of(HELDOUT, 100, seed=0, made=made)
    assert len(trials) == 40
    true = {trial.replies[TRUE] for trial in trials}
    for n, trial in enumerate(trials):
        assert trial.replies[TRUE] == f"own {n}"
        assert trial.replies[SHUFFLED] in true - {f"own {n}"}
        assert trial.replies[OTHER].startswith("words of somebody")
        assert (CLONE in trial.replies) == (n == 3)
    assert {trial.replies[SHUFFLED] for trial in trials} == true
    assert len(trials_of(HELDOUT, 7, seed=0)) == 7


def test_what_was_said_next_is_a_rival_only_within_the_talk() -> None:
    first, second = HELDOUT.exchanges[:2]
    later = Burst("said next", START + timedelta(minutes=3))
    heldout = Evidence([first, second], [*HELDOUT.others, later])
    one, other = trials_of(heldout, 2, seed=0)
    assert one.replies[NEXT] == "said next"
    assert NEXT not in other.replies


@pytest.mark.parametrize(("judge", "wins"), [(Oracle(), 1.0), (Liar(), 0.0), (Indifferent(), 0.5)])
def test_wins_are_those_of_the_judge(judge: Judge, wins: float) -> None:
    found = measure(judge, trials_of(HELDOUT, 40, 0), 0, never)
    for rival in (SHUFFLED, OTHER):
        rate = found.wins[rival]
        assert (rate.value, rate.low, rate.high, rate.n) == (wins, wins, wins, 40)
    assert found.tally.position_bias == 0.0
    assert found.calibration == (0, 0)


def test_calibration_needs_the_best_alone_on_top() -> None:
    judge = Indifferent()
    judge.rubric = load_rubric("style")  # type: ignore[attr-defined]
    judge.sign = 0.0
    known = len(judge.rubric.calibration)  # type: ignore[attr-defined]
    assert measure(judge, trials_of(HELDOUT, 4, 0), 0, never).calibration == (0, known)


def test_intervals_come_from_the_prompts() -> None:
    rate = rate_of([1.0] * 60 + [0.0] * 40, seed=0)
    assert rate.value == 0.6
    # The exact binomial standard error is 0.049.
    assert rate.low == pytest.approx(0.504, abs=0.015)
    assert rate.high == pytest.approx(0.696, abs=0.015)
    assert math.isnan(rate_of([], 0).value)


def test_agreement_of_judges() -> None:
    trials = trials_of(HELDOUT, 40, 0)
    oracle, liar, nobody = (measure(j, trials, 0, never) for j in (Oracle(), Liar(), Indifferent()))
    same = agreement(oracle, oracle, 0)
    assert (same["tau"]["value"], same["kappa"], same["pairs"]) == (1.0, 1.0, 120)
    opposite = agreement(oracle, liar, 0)
    assert opposite["tau"]["value"] == -1.0
    assert opposite["kappa"] == -1.0
    assert agreement(oracle, nobody, 0)["tau"]["n"] == 0


def test_the_table_has_a_line_for_each_rival_and_habit() -> None:
    found = measure(Oracle(), trials_of(HELDOUT, 40, 0), 0, never)
    lines = {row[0]: row[1] for row in table([found])}
    assert lines[f"true reply above {OTHER}"] == "100.0% (100.0% … 100.0%, n 40)"
    assert lines["same verdict in both orders"] == "100.0%"
    assert lines["the first shown wins"] == "50.0%"
    assert lines["abstentions"] == "0"
