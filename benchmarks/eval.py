"""Trains and evaluates the pocket clone; the goals of "Proof: does it sound like Asim".

    python benchmarks/eval.py
    python benchmarks/eval.py --chat PATH --friend NAME      another chat (not in the repository)
    python benchmarks/eval.py --keep                         evaluate what was trained before

Figures of other chats go beside those of the example chat; names are not written.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _asimbot import ROOT, asimbot
from _report import HERE, cell, goal, goals_table, table, write_results, write_section

RECIPE = ROOT / "recipes" / "pocket_sft.yml"
EXAMPLE = "example chat"
GOALS = {
    "style: share of the way from another member to the friend": (0.95, True),
    "real against clone, AUC": (0.60, False),
    "relevance: share of the real replies' advantage": (0.80, True),
    "memorisation audit passed": (1, True),
    "a planted copier fails the audit": (1, True),
    "evaluation of 100 prompts, minutes": (10.0, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chat", type=Path, help="another export")
    parser.add_argument("--friend", help="whom to clone in it")
    parser.add_argument("--keep", action="store_true", help="don't train again")
    options = parser.parse_args()
    overrides = ["asimbot.evaluation.canaries=4"]
    name, folder = EXAMPLE, "benchmark_eval"
    if options.chat:
        if not options.friend:
            parser.error("--chat needs --friend")
        mark = hashlib.sha256(options.chat.read_bytes() + options.friend.encode()).hexdigest()[:6]
        name, folder = f"chat {mark}", f"benchmark_eval_{mark}"
        overrides += [
            f"asimbot.chat_path={options.chat.resolve()}",
            f"asimbot.friend_path={options.friend}",
        ]
    overrides.append(f"output_dir=runs/{folder}")
    if not options.keep:
        asimbot("train", RECIPE, overrides)
    started = time.monotonic()
    status = asimbot("eval", RECIPE, overrides, allowed=(0, 1))
    minutes = (time.monotonic() - started) / 60
    report = read(ROOT / "runs" / folder / "report.json")
    figures = {**(read(HERE / "results" / "eval.json") or {"figures": {}})["figures"]}
    figures[name] = {**summary(report), "minutes": round(minutes, 1), "exit_status": status}
    goals = {
        f"{title} ({chat})": goal(figures[chat]["goals"][title], bound, at_least=up)
        for chat in figures
        for title, (bound, up) in GOALS.items()
        if title in figures[chat]["goals"]
    }
    figures[name]["goals"]["evaluation of 100 prompts, minutes"] = round(minutes, 1)
    goals[f"evaluation of 100 prompts, minutes ({name})"] = goal(
        round(minutes, 1), 10.0, at_least=False
    )
    versions = {p: version(p) for p in ("torch", "transformers", "peft", "axolotl", "scikit-learn")}
    write_results("eval", goals, figures, versions)
    write_section("eval", section(goals, figures))


def read(path: Path) -> Any:
    import json

    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """What of a report goes into the results: figures, no text."""
    systems = report["systems"]
    titles = list(GOALS)
    values = [
        report["summary"].get("style_way", {}).get("value"),
        systems["clone"]["distinguish"]["value"],
        report["summary"]["relevance_way"]["value"],
        int(report["audit"]["passed"]),
        int(report["audit"]["control_fails"]),
    ]
    return {
        "goals": {
            title: round(value, 3)
            for title, value in zip(titles, values, strict=False)
            if value is not None
        },
        "systems": {
            name: {
                key: system[key]
                for key in ("label", "n", "style", "distinguish", "relevance", "diversity")
            }
            | ({"likelihood": system["likelihood"]} if "likelihood" in system else {})
            for name, system in systems.items()
        },
        "summary": report["summary"],
        "classifier": report["classifier"],
        "audit": report["audit"],
        "counts": report["counts"],
        "seconds": report["seconds"],
    }


def section(goals: dict[str, dict[str, Any]], figures: dict[str, Any]) -> str:
    parts = [
        "## The state of the clone in numbers",
        "",
        "`python benchmarks/eval.py`: the pocket clone, trained and evaluated (see "
        "docs/evaluation.md for what each figure means).",
        "",
        goals_table(goals),
    ]
    for chat, one in figures.items():
        rows = []
        for system in one["systems"].values():
            likelihood = system.get("likelihood", {}).get("bits_per_character")
            cells = [
                system["style"]["probability"],
                system["style"]["share"],
                system["distinguish"],
                system["relevance"]["selection"],
                system["diversity"]["repeated"],
                likelihood,
            ]
            rows.append([system["label"], str(system["n"]), *map(cell, cells)])
        head = ["", "replies", "style probability", "taken for the friend", "told from real (AUC)",
                "chosen among 10", "repeated", "bits a character"]  # fmt: skip
        parts += ["", f"### {chat}", "", table(head, rows)]
    return "\n".join(parts)


if __name__ == "__main__":
    main()
