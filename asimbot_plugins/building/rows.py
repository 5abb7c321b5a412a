"""From candidate rows to a dataset: scores, cuts, and nothing held out in training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asimbot_plugins.building.filters import Habits, Row, score_rows, sift
from asimbot_plugins.building.options import Filters
from asimbot_plugins.building.splits import Leaks
from asimbot_plugins.building.threads import Threaded
from asimbot_plugins.components import Dataset, Ledger, Reply
from asimbot_plugins.errors import UserError


@dataclass(slots=True)
class Candidate:
    """A row with where it came from: ``reply`` and ``context`` count the part's messages."""

    row: Row
    reply: Reply
    context: Sequence[int]


def finish(
    train: tuple[Threaded, list[Candidate]],
    heldout: tuple[Threaded, list[Candidate]],
    cuts: Filters,
    ledger: Ledger,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Dataset:
    """The dataset of two parts. Raises UserError, with the ledger, if one comes out empty.

    ``Dataset.scored`` has all rows with ``part``, ``scores`` and ``dropped`` (why, or None).
    """
    messages, friend = train[0].messages, train[0].friend
    habits = Habits.of(
        (m.text for m in messages if m.sender == friend),
        (m.text for m in messages if m.sender != friend),
    )
    for part, candidates in (train, heldout):
        rows = [candidate.row for candidate in candidates]
        score_rows(rows, (_texts(part, candidate.reply) for candidate in candidates), habits)
        sift(rows, (_texts(part, candidate.reply) for candidate in candidates), cuts)
    _keep_apart(train, heldout, progress)
    kept: dict[str, list[Row]] = {}
    scored: list[Row] = []
    for name, (_, candidates) in (("train", train), ("heldout", heldout)):
        kept[name] = []
        for row in (candidate.row for candidate in candidates):
            scores, dropped = row.pop("scores"), row.pop("dropped")
            scored.append({**row, "part": name, "dropped": dropped, "scores": scores})
            if dropped is None:
                kept[name].append(row)
            else:
                ledger.add(f"dropped, {name}: {dropped}")
        ledger.add(f"rows, {name}", len(kept[name]))
    for name, title in (("train", "training"), ("heldout", "held-out")):
        if not kept[name]:
            raise UserError(
                f"no reply of {friend} is left for the {title} part",
                "the ledger says why: " + json.dumps(ledger.counts, ensure_ascii=False),
            )
    return Dataset(kept["train"], kept["heldout"], ledger, scored)


def _texts(part: Threaded, reply: Reply) -> list[str]:
    return [message.text for message in part.messages[reply.start : reply.end]]


def _keep_apart(
    train: tuple[Threaded, list[Candidate]],
    heldout: tuple[Threaded, list[Candidate]],
    progress: Callable[[int, int], None],
) -> None:
    """Drops what is in both parts (see ``splits.Leaks``)."""
    part, candidates = train
    measured = [candidate for candidate in heldout[1] if candidate.row["dropped"] is None]
    leaks = Leaks([_texts(heldout[0], candidate.reply) for candidate in measured])
    leaking = leaks.scan([message.text for message in part.messages], progress)
    for candidate in candidates:
        reply = candidate.reply
        if candidate.row["dropped"] is None and (
            any(i in leaking for i in candidate.context)
            or any(i in leaking for i in range(reply.start, reply.end))
            or (reply.end - reply.start > 1 and leaks.check(_texts(part, reply)))
        ):
            candidate.row["dropped"] = "near a held-out reply"
    for i in sorted(leaks.said_in_training):
        measured[i].row["dropped"] = "said in training"
