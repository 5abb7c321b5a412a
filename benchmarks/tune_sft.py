"""One setting of the pocket recipe at a time, judged by the figures of ``asimbot eval``.

    OMP_NUM_THREADS=1 python benchmarks/tune_sft.py
    OMP_NUM_THREADS=1 python benchmarks/tune_sft.py --chat PATH --friend NAME --only recipe "rank 8"
    OMP_NUM_THREADS=1 python benchmarks/tune_sft.py --all num_epochs=1 --folder runs/tuning-1

Every variant is trained from the start with the same seed and replies to the same held-out
prompts. Finished ones are kept in ``--folder``; the table of all that are there is printed. A
choice made by these figures has seen the held-out part: it is confirmed on another chat.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from _asimbot import ROOT, asimbot
from _report import cell, table
from _yardstick import make_yardstick

from asimbot_plugins.recipe import Recipe, load_recipe

RECIPE = ROOT / "recipes" / "pocket_sft.yml"
VARIANTS: dict[str, list[str]] = {
    "recipe": [],
    "rank 8": ["lora_r=8", "lora_alpha=16"],
    "rank 16": ["lora_r=16", "lora_alpha=32"],
    "learning rate 1e-4": ["learning_rate=0.0001"],
    "learning rate 6e-4": ["learning_rate=0.0006"],
    "1 epoch": ["num_epochs=1"],
    "3 epochs": ["num_epochs=3"],
    "dropout 0": ["lora_dropout=0.0"],
    "dropout 0.15": ["lora_dropout=0.15"],
    "NEFTune 5": ["neftune_noise_alpha=5"],
    "end token 0.5": ["asimbot.end_token_weight=0.5"],
    "end token 2": ["asimbot.end_token_weight=2"],
    "every reply": ["asimbot.train_on=every_reply"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chat", type=Path, help="another export")
    parser.add_argument("--friend", help="whom to clone in it")
    parser.add_argument("--only", nargs="*", choices=VARIANTS)
    parser.add_argument("--all", nargs="*", default=[], metavar="KEY=VALUE", help="for every one")
    parser.add_argument("--likelihood", action="store_true", help="draw no replies: bits alone")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "tuning")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    chosen = [] if options.chat is None else [f"asimbot.chat_path={options.chat.resolve()}"]
    if options.friend:
        chosen.append(f"asimbot.friend_path={options.friend}")
    os.chdir(ROOT)
    yardstick: tuple[Any, list[Any]] | None = None
    for name in options.only or VARIANTS:
        place = folder / name.replace(" ", "_")
        if not (place / "figures.json").is_file():
            print(f"{name} …", flush=True)
            changes = [*options.all, *VARIANTS[name], *chosen, f"output_dir={place}"]
            asimbot("train", RECIPE, changes)
            recipe = load_recipe(RECIPE, changes)
            yardstick = yardstick or prepare(recipe, options.likelihood)
            found = judge(recipe, place, *yardstick)
            (place / "figures.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    rows = [
        row(name, json.loads(path.read_text(encoding="utf-8")))
        for name in VARIANTS
        if (path := folder / name.replace(" ", "_") / "figures.json").is_file()
    ]
    print(
        table(
            ["", "held-out loss", "bits a character", "style probability", "AUC from real",
             "fit: chosen among 10", "distinct-2", "characters (real)"],
            rows,
        )
    )  # fmt: skip


def prepare(recipe: Recipe, likelihood: bool) -> tuple[Any, list[Any]]:
    """The yardstick for drawn replies (None: none are drawn) and the held-out cases."""
    if not likelihood:
        return make_yardstick(recipe)
    from asimbot_plugins.evaluate.material import collect
    from asimbot_plugins.host import load_host

    return None, collect(recipe, load_host()).cases


def judge(recipe: Recipe, place: Path, yardstick: Any, cases: list[Any]) -> dict[str, Any]:
    """Figures of ``asimbot eval`` for the clone's first replies to the held-out prompts."""
    from asimbot_plugins.evaluate.likelihood import bits_per_character
    from asimbot_plugins.evaluate.measure import Replies, measure
    from asimbot_plugins.evaluate.run import training_curve
    from asimbot_plugins.evaluate.systems import CloneSystem
    from asimbot_plugins.generation.sampler import load_clone
    from asimbot_plugins.host import load_host

    system = CloneSystem(load_clone(recipe, load_host()))
    losses = system.losses([system.form(case, recipe.friend) for case in cases])
    always = {
        "bits": bits_per_character(losses, [case.reply for case in cases]),
        "curve": training_curve(place),
    }
    if yardstick is None:
        return always
    bursts = system.replies(cases, recipe.seed, lambda _: None)
    replies = Replies("clone", "clone", [case.prompt for case in cases], bursts)
    found = measure(replies, yardstick, 200).figures
    return {
        **always,
        **{key: found[key] for key in ("style", "distinguish", "relevance", "diversity")},
        "characters": characters(bursts),
        "characters, real": characters([case.reply for case in cases]),
    }


def characters(bursts: list[Any]) -> float:
    return sum(len(" ".join(burst)) for burst in bursts) / len(bursts)


def row(name: str, found: dict[str, Any]) -> list[str]:
    losses = [loss for _, loss in found["curve"]["heldout"]]
    always = [name, " ".join(f"{x:.2f}" for x in losses) or "–", f"{found['bits']:.3f}"]
    if "style" not in found:
        return [*always, *["–"] * 5]
    return [
        *always,
        cell(found["style"]["probability"]),
        cell(found["distinguish"]),
        cell(found["relevance"]["selection"]),
        f"{found['diversity']['distinct_2']['value']:.2f}",
        f"{found['characters']:.0f} ({found['characters, real']:.0f})",
    ]


if __name__ == "__main__":
    main()
