"""Makes the rounds: held-out prompts for the blind test, training prompts for ranking.

Rankings become training data, so they must not touch the held-out part. Replies are kept in a
file: a restart shows the same rounds at once.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from asimbot_plugins.arena.game import Game, Mode, Round, blind_round, rank_round
from asimbot_plugins.evaluate.transcript import joined
from asimbot_plugins.tokens import split_reply

if TYPE_CHECKING:
    from pathlib import Path

    from asimbot_plugins.generation.sampler import Clone
    from asimbot_plugins.recipe import Recipe

_TOGETHER = 4  # prompts answered between two additions: the first rounds come soon


def fill(
    game: Game,
    recipe: Recipe,
    rows: dict[Mode, Sequence[dict[str, Any]]],
    make_clone: Callable[[], Clone],
    *,
    rounds: int,
    responses: int,
    locked: Any,
) -> None:
    """Adds up to ``rounds`` rounds of each mode to the game, from the file or newly drawn.

    ``rows`` are dataset rows to draw prompts from. The clone is loaded only if a reply is
    missing. ``locked`` is the lock that guards the game.
    """
    kept = _Kept(recipe)
    clone: Clone | None = None
    for mode, count in (("blind", 1), ("rank", responses)):
        chosen = _choose(rows[mode], rounds, recipe.seed)  # type: ignore[index]
        missing = []
        for row in chosen:
            known = kept.find(mode, row["prompt"], count)
            if known is None:
                missing.append(row)
            else:
                with locked:
                    game.add(_round(mode, row, known, recipe))
        for start in range(0, len(missing), _TOGETHER):
            if clone is None:
                clone = make_clone()
            part = missing[start : start + _TOGETHER]
            made = clone.replies(
                [row["prompt"] for row in part], count, seed=recipe.seed + start, batch_size=16
            )
            for row, bursts in zip(part, made, strict=True):
                texts = [joined(burst) for burst in bursts]
                kept.add(mode, row["prompt"], count, texts)
                with locked:
                    game.add(_round(mode, row, texts, recipe))
    with locked:
        game.finished = True


def _choose(rows: Sequence[dict[str, Any]], count: int, seed: int) -> list[dict[str, Any]]:
    return random.Random(seed).sample(list(rows), min(count, len(rows)))


def _round(mode: str, row: dict[str, Any], texts: list[str], recipe: Recipe) -> Round | None:
    if mode == "rank":
        return rank_round(row["prompt"], texts)
    real = joined(split_reply(row["reply"], recipe.section.tokens))
    return blind_round(row["prompt"], real, texts[0], recipe.seed)


class _Kept:
    """Replies drawn before, by this very clone."""

    def __init__(self, recipe: Recipe) -> None:
        self._path: Path = recipe.output_dir / "arena-replies.jsonl"
        self._clone = _weights_digest(recipe.output_dir)
        self._known: dict[tuple[str, str, int], list[str]] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    if entry["clone"] == self._clone:
                        key = (entry["mode"], entry["prompt"], entry["count"])
                        self._known[key] = entry["responses"]
                except (ValueError, KeyError):
                    continue  # the half-written last line of a killed run

    def find(self, mode: str, prompt: str, count: int) -> list[str] | None:
        return self._known.get((mode, prompt, count))

    def add(self, mode: str, prompt: str, count: int, responses: list[str]) -> None:
        entry = {
            "clone": self._clone,
            "mode": mode,
            "prompt": prompt,
            "count": count,
            "responses": responses,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _weights_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
