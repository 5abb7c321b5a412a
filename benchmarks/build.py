"""What building a dataset costs: the seed's procedure, a plain window, ours.

    python benchmarks/build.py [--messages 200000] [--big 1000000] [--sample 300]

One run on one invented chat: no data needed. Every build runs in a process of its own, so that
CPU seconds and peak memory are its own. The seed embeds the window of every reply anew; that is
measured on ``--sample`` replies and multiplied, as embedding each message once is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _big_chat import write_chat
from _report import goal, goals_table, table, write_results, write_section

MODEL = "pocket/all-MiniLM-L6-v2"
WINDOW = 20  # messages the seed embeds for a reply
WAYS: dict[str, dict[str, Any]] = {
    "window, no redaction, no filters": {
        "context": {"name": "window"},
        "redaction": "off",
        "filters": {"near_duplicates": None},
    },
    "window (redaction, filters)": {"context": {"name": "window"}},
    "window, strict redaction": {"context": {"name": "window"}, "redaction": "strict"},
    "ranked without embedder": {"context": {"name": "ranked"}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--big", type=int, default=1_000_000, help="0 to leave it out")
    parser.add_argument("--sample", type=int, default=300, help="replies for the seed's way")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--embed", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(build_one(Path(arguments.one[0]), json.loads(arguments.one[1]))))
    elif arguments.embed:
        print(json.dumps(embed_some(Path(arguments.embed[0]), int(arguments.embed[1]))))
    else:
        run(arguments.messages, arguments.big, arguments.sample)


def recipe_of(chat: Path, folder: Path, section: dict[str, Any]) -> Any:
    from asimbot_plugins.recipe import recipe_from

    block = {"chat_path": str(chat), "friend_path": "Asim", "embedder": MODEL, **section}
    data = {"asimbot": block, "base_model": "none", "output_dir": str(folder)}
    return recipe_from(data, folder / "recipe.yml")


def build_one(chat: Path, section: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds, peak memory and stages of one build."""
    from asimbot_plugins.dataset import build
    from asimbot_plugins.host import load_host

    stages: dict[str, float] = {}
    last = time.process_time()

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.process_time()
        stages[stage] = stages.get(stage, 0) + now - last
        last = now

    with tempfile.TemporaryDirectory() as folder:
        host = load_host()
        started = time.process_time()
        files = build(recipe_of(chat, Path(folder), section), host, progress=progress)
        seconds = time.process_time() - started
        counts = files.ledger
    return {
        "seconds": seconds,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "stages": stages,
        "messages": counts["messages read"],
        "replies": counts["replies, train"] + counts["replies, heldout"],
        "rows": counts["rows, train"] + counts["rows, heldout"],
    }


def embed_some(chat: Path, sample: int) -> dict[str, Any]:
    """CPU seconds a message: embedded once in length-sorted batches, and window by window."""
    from asimbot_plugins.building.builder import thread_chat
    from asimbot_plugins.building.threads import replies_of
    from asimbot_plugins.embedding import Embedder
    from asimbot_plugins.host import load_host
    from asimbot_plugins.readers import read_chat

    recipe = recipe_of(chat, Path(tempfile.gettempdir()), {})
    threaded = thread_chat(read_chat(recipe, load_host()), recipe)
    messages = threaded.messages[:20_000]
    replies = [r for r in replies_of(messages, "Asim", threaded.burst) if r.start >= WINDOW]
    with tempfile.TemporaryDirectory() as folder:
        embedder = Embedder(MODEL, Path(folder))
        embedder.encode(["warm up"])
        texts = list(dict.fromkeys(m.text for m in messages))[: sample * 8]
        started = time.process_time()
        embedder.encode(texts)
        once = (time.process_time() - started) / len(texts)
        started = time.process_time()
        for reply in replies[:sample]:  # as the seed does it: nothing is kept
            own = " ".join(m.text for m in messages[reply.start : reply.end])
            window = [m.text for m in messages[reply.start - WINDOW : reply.start]]
            embedder._run([own, *window])
        again = (time.process_time() - started) / sample
    return {"once_per_message": once, "seed_per_reply": again}


def child(*arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(Path(__file__)), *arguments]
    made = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return result


def run(messages: int, big: int, sample: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chat = write_chat(Path(folder) / "chat.txt", messages)
        figures: dict[str, Any] = {}
        for name, section in WAYS.items():
            print(f"{name} …", file=sys.stderr)
            figures[name] = child("--one", str(chat), json.dumps(section))
        print("embedding …", file=sys.stderr)
        embedding = child("--embed", str(chat), str(sample))
        if big:
            print(f"{big:,} messages …", file=sys.stderr)
            large = write_chat(Path(folder) / "large.txt", big)
            figures["large"] = child("--one", str(large), "{}")
    ours = figures["window (redaction, filters)"]
    ranked = figures["ranked without embedder"]
    once = embedding["once_per_message"] * messages
    seed = embedding["seed_per_reply"] * ours["replies"]
    choosing = sum(s for stage, s in ranked["stages"].items() if "choosing" in stage)
    goals = {
        "builder's own part, messages per CPU second": goal(
            round(messages / ours["seconds"]), 4000
        ),
        "ranked without embedder, messages per CPU second": goal(
            round(messages / ranked["seconds"]), 4000
        ),
        "own part over embedding each message once, MiniLM, per cent": goal(
            round(100 * ours["seconds"] / once, 1), 5, at_least=False
        ),
    }
    if big:
        goals[f"peak memory for {big:,} messages, MB"] = goal(
            round(figures["large"]["memory_mb"]), 4000, at_least=False
        )
    figures |= {"embedding": embedding, "embed_once_seconds": once, "seed_seconds": seed}
    figures["choosing_per_reply_ms"] = 1000 * choosing / ranked["replies"]
    versions = {name: version(name) for name in ("numpy", "phonenumbers", "torch")}
    write_results("build", goals, figures, versions)
    rows = [
        [f"seed: embed {WINDOW} + 1 texts for every reply (MiniLM)", f"{seed:,.0f}", ""],
        ["embed every message once (MiniLM)", f"{once:,.0f}", ""],
        *(
            [name, f"{one['seconds']:,.1f}", f"{one['memory_mb']:,.0f}"]
            for name, one in figures.items()
            if name in WAYS
        ),
    ]
    if big:
        one = figures["large"]
        name = f"ranked without embedder, {big:,} messages"
        rows.append([name, f"{one['seconds']:,.1f}", f"{one['memory_mb']:,.0f}"])
    write_section(
        "build",
        f"""## Building a dataset

`python benchmarks/build.py --messages {messages}`: an invented chat of {messages:,} messages,
{ours["replies"]:,} replies. Seconds are CPU seconds; rows with MiniLM are measured on a sample
({sample:,} replies, {sample * 8:,} messages) and multiplied. Each build is a process of its own.

{table(["way", "CPU seconds", "peak MB"], rows)}

{goals_table(goals)}
""",
    )


if __name__ == "__main__":
    main()
