"""The dataset of a recipe on disk: built when its chat or its settings changed.

``<dataset_dir>/dataset.jsonl`` (training), ``heldout.jsonl``, ``rows-scored.jsonl`` (all rows,
the dropped ones too) and ``ledger.json`` are written together or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from asimbot_plugins import __version__
from asimbot_plugins.components import Dataset, DatasetBuilder
from asimbot_plugins.errors import UserError
from asimbot_plugins.evaluate.canaries import plant_canaries
from asimbot_plugins.host import Host
from asimbot_plugins.paths import read_jsonl, replacing, write_json, write_jsonl
from asimbot_plugins.readers import read_chat
from asimbot_plugins.recipe import Recipe

Progress = Callable[[str, int, int], None]

_FORMAT = 2  # of the rows; raise it when the builder makes other rows from the same input
_BUILD_KEYS = (
    "friend_path",
    "alias_paths",
    "reader",
    "builder",
    "context",
    "embedder",
    "heldout_share",
    "burst_minutes",
    "conversation_gap_minutes",
    "late_reply_hours",
    "redaction",
    "filters",
    "tokens",
)
"""Recipe keys that the rows depend on."""


@dataclass(frozen=True)
class DatasetFiles:
    """A built dataset. ``fingerprint`` changes when chat, settings or format do."""

    folder: Path
    fingerprint: str

    @property
    def train(self) -> Path:
        return self.folder / "dataset.jsonl"

    @property
    def heldout(self) -> Path:
        return self.folder / "heldout.jsonl"

    @property
    def scored(self) -> Path:
        return self.folder / "rows-scored.jsonl"

    @property
    def ledger(self) -> dict[str, int]:
        counts: dict[str, int] = json.loads(
            (self.folder / "ledger.json").read_text(encoding="utf-8")
        )["counts"]
        return counts

    def rows(self, part: str = "train") -> list[dict[str, Any]]:
        return list(read_jsonl(self.train if part == "train" else self.heldout))

    def train_digest(self) -> str | None:
        """Hex SHA-256 of the training texts, which tells what a clone was trained on."""
        if not self.train.is_file():
            return None
        digest = hashlib.sha256()
        for row in self.rows():
            digest.update(row["text"].encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()


def ensure_dataset(
    recipe: Recipe,
    host: Host,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> DatasetFiles:
    """The dataset of the recipe, built now if it is missing or out of date.

    Safe to call from several processes at once. Raises UserError if it can't be built.
    """
    folder = recipe.dataset_dir
    files = DatasetFiles(folder, fingerprint(recipe))
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if _stored_fingerprint(folder) != files.fingerprint:
            build(recipe, host, say, progress)
    return files


def build(
    recipe: Recipe,
    host: Host,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> DatasetFiles:
    """Builds the dataset anew, whatever is there.

    ``progress`` is called with (what, done, total). What costs hours, the embeddings, is on disk
    as soon as it is made: after a kill the same command goes on from there.
    """
    files = DatasetFiles(recipe.dataset_dir, fingerprint(recipe))
    dataset = make_dataset(recipe, host, say, progress)
    _write(files, dataset)
    return files


def make_dataset(
    recipe: Recipe,
    host: Host,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Dataset:
    """The dataset of a recipe, in memory."""
    spec = recipe.section.builder
    builder: DatasetBuilder = host.make("dataset builder", spec.name, spec.options)
    if progress is not None and hasattr(builder, "progress"):
        builder.progress = progress
    say("reading the chat …")
    chat = read_chat(recipe, host)
    say("building the dataset …")
    dataset = builder.build(chat, recipe)
    canaries = recipe.section.evaluation.canaries
    if canaries:
        dataset.train = plant_canaries(dataset.train, canaries, recipe)
        dataset.ledger.add("canaries planted, train", canaries)
    return dataset


def _write(files: DatasetFiles, dataset: Dataset) -> None:
    names = ["dataset.jsonl", "heldout.jsonl", "rows-scored.jsonl", "ledger.json"]
    with replacing(files.folder / "new") as temporary:
        write_jsonl(temporary / "dataset.jsonl", dataset.train)
        write_jsonl(temporary / "heldout.jsonl", dataset.heldout)
        write_jsonl(temporary / "rows-scored.jsonl", dataset.scored)
        write_json(
            temporary / "ledger.json",
            {"fingerprint": files.fingerprint, "counts": dataset.ledger.counts},
        )
    # While the files are replaced no ledger says that they belong together; it goes last.
    (files.folder / "ledger.json").unlink(missing_ok=True)
    for name in names:
        (files.folder / "new" / name).replace(files.folder / name)
    shutil.rmtree(files.folder / "new", ignore_errors=True)


def fingerprint(recipe: Recipe) -> str:
    """Hex digest of everything the rows depend on, the content of the export included."""
    section = recipe.section.model_dump(mode="json")
    chosen = {key: section[key] for key in _BUILD_KEYS}
    if recipe.section.evaluation.canaries:
        chosen["canaries"] = recipe.section.evaluation.canaries
    digest = hashlib.sha256(json.dumps([_FORMAT, __version__, chosen], sort_keys=True).encode())
    for path in recipe.chat_paths:
        if not path.exists():
            raise UserError(f"there is no chat export {path}", "set asimbot.chat_path")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _stored_fingerprint(folder: Path) -> str | None:
    try:
        stored = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(stored.get("fingerprint"))
