"""Does a better context make a better clone? Pocket clones that differ in nothing but the selector.

    python benchmarks/clone_by_context.py CHAT --friend NAME
    python benchmarks/clone_by_context.py CHAT --friend NAME --steps 60 --seeds 1 2 3

Every selector gets the same replies, steps and seeds. Measured are bits a character of the
friend's held-out replies, on those that every selector gives a row, each read with the context
that the clone would be given when it talks; `semantic` chooses by the reply, so its own held-out
contexts would leak, and it is read with those of `semantic_live`. Finished trainings and figures
are kept in ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
from pathlib import Path
from typing import Any

import yaml
from _asimbot import ROOT, asimbot
from _report import table

SELECTORS: dict[str, dict[str, Any]] = {
    "turns": {"name": "turns"},
    "window": {"name": "window", "k": 8},
    "semantic": {"name": "semantic", "model": "pocket/all-MiniLM-L6-v2"},
    "ranked": {"name": "ranked", "k": 8},
}
LIVE = {"name": "semantic_live", "model": "pocket/all-MiniLM-L6-v2"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chat", type=Path)
    parser.add_argument("--friend", required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--rows", type=int, default=200, help="held-out replies to measure on")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "by_context")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    chat = options.chat.resolve()
    os.chdir(ROOT)

    def recipe(name: str, context: dict[str, Any], seed: int) -> Path:
        block = {
            "extends": os.path.relpath(ROOT / "recipes" / "pocket_sft.yml", folder),
            "chat_path": str(chat),
            "friend_path": options.friend,
            "context": context,
        }
        data = {
            "plugins": ["asimbot_plugins.axolotl_adapter.AsimbotPlugin"],
            "asimbot": block,
            "output_dir": str(folder / f"{name}_{seed}"),
            "max_steps": options.steps,
            "seed": seed,
        }
        path = folder / f"{name}_{seed}.yml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return path

    live = recipe("semantic_live", LIVE, 0)
    asimbot("build", live)
    made = {(s, seed): recipe(s, SELECTORS[s], seed) for seed in options.seeds for s in SELECTORS}
    for (name, seed), path in made.items():
        if not (folder / f"{name}_{seed}" / "adapter_model.safetensors").is_file():
            asimbot("train", path)
    read = {s: rows_of(folder / f"{s}_{options.seeds[0]}") for s in SELECTORS}
    read["semantic"] = rows_of(folder / "semantic_live_0")
    common = sorted(set.intersection(*(set(rows) for rows in read.values())))
    step = max(1, len(common) // options.rows)
    chosen = common[::step][: options.rows]
    figures: dict[str, list[float]] = {name: [] for name in SELECTORS}
    for (name, seed), path in made.items():
        kept = folder / f"{name}_{seed}" / f"bits_{len(chosen)}.json"
        if not kept.is_file():
            kept.write_text(json.dumps(bits(path, [read[name][key] for key in chosen])), "utf-8")
        figures[name].append(json.loads(kept.read_text("utf-8")))
        print(name, round(figures[name][-1], 4), flush=True)
    print(f"\n{len(chosen)} held-out replies, {options.steps} steps, seeds {options.seeds}\n")
    rows = [
        [name, f"{statistics.mean(v):.3f}", f"{min(v):.3f} to {max(v):.3f}"]
        for name, v in figures.items()
    ]
    print(table(["context", "bits a character", "seeds"], rows))


def rows_of(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Held-out rows by time and reply; who is lettered how depends on the context."""
    text = (folder / "data" / "heldout.jsonl").read_text(encoding="utf-8")
    rows = map(json.loads, text.splitlines())
    return {(row["time"], re.sub(r"USR_\w|<NAME>", "", row["reply"])): row for row in rows}


def bits(recipe: Path, rows: list[dict[str, Any]]) -> float:
    """Bits a character of the real replies under the clone of a recipe."""
    from asimbot_plugins.evaluate.likelihood import bits_per_character, reply_losses
    from asimbot_plugins.evaluate.systems import Form
    from asimbot_plugins.generation.sampler import load_clone
    from asimbot_plugins.host import load_host
    from asimbot_plugins.recipe import load_recipe
    from asimbot_plugins.tokens import split_reply

    clone = load_clone(load_recipe(recipe), load_host())
    losses = reply_losses(
        clone, [Form(row["prompt"], f" {row['reply']}") for row in rows], end_token=True
    )
    return bits_per_character(losses, [split_reply(row["reply"], clone.tokens) for row in rows])


if __name__ == "__main__":
    main()
