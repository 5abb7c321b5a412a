"""The rankings that people gave in ``asimbot arena``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from asimbot_plugins.components import Judge, JudgeCase, Verdict
from asimbot_plugins.errors import UserError
from asimbot_plugins.preferences.formats import ranks_of

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe

RECORDS = "arena.jsonl"


class HumanJudge(Judge):
    """People: repeats what ``asimbot arena`` recorded, abstains on what nobody ranked."""

    name: ClassVar[str] = "human"

    def prepare(self, recipe: Recipe) -> None:
        """Reads the records beside this recipe's output and its SFT clone's."""
        self._separator = recipe.section.tokens.separator
        folders = dict.fromkeys([recipe.output_dir, recipe.sft.output_dir])
        self._wins: dict[tuple[str, str, str], int] = {}
        found = 0
        for folder in folders:
            path = folder / RECORDS
            for row in _records(path):
                if row.get("mode") == "rank":
                    found += 1
                    self._count(row["prompt"], row["responses"], row["ranking"])
        if not found:
            places = " or ".join(str(folder / RECORDS) for folder in folders)
            raise UserError(
                f"nobody has ranked replies yet: there is no ranking in {places}",
                f"run 'asimbot arena {recipe.sft.path}' and rank some",
            )
        self.version = f"{found} rankings"

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """A reply's score is how many pairs with the others it won, minus those it lost."""
        verdicts = []
        for case in cases:
            replies = [self._plain(reply) for reply in case.replies]
            known = [
                [self._wins.get((self._plain(case.prompt), a, b)) for b in replies if b != a]
                for a in replies
            ]
            if any(won is None for row in known for won in row):
                verdicts.append(Verdict(None, "nobody ranked these"))
            else:
                sums = tuple(float(sum(won or 0 for won in row)) for row in known)
                verdicts.append(Verdict(sums, "people"))
        return verdicts

    def _count(self, prompt: str, responses: Sequence[str], ranking: Sequence[object]) -> None:
        ranks = ranks_of(ranking, len(responses))
        for i, a in enumerate(responses):
            for j, b in enumerate(responses):
                if i != j:
                    key = (self._plain(prompt), self._plain(a), self._plain(b))
                    won = (ranks[i] < ranks[j]) - (ranks[i] > ranks[j])
                    self._wins[key] = self._wins.get(key, 0) + won

    def _plain(self, text: str) -> str:
        # Records and cases meet by this, however the messages of a burst are parted.
        return " ".join(text.replace(self._separator, " ").split())


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Whole records; a line that a killed arena left half-written is passed over."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError):
            yield json.loads(line)
