"""Judge hygiene: every case is asked twice, in two orders, and only agreement counts.

The first order is random, the second its reverse: every two replies swap places, so a judge
that likes what comes first contradicts itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from asimbot_plugins.components import Judge, JudgeCase, Verdict
from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import read_jsonl, write_json, write_jsonl
from asimbot_plugins.tokens import TokenNames, split_reply

RANKED = "ranked.jsonl"
REPORT = "ranked.json"
BATCH = 64
"""Cases judged before their rankings are written."""


@dataclass
class Tally:
    """What came of asking twice. Pairs are pairs of replies of one case.

    ``agreed``: both askings prefer the same one. ``tied``: both call them equal. ``split``:
    anything else. ``first`` and ``second`` count, over both askings, how often the reply
    shown earlier or later was preferred.
    """

    cases: int = 0
    abstained: int = 0
    pairs: int = 0
    agreed: int = 0
    tied: int = 0
    split: int = 0
    first: int = 0
    second: int = 0

    @property
    def agreement(self) -> float:
        """Share of pairs on which both askings say the same; 1.0 of none."""
        return (self.agreed + self.tied) / self.pairs if self.pairs else 1.0

    @property
    def position_bias(self) -> float:
        """How much oftener than half the reply shown earlier wins: −0.5 … 0.5, 0 is fair."""
        decided = self.first + self.second
        return self.first / decided - 0.5 if decided else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "agreement": round(self.agreement, 4),
            "position_bias": round(self.position_bias, 4),
        }


@dataclass(frozen=True)
class Ranking:
    """One case after both askings. ``pairs`` are [better, worse] places; ranks start at 1."""

    pairs: list[tuple[int, int]]
    ranks: list[int]
    scores: list[float]
    reason: str


def two_orders(case: JudgeCase, seed: int) -> tuple[list[int], list[int]]:
    """A random order of the replies' places and its reverse; the same for the same case."""
    order = list(range(len(case.replies)))
    random.Random(f"{seed}\0{case.prompt}\0{case.replies}").shuffle(order)
    return order, order[::-1]


def askings(cases: Sequence[JudgeCase], seed: int) -> list[JudgeCase]:
    """What the judge is asked: two cases for each."""
    return [
        JudgeCase(case.prompt, tuple(case.replies[i] for i in order))
        for case in cases
        for order in two_orders(case, seed)
    ]


def rank_cases(
    judge: Judge, cases: Sequence[JudgeCase], seed: int, tally: Tally
) -> list[Ranking | None]:
    """Asks twice and keeps what agrees; None where the judge abstained in either asking."""
    verdicts = judge.judge(askings(cases, seed))
    if len(verdicts) != 2 * len(cases):
        raise UserError(
            f"the judge {judge.name!r} gave {len(verdicts)} verdicts for {2 * len(cases)} cases",
            "that is a defect of the judge's plugin",
        )
    return [
        combine(case, verdicts[2 * i], verdicts[2 * i + 1], seed, tally)
        for i, case in enumerate(cases)
    ]


def combine(
    case: JudgeCase, one: Verdict, other: Verdict, seed: int, tally: Tally
) -> Ranking | None:
    """The ranking that two verdicts on ``two_orders`` of a case have in common."""
    tally.cases += 1
    n = len(case.replies)
    if one.scores is None or other.scores is None:
        tally.abstained += 1
        return None
    orders = two_orders(case, seed)
    scores = []
    for order, verdict in zip(orders, (one, other), strict=True):
        given = verdict.scores or ()
        if len(given) != n:
            raise UserError(f"a judge gave {len(given)} scores for {n} replies")
        scores.append([given[order.index(i)] for i in range(n)])
        for a, b in combinations(range(n), 2):  # a is shown before b
            tally.first += given[a] > given[b]
            tally.second += given[a] < given[b]
    pairs = []
    for i, j in combinations(range(n), 2):
        tally.pairs += 1
        says = {(s[i] > s[j]) - (s[i] < s[j]) for s in scores}
        if says == {0}:
            tally.tied += 1
        elif len(says) == 1:
            tally.agreed += 1
            pairs.append((i, j) if says == {1} else (j, i))
        else:
            tally.split += 1
    net = [sum((i == a) - (i == b) for a, b in pairs) for i in range(n)]
    return Ranking(
        pairs,
        [1 + sum(other_net > own for other_net in net) for own in net],
        [(a + b) / 2 for a, b in zip(*scores, strict=True)],
        _reason(orders[0], one.reason),
    )


def _reason(order: Sequence[int], reason: str) -> str:
    # The judge speaks of the replies in the order in which it saw them.
    return f"(shown as {list(order)}) {reason}" if reason else ""


def case_of(row: dict[str, Any], tokens: TokenNames) -> JudgeCase:
    """A row of candidates as a judge sees it: messages of a burst one a line."""
    replies = ("\n".join(split_reply(text, tokens)) for text in row["responses"])
    return JudgeCase(row["prompt"], tuple(replies))


def rank_file(
    candidates: Path,
    folder: Path,
    judge: Judge,
    tokens: TokenNames,
    seed: int,
    confirm: Callable[[str], bool],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tally:
    """Ranks ``candidates`` into ``folder/ranked.jsonl``; the judge must be prepared.

    Rows on which the judge abstains are left out and counted. Raises UserError where the user
    does not agree to what the judge would send.
    """
    rows = list(read_jsonl(candidates))
    if not rows:
        raise UserError(f"{candidates} holds no candidates", "train the clone for longer")
    judge.announce(askings([case_of(row, tokens) for row in rows], seed), confirm)
    tally = Tally()
    write_jsonl(folder / RANKED, _ranked(rows, judge, tokens, seed, tally, progress))
    write_json(folder / REPORT, {"judge": judge.name, "version": judge.version, **tally.to_dict()})
    return tally


def _ranked(
    rows: list[dict[str, Any]],
    judge: Judge,
    tokens: TokenNames,
    seed: int,
    tally: Tally,
    progress: Callable[[int, int], None],
) -> Iterator[dict[str, Any]]:
    for start in range(0, len(rows), BATCH):
        chunk = rows[start : start + BATCH]
        cases = [case_of(row, tokens) for row in chunk]
        for row, ranking in zip(chunk, rank_cases(judge, cases, seed, tally), strict=True):
            if ranking is not None:
                yield {
                    "prompt": row["prompt"],
                    "responses": row["responses"],
                    "ranking": ranking.ranks,
                    "pairs": [list(pair) for pair in ranking.pairs],
                    "judge": judge.name,
                    "version": judge.version,
                    "scores": [round(score, 4) for score in ranking.scores],
                    "reason": ranking.reason,
                }
        progress(start + len(chunk), len(rows))
