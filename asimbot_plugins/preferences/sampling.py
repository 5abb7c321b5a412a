"""Candidates: K replies of the clone to each of many prompts of the training part.

The work is cut into batches that depend on the recipe alone, each with its own seed. Every
process appends the batches it has done to its own file, so a killed run loses one batch at
most, any number of processes can share the work, and the final file is the same however
often it was interrupted and however many made it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from asimbot_plugins.dataset import DatasetFiles, ensure_dataset
from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import write_json, write_jsonl
from asimbot_plugins.terminal import progress_bar

if TYPE_CHECKING:
    from asimbot_plugins.generation.sampler import Clone
    from asimbot_plugins.host import Host
    from asimbot_plugins.recipe import Preferences, Recipe, Sampling

CANDIDATES = "candidates.jsonl"
SUMMARY = "candidates.json"
PARTS = "candidates"
_FORMAT = 1  # of the candidates; raise it when the same recipe gives others


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``: every count-th batch."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From ``INDEX/COUNT``, counted from 0. Raises UserError if it is not that."""
        index, _, count = text.partition("/")
        if index.isdecimal() and count.isdecimal() and int(index) < int(count):
            return cls(int(index), int(count))
        raise UserError(f"--shard {text!r} is not of the form INDEX/COUNT with INDEX < COUNT")

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Shard:
        """From a SLURM array, and within each of its tasks from accelerate, torchrun or srun."""

        def number(*names: str, default: int = 0) -> int:
            return next((int(environment[n]) for n in names if environment.get(n)), default)

        task = number("SLURM_ARRAY_TASK_ID") - number("SLURM_ARRAY_TASK_MIN")
        tasks = number("SLURM_ARRAY_TASK_COUNT", default=1)
        ranks = number("WORLD_SIZE", "SLURM_NTASKS", default=1)
        rank = number("RANK", "SLURM_PROCID") if ranks > 1 else 0
        return cls(task * ranks + rank, tasks * ranks)


@dataclass(frozen=True)
class Batch:
    """Prompts that are run together: (place in the final file, prompt)."""

    number: int
    prompts: tuple[tuple[int, str], ...]


def sample(
    recipe: Recipe,
    host: Host,
    load: Callable[[], Clone],
    shard: Shard = Shard(),
    *,
    again: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """Draws this shard's candidates; the merged file, or None while other shards are at work.

    ``load`` is called only if something is left to draw. ``again`` throws earlier candidates
    away. Raises UserError if those that are there come from another clone or other settings.
    """
    files = ensure_dataset(recipe.sft, host, say)
    mark = fingerprint(recipe, files)
    folder = recipe.output_dir / PARTS
    if again:
        shutil.rmtree(folder, ignore_errors=True)
        (recipe.output_dir / SUMMARY).unlink(missing_ok=True)
    if _is_merged(recipe.output_dir, mark):
        return recipe.output_dir / CANDIDATES
    folder.mkdir(parents=True, exist_ok=True)
    batches = plan(files.rows("train"), recipe.section.preferences, recipe.seed)
    part = folder / f"part-{shard.index}-of-{shard.count}.jsonl"
    try:
        with FileLock(folder / f".{part.name}.lock", timeout=0):
            _draw(recipe, batches, shard, part, mark, load)
    except Timeout:
        raise UserError(
            f"another process is drawing shard {shard.index}/{shard.count} in {folder}",
            "wait for it, or give each process its own --shard",
        ) from None
    with FileLock(folder / ".merge.lock"):
        if not _is_merged(recipe.output_dir, mark):
            return _merge(recipe.output_dir, batches, mark)
    return recipe.output_dir / CANDIDATES


def plan(rows: Sequence[Mapping[str, Any]], options: Preferences, seed: int) -> list[Batch]:
    """Which prompts, in which batches: drawn from ``rows`` by ``seed``, batched by length."""
    prompts = list(dict.fromkeys(str(row["prompt"]) for row in rows))
    random.Random(seed).shuffle(prompts)
    chosen = list(enumerate(prompts[: options.prompts]))
    chosen.sort(key=lambda item: (len(item[1]), item[0]))
    size = options.batch_size
    return [
        Batch(n, tuple(chosen[start : start + size]))
        for n, start in enumerate(range(0, len(chosen), size))
    ]


def draw_batch(clone: Clone, batch: Batch, options: Preferences, seed: int) -> dict[str, Any]:
    """The candidates of one batch; the same for the same clone, batch and seed.

    ``rows`` hold ``place``, ``prompt`` and at least two different ``responses``; ``dropped``
    counts what was thrown away and why.
    """
    found: list[dict[str, str]] = [{} for _ in batch.prompts]
    dropped = {"empty": 0, "duplicate": 0, "prompt with fewer than two replies": 0}
    for turn in range(1 + options.redraws):
        missing = [i for i, replies in enumerate(found) if len(replies) < options.replies]
        if not missing:
            break
        draws = options.replies - min(len(found[i]) for i in missing)
        for k in range(draws):
            # Prompts that gave the same reply again and again get the hottest temperature.
            heat = options.temperatures[-1 if turn else k % len(options.temperatures)]
            replies = clone.replies(
                [batch.prompts[i][1] for i in missing],
                sampling=clone.sampling.model_copy(update={"temperature": heat}),
                seed=_seed(seed, batch.number, turn, k),
                batch_size=len(missing),
            )
            for i, (messages,) in zip(missing, replies, strict=True):
                _keep(found[i], messages, clone, options.replies, dropped)
    rows = []
    for (place, prompt), texts in zip(batch.prompts, found, strict=True):
        if len(texts) < 2:
            dropped["prompt with fewer than two replies"] += 1
        else:
            rows.append({"place": place, "prompt": prompt, "responses": list(texts.values())})
    return {"batch": batch.number, "rows": rows, "dropped": dropped}


def fingerprint(recipe: Recipe, files: DatasetFiles) -> str:
    """Hex digest of all that the candidates depend on: data, clone, settings, seed."""
    from asimbot_plugins.generation.sampler import stored_sampling

    sft = recipe.sft
    sampling: Sampling = stored_sampling(sft.output_dir) or sft.section.sampling
    parts = [
        _FORMAT,
        files.fingerprint,
        clone_digest(sft.output_dir),
        recipe.section.preferences.model_dump(),
        sampling.model_dump(),
        [spec.model_dump() for spec in sft.section.stopping],
        recipe.seed,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def clone_digest(folder: Path) -> str:
    """Hex digest of the trained weights in an SFT output folder; "" if there are none."""
    for place in (folder, folder / "merged"):
        weights = sorted(place.glob("*.safetensors"))
        if weights:
            digest = hashlib.sha256()
            for file in weights:
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
            return digest.hexdigest()
    return ""


def _draw(
    recipe: Recipe,
    batches: Sequence[Batch],
    shard: Shard,
    part: Path,
    mark: str,
    load: Callable[[], Clone],
) -> None:
    _repair(part, mark)
    done = {line["batch"] for line in _lines_of(part.parent, mark)}
    mine = [batch for batch in batches if batch.number % shard.count == shard.index]
    todo = [batch for batch in mine if batch.number not in done]
    if not todo:
        return
    clone = load()
    options = recipe.section.preferences
    with (
        progress_bar("drawing replies", len(mine)) as bar,
        part.open("a", encoding="utf-8") as file,
    ):
        bar.show(len(mine) - len(todo))
        for n, batch in enumerate(todo, 1):
            line = draw_batch(clone, batch, options, recipe.seed)
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
            bar.show(len(mine) - len(todo) + n, f"{len(batch.prompts)} prompts a batch")


def _repair(part: Path, mark: str) -> None:
    """Starts the file with its header, or cuts off the line that a killed process left."""
    if not part.is_file() or part.stat().st_size == 0:
        part.write_text(json.dumps({"fingerprint": mark}) + "\n", encoding="utf-8")
        return
    data = part.read_bytes()
    if not data.endswith(b"\n"):
        with part.open("rb+") as file:
            file.truncate(data.rfind(b"\n") + 1)
        _repair(part, mark)


def _lines_of(folder: Path, mark: str) -> Iterator[dict[str, Any]]:
    """The finished batches of all parts, however the work was shared when they were made."""
    for part in sorted(folder.glob("part-*.jsonl")):
        with part.open(encoding="utf-8") as file:
            header = file.readline()
            if header.endswith("\n") and json.loads(header).get("fingerprint") != mark:
                raise UserError(
                    f"{part} holds candidates of another clone, chat or setting",
                    "add --again to throw them away, or set another output_dir",
                )
            for line in file:
                # Another process may be writing its last line at this moment.
                if line.endswith("\n"):
                    yield json.loads(line)


def _merge(output: Path, batches: Sequence[Batch], mark: str) -> Path | None:
    by_number = {line["batch"]: line for line in _lines_of(output / PARTS, mark)}
    if len(by_number) < len(batches):
        return None
    rows = sorted((row for line in by_number.values() for row in line["rows"]), key=_place)
    dropped: dict[str, int] = {}
    for line in by_number.values():
        for reason, n in line["dropped"].items():
            dropped[reason] = dropped.get(reason, 0) + n
    write_jsonl(
        output / CANDIDATES,
        ({"prompt": row["prompt"], "responses": row["responses"]} for row in rows),
    )
    # The summary goes last: its fingerprint says that the candidates are whole.
    counts = {
        "prompts": len(rows),
        "replies": sum(len(row["responses"]) for row in rows),
        **{f"dropped: {reason}": n for reason, n in sorted(dropped.items())},
    }
    write_json(output / SUMMARY, {"fingerprint": mark, "counts": counts})
    return output / CANDIDATES


def summary(output: Path) -> dict[str, int]:
    """What was drawn and dropped, of a merged file."""
    counts: dict[str, int] = json.loads((output / SUMMARY).read_text("utf-8"))["counts"]
    return counts


def _is_merged(output: Path, mark: str) -> bool:
    try:
        stored = json.loads((output / SUMMARY).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return stored.get("fingerprint") == mark and (output / CANDIDATES).is_file()


def _keep(
    texts: dict[str, str], messages: list[str], clone: Clone, limit: int, dropped: dict[str, int]
) -> None:
    from asimbot_plugins.tokens import format_reply

    text = format_reply(messages, clone.tokens)
    same = " ".join(text.casefold().split())
    if not same:
        dropped["empty"] += 1
    elif same in texts:
        dropped["duplicate"] += 1
    elif len(texts) < limit:
        texts[same] = text


def _seed(*parts: int) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def _place(row: dict[str, Any]) -> int:
    return int(row["place"])
