"""Is a judge to be trusted? Measured on held-out prompts whose true reply is known.

For each prompt the judge ranks, without being told which is which, the true reply, one of the
friend's replies to another prompt, words of somebody else drawn at random and those said right
after, and where a clone was trained its reply and the base model's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asimbot_plugins.components import Judge, JudgeCase
from asimbot_plugins.errors import UserError
from asimbot_plugins.judges.evidence import Evidence
from asimbot_plugins.judges.style import shuffled
from asimbot_plugins.paths import write_json
from asimbot_plugins.preferences.rank import Ranking, Tally, askings, rank_cases
from asimbot_plugins.preferences.sampling import clone_digest

if TYPE_CHECKING:
    from asimbot_plugins.generation.sampler import Clone
    from asimbot_plugins.recipe import Recipe

TRUE = "the true reply"
OTHER = "another friend's"
NEXT = "what another said next"
SHUFFLED = "his own, shuffled"
CLONE = "the clone's"
BASE = "the base model's"
BOOTSTRAP = 2000
BATCH = 64


@dataclass(frozen=True)
class Trial:
    """One held-out prompt: replies by name; the true one is always there."""

    prompt: str
    replies: dict[str, str]

    @property
    def case(self) -> JudgeCase:
        return JudgeCase(self.prompt, tuple(self.replies.values()))


@dataclass(frozen=True)
class Rate:
    """A mean with its 95 % bootstrap interval (Efron, 1979) over ``n`` prompts."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int]:
        return {
            "value": round(self.value, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "n": self.n,
        }


@dataclass(frozen=True)
class Measurement:
    """What is known of a judge. ``wins``: how often the true reply beats each rival (ties half).

    ``calibration``: (passed, all) of the rubric's cases; ``rankings`` one a trial, for
    comparing judges.
    """

    judge: str
    version: str
    wins: dict[str, Rate]
    tally: Tally
    calibration: tuple[int, int]
    rankings: list[Ranking | None]

    def to_dict(self) -> dict[str, Any]:
        return {
            "judge": self.judge,
            "version": self.version,
            "wins": {name: rate.to_dict() for name, rate in self.wins.items()},
            "hygiene": self.tally.to_dict(),
            "calibration": {"passed": self.calibration[0], "cases": self.calibration[1]},
        }


def trials_of(
    heldout: Evidence, n: int, seed: int, made: dict[str, dict[str, str]] | None = None
) -> list[Trial]:
    """Up to ``n`` trials. ``made``: for each name of a model its reply by prompt.

    Somebody else's words come from the held-out part too. Raises UserError if that is
    too short.
    """
    import numpy as np

    if len(heldout.exchanges) < 2:
        raise UserError("the held-out part has too few replies to measure a judge")
    true = [exchange.reply for exchange in heldout.exchanges]
    wrong = shuffled(true, np.random.default_rng(seed))
    draw = random.Random(seed)
    trials = []
    for exchange, other_place in zip(heldout.exchanges, wrong, strict=True):
        replies = {TRUE: exchange.reply, SHUFFLED: other_place}
        if heldout.others:
            replies[OTHER] = draw.choice(heldout.others).text
        following = heldout.said_next(exchange)
        if following is not None:
            replies[NEXT] = following
        for name, by_prompt in (made or {}).items():
            if by_prompt.get(exchange.prompt):
                replies[name] = by_prompt[exchange.prompt]
        trials.append(Trial(exchange.prompt, replies))
    if n < len(trials):
        trials = [trials[i] for i in sorted(draw.sample(range(len(trials)), n))]
    return trials


def measure(
    judge: Judge,
    trials: Sequence[Trial],
    seed: int,
    confirm: Callable[[str], bool],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measurement:
    """Measures a prepared judge; asks ``confirm`` before it sends anything."""
    rubric = getattr(judge, "rubric", None)
    known = rubric.calibration if rubric is not None else []
    calibration = [JudgeCase(case.prompt, tuple(case.replies)) for case in known]
    cases = [trial.case for trial in trials]
    judge.announce(askings([*cases, *calibration], seed), confirm)
    tally = Tally()
    rankings: list[Ranking | None] = []
    for start in range(0, len(cases), BATCH):
        rankings += rank_cases(judge, cases[start : start + BATCH], seed, tally)
        progress(len(rankings), len(cases))
    passed = 0
    for case, ranking in zip(known, rank_cases(judge, calibration, seed, Tally()), strict=True):
        rivals = {(case.best, i) for i in range(len(case.replies)) if i != case.best}
        passed += ranking is not None and rivals <= set(ranking.pairs)
    names = list(dict.fromkeys(name for trial in trials for name in trial.replies if name != TRUE))
    wins = {name: rate_of(_outcomes(trials, rankings, name), seed) for name in names}
    return Measurement(judge.name, judge.version, wins, tally, (passed, len(known)), rankings)


def _outcomes(
    trials: Sequence[Trial], rankings: Sequence[Ranking | None], rival: str
) -> list[float]:
    """1 where the true reply beat the rival, 0 where it lost, ½ for a tie or disagreement."""
    found = []
    for trial, ranking in zip(trials, rankings, strict=True):
        if ranking is None or rival not in trial.replies:
            continue
        names = list(trial.replies)
        i, j = names.index(TRUE), names.index(rival)
        found.append(1.0 if (i, j) in ranking.pairs else 0.0 if (j, i) in ranking.pairs else 0.5)
    return found


def rate_of(values: Sequence[float], seed: int) -> Rate:
    """Mean and percentile bootstrap interval; of nothing it is nan."""
    import numpy as np

    data = np.asarray(values, dtype=float)
    if not len(data):
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    picks = np.random.default_rng(seed).integers(len(data), size=(BOOTSTRAP, len(data)))
    low, high = np.percentile(data[picks].mean(axis=1), [2.5, 97.5])
    return Rate(float(data.mean()), float(low), float(high), len(data))


def agreement(one: Measurement, other: Measurement, seed: int) -> dict[str, Any]:
    """How far two judges agree on the same trials.

    ``tau``: Kendall's tau-b (1945) of the two rankings, mean over trials in which neither ties
    all replies; ``kappa``: Cohen's kappa (1960) over all pairs of replies, each won, lost or
    tied.
    """
    from scipy.stats import kendalltau
    from sklearn.metrics import cohen_kappa_score

    taus: list[float] = []
    verdicts: tuple[list[int], list[int]] = ([], [])
    for a, b in zip(one.rankings, other.rankings, strict=True):
        if a is None or b is None:
            continue
        tau = kendalltau(a.ranks, b.ranks).statistic
        if tau == tau:  # nan where a judge ties all
            taus.append(float(tau))
        for i in range(len(a.ranks)):
            for j in range(len(a.ranks)):
                # Both ways round: which reply of a pair comes first is nobody's verdict.
                if i == j:
                    continue
                for ranking, into in zip((a, b), verdicts, strict=True):
                    into.append(((i, j) in ranking.pairs) - ((j, i) in ranking.pairs))
    kappa = float(cohen_kappa_score(*verdicts)) if len(set(verdicts[0])) > 1 else float("nan")
    return {
        "judges": [one.judge, other.judge],
        "tau": rate_of(taus, seed).to_dict(),
        "kappa": None if kappa != kappa else round(kappa, 4),
        "pairs": len(verdicts[0]) // 2,
    }


def table(measurements: Sequence[Measurement]) -> list[list[str]]:
    """Rows of text for the terminal: rival, then one cell a judge."""
    names = list(dict.fromkeys(name for m in measurements for name in m.wins))
    rows = [
        [f"true reply above {name}", *(_cell(m.wins.get(name)) for m in measurements)]
        for name in names
    ]
    rows.append(
        ["same verdict in both orders", *(f"{m.tally.agreement:.1%}" for m in measurements)]
    )
    rows.append(
        ["the first shown wins", *(f"{0.5 + m.tally.position_bias:.1%}" for m in measurements)]
    )
    rows.append(["abstentions", *(f"{m.tally.abstained}" for m in measurements)])
    rows.append(
        ["calibration cases", *(f"{m.calibration[0]} of {m.calibration[1]}" for m in measurements)]
    )
    return rows


def _cell(rate: Rate | None) -> str:
    if rate is None or not rate.n:
        return "–"
    return f"{rate.value:.1%} ({rate.low:.1%} … {rate.high:.1%}, n {rate.n})"


def model_replies(
    recipe: Recipe, load: Callable[[], Clone], prompts: Sequence[str], seed: int
) -> dict[str, dict[str, str]]:
    """The clone's and the base model's replies to ``prompts``; made once, then read.

    Kept in ``<output_dir>/judge_replies.json``. A reply is a burst, its messages one a line.
    """
    mark = [clone_digest(recipe.sft.output_dir), seed, list(prompts)]
    path = recipe.output_dir / "judge_replies.json"
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        stored = {}
    if stored.get("of") == mark:
        replies: dict[str, dict[str, str]] = stored["replies"]
        return replies
    clone = load()
    made = {CLONE: clone.replies(prompts, seed=seed)}
    with clone.as_base():
        made[BASE] = clone.replies(prompts, seed=seed)
    replies = {
        name: {p: "\n".join(r[0]) for p, r in zip(prompts, drawn, strict=True) if r[0]}
        for name, drawn in made.items()
    }
    write_json(path, {"of": mark, "replies": replies})
    return replies
