"""What every later stage starts from: the SFT clone, merged once.

Each stage trains a fresh LoRA over it, so the reference policy is the same model with the
adapter off and no second copy is in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import write_json
from asimbot_plugins.preferences.sampling import clone_digest
from asimbot_plugins.rlhf.options import STAGES
from asimbot_plugins.sft.vocabulary import prepare

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe

Say = Callable[[str], None]
ORIGIN = "origin.json"
"""File beside a merged clone, and beside an adapter over one: the digest of the SFT adapter."""


def source_of(recipe: Recipe, say: Say = lambda _: None) -> Path:
    """The model folder that the recipe's adapter belongs to.

    For stage ``sft`` the prepared base, for the stages after it the merged SFT clone. Raises
    UserError where the adapter was trained over another clone than the one there is now.
    """
    if recipe.stage not in STAGES:
        return prepare(recipe, say)
    folder = merged_clone(recipe.sft, say)
    trained_over = read_origin(recipe.output_dir)
    if trained_over is not None and trained_over != read_origin(folder):
        raise UserError(
            f"{recipe.output_dir} was trained over another clone than {recipe.sft.output_dir} has",
            f"the SFT clone was trained anew since: run 'asimbot train {recipe.path}' again",
        )
    return folder


def merged_clone(sft: Recipe, say: Say = lambda _: None) -> Path:
    """``<output_dir>/merged`` of an SFT recipe, merged now if it is missing or out of date.

    Safe to call from several processes. Raises UserError if there is no clone yet.
    """
    from asimbot_plugins.sft.merge import merge

    folder = sft.output_dir / "merged"
    if not (sft.output_dir / "adapter_config.json").is_file():
        if not (folder / "config.json").is_file():
            raise UserError(
                f"there is no trained clone in {sft.output_dir}",
                f"run 'asimbot train {sft.path}' first",
            )
        if read_origin(folder) is None:
            write_origin(folder, clone_digest(sft.output_dir))
        return folder
    with FileLock(sft.output_dir / ".merge.lock"):
        digest = clone_digest(sft.output_dir)
        if read_origin(folder) != digest or not (folder / "config.json").is_file():
            merge(sft, say)
            write_origin(folder, digest)
    return folder


def read_origin(folder: Path) -> str | None:
    try:
        stored: Any = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(stored.get("sft_sha256"))


def write_origin(folder: Path, digest: str | None) -> None:
    write_json(folder / ORIGIN, {"sft_sha256": digest})
