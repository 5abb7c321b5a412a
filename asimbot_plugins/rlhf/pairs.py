"""Preference pairs and prompts of a recipe, parted into what is trained on and what is held out.

A prompt belongs to one side for good, in every stage: what decides about a checkpoint was
never trained on by the reward model, DPO, PPO or GRPO.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from asimbot_plugins.dataset import ensure_dataset
from asimbot_plugins.errors import UserError
from asimbot_plugins.preferences.formats import LengthReport, Pair, export, read_ranked
from asimbot_plugins.preferences.rank import RANKED

if TYPE_CHECKING:
    from asimbot_plugins.host import Host
    from asimbot_plugins.recipe import Recipe


class Split(NamedTuple):
    """Pairs by side. Texts are replies as in training, without a space in front."""

    train: list[Pair]
    heldout: list[Pair]
    lengths: LengthReport


def is_held_out(prompt: str, share: float) -> bool:
    """Whether the prompt is held out: about ``share`` of all prompts are, whatever the file."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def read_pairs(recipe: Recipe) -> Split:
    """The pairs of the recipe's ranked replies. Raises UserError where there are too few."""
    source = recipe.preferences
    if source is None:
        raise UserError(f"{recipe.path}: asimbot.preferences_recipe_path: missing key")
    path = source.output_dir / RANKED
    if not path.is_file():
        raise UserError(
            f"there are no ranked replies in {source.output_dir}",
            f"run 'asimbot preferences {source.path}' first",
        )
    options = recipe.section.rlhf
    rows, lengths = export(
        read_ranked(path),
        "dpo",
        min_margin=options.min_margin,
        balanced=options.balance_lengths,
    )
    pairs = [Pair(r["prompt"], r["chosen"].strip(), r["rejected"].strip(), None) for r in rows]
    pairs = [pair for pair in pairs if pair.chosen and pair.rejected]
    train = [pair for pair in pairs if not is_held_out(pair.prompt, options.pairs_heldout)]
    heldout = [pair for pair in pairs if is_held_out(pair.prompt, options.pairs_heldout)]
    if not train or not heldout:
        raise UserError(
            f"{len(pairs)} pair(s) in {path} are too few: {len(train)} to train on and "
            f"{len(heldout)} held out",
            f"raise asimbot.preferences.prompts in {source.path}",
        )
    return Split(train, heldout, lengths)


def prompts_of(recipe: Recipe, host: Host, held_out: bool) -> list[dict[str, Any]]:
    """Rows of the training part whose prompts are (or are not) held out, each prompt once.

    A row has at least ``prompt`` and ``reply``, the friend's own reply.
    """
    share = recipe.section.rlhf.pairs_heldout
    rows: dict[str, dict[str, Any]] = {}
    for row in ensure_dataset(recipe.sft, host).rows("train"):
        if is_held_out(row["prompt"], share) == held_out:
            rows.setdefault(row["prompt"], row)
    if not rows:
        part = "held out" if held_out else "to train on"
        raise UserError(f"no prompt of the training part is {part}", "give a longer chat")
    return list(rows.values())


def spread(rows: Sequence[Any], n: int) -> list[Any]:
    """At most ``n`` of ``rows``, evenly spread over them, order kept."""
    if len(rows) <= n:
        return list(rows)
    return [rows[i * len(rows) // n] for i in range(n)]
