"""The ranked file and what is made from it for TRL.

A ranked row: ``prompt`` (``… <SYS>``), ``responses`` (as in training, a burst joined by
``<SEP>``), ``ranking`` (one rank a response, 1 is best, equal ranks are a tie), ``pairs``
([better, worse] places both askings agree on; what exporters use), ``judge``, ``version`` (of
its rubric), ``scores`` (one a response or null) and ``reason``.

Completions start with a space, so that ``prompt + completion`` is exactly a training row.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import read_jsonl

Target = Literal["dpo", "reward", "ppo", "grpo", "kto"]
Meaning = Literal["ranks", "order"]


class Pair(NamedTuple):
    """A preference; ``margin`` is the difference of the judge's scores, None without scores."""

    prompt: str
    chosen: str
    rejected: str
    margin: float | None

    @property
    def difference(self) -> int:
        """Characters by which the chosen reply is longer."""
        return len(self.chosen) - len(self.rejected)


@dataclass(frozen=True)
class LengthReport:
    """How well length alone tells chosen from rejected.

    ``longer`` is the share of pairs whose chosen reply is the longer one (equal lengths count
    half), ``low`` and ``high`` its 95 % interval (Wilson, 1927). 0.5 is inseparable.
    """

    pairs: int
    longer: float
    low: float
    high: float

    @property
    def separable(self) -> bool:
        """Whether the interval leaves out one half."""
        return not self.low <= 0.5 <= self.high


def ranks_of(ranking: Any, n: int, meaning: Meaning = "ranks") -> list[int]:
    """One rank a response, 1 is best.

    ``meaning="ranks"``: one number a response, lower is better, equal ones a tie.
    ``meaning="order"``: the places of the responses best first, counted from 0 or from 1; a
    list inside holds a tie; or text such as ``"2 > 1 = 3"``. Raises UserError if it is neither.
    """
    if isinstance(ranking, str):
        meaning = "order"
        groups: list[list[int]] = [
            [_place(name) for name in re.split(r"[=,~]", group)] for group in ranking.split(">")
        ]
    elif not isinstance(ranking, list) or not ranking:
        raise _bad(ranking, n)
    elif meaning == "ranks":
        if len(ranking) != n or not all(_is_number(rank) for rank in ranking):
            raise _bad(ranking, n)
        return [1 + sum(r < rank for r in ranking) for rank in ranking]
    else:
        groups = [item if isinstance(item, list) else [item] for item in ranking]
    flat = [place for group in groups for place in group]
    if not all(isinstance(place, int) for place in flat):
        raise _bad(ranking, n)
    first = min(flat, default=0)
    if first not in (0, 1) or sorted(flat) != list(range(first, first + n)):
        raise _bad(ranking, n)
    ranks = [0] * n
    before = 0
    for group in groups:
        for place in group:
            ranks[place - first] = before + 1
        before += len(group)
    return ranks


def pairs_of(row: dict[str, Any]) -> Iterator[Pair]:
    """The preferences of a ranked row: its ``pairs``, else all that its ranking implies."""
    responses = row["responses"]
    places = row.get("pairs")
    if places is None:
        ranks = ranks_of(row["ranking"], len(responses))
        n = len(ranks)
        places = [(i, j) for i in range(n) for j in range(n) if ranks[i] < ranks[j]]
    scores = row.get("scores")
    for better, worse in places:
        if responses[better] != responses[worse]:
            margin = None if scores is None else scores[better] - scores[worse]
            yield Pair(row["prompt"], responses[better], responses[worse], margin)


def length_report(pairs: Sequence[Pair]) -> LengthReport:
    """Separability by length of ``pairs``; of none it is 0.5."""
    n = len(pairs)
    if not n:
        return LengthReport(0, 0.5, 0.0, 1.0)
    share = sum(0.5 if p.difference == 0 else float(p.difference > 0) for p in pairs) / n
    z = 1.96
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return LengthReport(n, share, centre - half, centre + half)


def length_balanced(pairs: Sequence[Pair]) -> list[Pair]:
    """As many pairs where the longer reply won as where the shorter did, order kept.

    They are matched by how much the lengths differ, so that no threshold on the difference
    separates them either; pairs of equal length stay, unmatched ones go.
    """
    by_gap = sorted(range(len(pairs)), key=lambda i: _gap(pairs[i]))
    longer = [i for i in by_gap if pairs[i].difference > 0]
    shorter = [i for i in by_gap if pairs[i].difference < 0]
    kept = {i for i, p in enumerate(pairs) if p.difference == 0}
    a = b = 0
    while a < len(longer) and b < len(shorter):
        x, y = _gap(pairs[longer[a]]), _gap(pairs[shorter[b]])
        if max(x, y) <= 1.25 * min(x, y) + 2:
            kept |= {longer[a], shorter[b]}
            a, b = a + 1, b + 1
        elif x < y:
            a += 1
        else:
            b += 1
    return [pair for i, pair in enumerate(pairs) if i in kept]


def export(
    rows: Iterable[dict[str, Any]],
    target: Target,
    *,
    margin: bool = False,
    min_margin: float = 0.0,
    balanced: bool = False,
) -> tuple[list[dict[str, Any]], LengthReport]:
    """Rows for a trainer, and the length report of the pairs that they are made from.

    ``dpo`` and ``reward``: ``prompt``, ``chosen``, ``rejected`` and with ``margin`` the
    difference of the scores. ``kto``: ``prompt``, ``completion``, ``label``; true for replies
    that win every pair they are in, false for those that lose every one. ``ppo`` and ``grpo``:
    ``prompt``, each once. Pairs whose margin is below ``min_margin`` are left out.
    """
    rows = list(rows)
    if target in ("ppo", "grpo"):
        prompts = dict.fromkeys(row["prompt"] for row in rows)
        return [{"prompt": prompt} for prompt in prompts], length_report([])
    pairs = [
        pair
        for row in rows
        for pair in pairs_of(row)
        if pair.margin is None or pair.margin >= min_margin
    ]
    pairs = list(dict.fromkeys(pairs))
    if balanced:
        pairs = length_balanced(pairs)
    report = length_report(pairs)
    if target == "kto":
        return list(_kto(pairs)), report
    made = []
    for pair in pairs:
        row = {"prompt": pair.prompt, "chosen": f" {pair.chosen}", "rejected": f" {pair.rejected}"}
        if margin:
            if pair.margin is None:
                raise UserError(
                    "these rankings have no scores, so there is no margin", "leave out --margin"
                )
            row["margin"] = pair.margin  # type: ignore[assignment]
        made.append(row)
    return made, report


def read_ranked(
    path: Path, meaning: Meaning = "ranks", separator: str = "<SEP>"
) -> Iterator[dict[str, Any]]:
    """Rows of a ranked file: ours, or the seed's layout (prompt, three outputs, ranking).

    The outputs are a list (``responses``, ``outputs``, ``completions`` or ``candidates``) or
    numbered keys (``output1``, ``response_2``, …); CSV works too. Of the arena's records the
    rankings are taken, their bursts joined by ``separator``. Raises UserError with the line of
    what does not fit.
    """
    for number, raw in enumerate(_raw_rows(path), 2 if path.suffix == ".csv" else 1):
        if raw.get("mode") == "blind":
            continue
        try:
            responses = _responses(raw)
            if raw.get("mode") == "rank":
                responses = [text.replace("\n", f" {separator} ") for text in responses]
            prompt, ranking = raw["prompt"], raw["ranking"]
            if isinstance(ranking, str) and ranking.lstrip().startswith("["):
                ranking = json.loads(ranking)
            ranks = ranks_of(ranking, len(responses), meaning)
        except (KeyError, ValueError, UserError) as error:
            what = f"no key {error}" if isinstance(error, KeyError) else str(error)
            raise UserError(
                f"{path}, line {number} is no ranking: {what}",
                "it takes 'prompt', the outputs and 'ranking'",
            ) from None
        row = {"prompt": prompt, "responses": responses, "ranking": ranks}
        extra = ("pairs", "judge", "version", "scores", "reason")
        yield row | {key: raw[key] for key in extra if raw.get(key) is not None}


def _kto(pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    won = {(pair.prompt, pair.chosen) for pair in pairs}
    lost = {(pair.prompt, pair.rejected) for pair in pairs}
    for prompt, reply in dict.fromkeys(
        (pair.prompt, text) for pair in pairs for text in (pair.chosen, pair.rejected)
    ):
        both = (prompt, reply) in won and (prompt, reply) in lost
        if not both:
            yield {"prompt": prompt, "completion": f" {reply}", "label": (prompt, reply) in won}


def _raw_rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    if path.suffix == ".csv":
        import csv

        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
        return
    try:
        if path.suffix == ".json":
            yield from json.loads(path.read_text(encoding="utf-8"))
        else:
            yield from read_jsonl(path)
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from None


def _responses(raw: dict[str, Any]) -> list[str]:
    for key in ("responses", "outputs", "completions", "candidates"):
        if isinstance(raw.get(key), list):
            return [str(text) for text in raw[key]]
    numbered = {
        int(found[1]): str(text)
        for key, text in raw.items()
        if (found := re.fullmatch(r"(?:output|response|completion|reply)[ _-]?(\d+)", str(key)))
    }
    if len(numbered) < 2:
        raise ValueError("it has no outputs")
    return [numbered[i] for i in sorted(numbered)]


def _place(name: str) -> int:
    name = name.strip()
    if re.fullmatch(r"[A-Za-z]", name):
        return ord(name.upper()) - ord("A")
    if not name.isdecimal():
        raise UserError(f"{name!r} is no place in a ranking")
    return int(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _gap(pair: Pair) -> int:
    return abs(pair.difference)


def _bad(ranking: Any, n: int) -> UserError:
    return UserError(f"{ranking!r} does not rank {n} responses")
