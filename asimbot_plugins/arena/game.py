"""Rounds, answers and score. Every answer is on disk before the next round is shown."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asimbot_plugins.errors import UserError
from asimbot_plugins.evaluate.transcript import turns

if TYPE_CHECKING:
    from asimbot_plugins.tokens import TokenNames

Mode = Literal["blind", "rank"]
MODES: tuple[Mode, ...] = ("blind", "rank")


@dataclass(frozen=True)
class Round:
    """A prompt with replies, each a text with one message a line.

    In a blind round there are two, left and right, and ``real`` says which is the friend's; in
    a ranking round ``real`` is None.
    """

    mode: Mode
    prompt: str
    responses: tuple[str, ...]
    real: int | None = None

    @property
    def id(self) -> str:
        return _id(self.mode, self.prompt, self.responses)


def _id(mode: str, prompt: str, responses: Sequence[str]) -> str:
    # Sorted: which side a reply was shown on does not make another round.
    text = json.dumps([mode, prompt, sorted(responses)], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def blind_round(prompt: str, real: str, clone: str, seed: int) -> Round | None:
    """A blind round with the sides drawn at random, the same at every start; None where the two
    can't be told apart or there is nothing to show."""
    if not real.strip() or not clone.strip() or real.strip() == clone.strip():
        return None
    side = random.Random(f"{seed}:{prompt}:{clone}").randrange(2)
    return Round("blind", prompt, (real, clone) if side == 0 else (clone, real), side)


def rank_round(prompt: str, responses: Sequence[str]) -> Round | None:
    """A ranking round of the different replies among ``responses``; None if there is but one."""
    kept = tuple(dict.fromkeys(text for text in responses if text.strip()))
    return Round("rank", prompt, kept) if len(kept) > 1 else None


class Game:
    """The rounds of a recipe and the answers so far.

    ``log`` is a JSONL file that only grows; answers in it are not asked for again. Not safe for
    threads: the server holds a lock.
    """

    def __init__(self, log: Path, friend: str, tokens: TokenNames) -> None:
        self.log = log
        self.friend = friend
        self.tokens = tokens
        self.rounds: dict[Mode, dict[str, Round]] = {mode: {} for mode in MODES}
        self.finished = False
        """True once no more rounds will be added."""
        self._answers: dict[str, dict[str, Any]] = {}
        for record in _records(log):
            self._answers[_record_id(record)] = record

    def add(self, round_: Round | None) -> None:
        if round_ is not None:
            self.rounds[round_.mode][round_.id] = round_

    def state(self, mode: Mode) -> dict[str, Any]:
        """What the page shows: the next round (or None), how far, and the score."""
        open_ = [r for id_, r in self.rounds[mode].items() if id_ not in self._answers]
        done = len(self.rounds[mode]) - len(open_)
        shown = None
        if open_:
            shown = {
                "id": open_[0].id,
                "responses": [text.split("\n") for text in open_[0].responses],
                "turns": [
                    {"speaker": turn.speaker or self.friend, "messages": turn.messages,
                     "friend": turn.speaker is None}
                    for turn in turns(open_[0].prompt, self.tokens)
                ],
            }  # fmt: skip
        return {
            "mode": mode,
            "friend": self.friend,
            "round": shown,
            "done": done,
            "total": len(self.rounds[mode]),
            "more": not self.finished,
            "score": self.score(),
        }

    def score(self) -> dict[str, Any]:
        """Of all blind answers in the log: how many were right, and the 95 % interval."""
        answers = [a for a in self._answers.values() if a["mode"] == "blind"]
        right = sum(bool(a["correct"]) for a in answers)
        low, high = wilson(right, len(answers))
        return {"right": right, "n": len(answers), "low": low, "high": high}

    def answer(self, id_: str, answer: Any) -> dict[str, Any]:
        """Records an answer; returns the record. A round answered before keeps its first answer.

        ``answer`` is ``"left"`` or ``"right"``, or a list of ranks (1 best, ties equal). Raises
        UserError on anything else and on an unknown round.
        """
        round_ = next((rounds[id_] for rounds in self.rounds.values() if id_ in rounds), None)
        if round_ is None:
            raise UserError(f"there is no round {id_!r}")
        if id_ in self._answers:
            return self._answers[id_]
        time = datetime.now(UTC).isoformat(timespec="seconds")
        if round_.mode == "blind":
            if answer not in ("left", "right"):
                raise UserError("an answer is left or right")
            real = ("left", "right")[round_.real or 0]
            record = {
                "mode": "blind",
                "prompt": round_.prompt,
                "left": round_.responses[0],
                "right": round_.responses[1],
                "real": real,
                "answer": answer,
                "correct": answer == real,
                "time": time,
            }
        else:
            record = {
                "mode": "rank",
                "prompt": round_.prompt,
                "responses": list(round_.responses),
                "ranking": _ranks(answer, len(round_.responses)),
                "time": time,
            }
        _append(self.log, record)
        self._answers[id_] = record
        return record


def _ranks(answer: Any, count: int) -> list[int]:
    fits = isinstance(answer, list) and len(answer) == count
    if not fits or not all(type(rank) is int and 1 <= rank <= count for rank in answer):
        raise UserError(f"a ranking is {count} numbers from 1 (best) to {count}")
    order = sorted(set(answer))
    return [order.index(rank) + 1 for rank in answer]


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); (0, 1) without any answer."""
    if n == 0:
        return 0.0, 1.0
    z, share = 1.96, right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _records(log: Path) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    found = []
    for line in log.read_text(encoding="utf-8").split("\n"):
        try:
            record = json.loads(line)
            _record_id(record)
        except (ValueError, KeyError, TypeError):
            continue  # empty, or the half-written last line of a power cut
        found.append(record)
    return found


def _record_id(record: dict[str, Any]) -> str:
    if record["mode"] == "blind":
        responses, needed = [record["left"], record["right"]], "correct"
    else:
        responses, needed = record["responses"], "ranking"
    if needed not in record:
        raise KeyError(needed)
    return _id(record["mode"], record["prompt"], responses)


def _append(log: Path, record: dict[str, Any]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, ensure_ascii=False) + "\n"
    with log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = "\n" + line  # after a torn line
        file.write(line.encode("utf-8", "surrogatepass"))
        file.flush()
        os.fsync(file.fileno())
