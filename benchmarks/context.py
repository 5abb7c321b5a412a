"""Context selectors against gold reply links.

Machine interface: writes for every annotated message the earlier messages that a selector
ranks first. The selector never sees ``parents`` (the file's gold is dropped while reading):

    python benchmarks/context.py --data CHAT.jsonl.gz --selector ranked --out choices.jsonl

Table for README.md and results/context.json:

    python benchmarks/context.py --train TRAIN.jsonl.gz --dev DEV.jsonl.gz --write

Data: Kummerfeld et al. 2019, "A Large-Scale Corpus for Conversation Disentanglement"
(CC-BY 4.0), as JSON lines of file, idx, time, sender, text, system, parents, annotated.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from asimbot_plugins.components import Reply
from asimbot_plugins.context.base import RankingSelector
from asimbot_plugins.host import load_host
from asimbot_plugins.messages import Message

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import _report

POOL = 50
"""Candidates: the messages before the reply, at most this many."""
KS = (1, 3, 5, 8)
THINNED_SHARE = 0.25
EMBEDDER = "pocket/all-MiniLM-L6-v2"


EXPLANATION = """## Context selectors on gold reply links

Share of replies with at least one gold parent among the k messages ranked first (any@k, per
cent), MRR of the first gold parent, precision of five within the reply's conversation (P@5), the
same from a given trigger, any@5 on thinned chats (a quarter of the conversations, mean of three
draws), CPU seconds per 1,000 replies on one core (embeddings cached). *Stripped*: addressing
prefixes removed, as in WhatsApp. *Held-out train*: 20 chats of the training part that served to
choose settings, not to fit. `ranked+` is `ranked` with an embedder. Embedder: all-MiniLM-L6-v2
(the seed used all-mpnet-base-v2). Data: Kummerfeld et al. 2019 (CC-BY 4.0)."""


@dataclass
class Chat:
    """The text messages of one file; ``idx`` are their line numbers in the log."""

    file: str
    idx: list[int]
    messages: list[Message]
    annotated: list[bool]


@dataclass
class Links:
    """Gold of one file, by line number.

    parents: the earlier text messages a message answers, where there are any. starts: those
    that begin a conversation. conversation: its number, for messages that were judged.
    """

    parents: dict[int, list[int]]
    starts: set[int]
    conversation: dict[int, int]
    sender: dict[int, str]


Choices = dict[str, dict[int, list[int]]]
"""File -> line -> lines ranked best first."""


def read_rows(path: Path) -> Iterable[dict[str, Any]]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def held_out(files: Iterable[str]) -> set[str]:
    """The 20 chats of the training part that ``tools/train_ranker.py`` only measures on."""
    ordered = sorted(files)
    return {ordered[i] for i in np.random.default_rng(7).permutation(len(ordered))[:20]}


def read_chats(path: Path, stripped: bool) -> list[Chat]:
    """The chats of ``path`` without their gold; ``stripped`` removes addressing prefixes."""
    rows_of: dict[str, list[dict[str, Any]]] = {}
    for row in read_rows(path):
        row.pop("parents", None)
        rows_of.setdefault(row["file"], []).append(row)
    return [_chat(file, rows, stripped) for file, rows in rows_of.items()]


def _chat(file: str, rows: list[dict[str, Any]], stripped: bool) -> Chat:
    rows = [row for row in rows if not row["system"]]
    nicks = {row["sender"].lower() for row in rows}
    return Chat(
        file,
        [row["idx"] for row in rows],
        [
            Message(
                datetime.fromisoformat(row["time"]),
                row["sender"],
                strip_address(row["text"], nicks) if stripped else row["text"],
            )
            for row in rows
        ],
        [row.get("annotated", True) for row in rows],
    )


_ADDRESS = re.compile(r"\s*@?(\S+?)\s*[:,]+(?:\s+|$)")


def strip_address(text: str, nicks: set[str]) -> str:
    """``text`` without a prefix ``nick:`` or ``nick,`` that names a participant."""
    match = _ADDRESS.match(text)
    return text[match.end() :] if match and match.group(1).lower() in nicks else text


def read_gold(path: Path) -> dict[str, Links]:
    """Gold of every file."""
    rows_of: dict[str, list[dict[str, Any]]] = {}
    for row in read_rows(path):
        rows_of.setdefault(row["file"], []).append(row)
    return {file: _links(rows) for file, rows in rows_of.items()}


def _links(rows: list[dict[str, Any]]) -> Links:
    text = {row["idx"]: row for row in rows if not row["system"]}
    root = {row["idx"]: row["idx"] for row in rows}

    def find(idx: int) -> int:
        while root[idx] != idx:
            root[idx] = idx = root[root[idx]]
        return idx

    linked = set()
    for row in rows:
        for parent in row["parents"]:
            root[find(row["idx"])] = find(parent)
            linked |= {row["idx"], parent}
    parents = {
        idx: [p for p in row["parents"] if p < idx and p in text]
        for idx, row in text.items()
        if row["annotated"]
    }
    return Links(
        parents={idx: found for idx, found in parents.items() if found},
        starts={idx for idx in parents if not text[idx]["parents"]},
        conversation={
            idx: find(idx) for idx, row in text.items() if row["annotated"] or idx in linked
        },
        sender={idx: row["sender"] for idx, row in text.items()},
    )


def choose(selector: RankingSelector, chats: list[Chat], k: int = max(KS)) -> Choices:
    """Ranks for every annotated message of every chat, as if its sender were the friend."""
    choices: Choices = {}
    for chat in chats:
        by_friend: dict[str, list[int]] = {}
        for position, annotated in enumerate(chat.annotated):
            if annotated:
                by_friend.setdefault(chat.messages[position].sender or "", []).append(position)
        found = choices.setdefault(chat.file, {})
        # Whoever wrote last comes first: selectors keep what they read of a chat up to there.
        for friend, positions in sorted(by_friend.items(), key=lambda item: -item[1][-1]):
            replies = [Reply(position, position + 1) for position in positions]
            ranked = selector.rank_many(chat.messages, replies, friend, k)
            for position, best in zip(positions, ranked, strict=True):
                found[chat.idx[position]] = [chat.idx[i] for i in best if i >= position - POOL]
    return choices


def measure(choices: Choices, gold: dict[str, Links]) -> dict[str, float]:
    """Shares in per cent: any@k, precision within the conversation at 5; MRR in 0..1."""
    hits = dict.fromkeys(KS, 0)
    queries, reciprocal, right, judged = 0, 0.0, 0, 0
    for file, links in gold.items():
        for idx, parents in links.parents.items():
            ranked = choices[file].get(idx, [])
            ranks = [rank for rank, line in enumerate(ranked, 1) if line in parents]
            queries += 1
            reciprocal += 1 / ranks[0] if ranks else 0
            for k in KS:
                hits[k] += bool(ranks and ranks[0] <= k)
            known = [line for line in ranked[:5] if line in links.conversation]
            judged += len(known)
            right += sum(links.conversation[line] == links.conversation[idx] for line in known)
    found = {f"any@{k}": round(100 * hits[k] / queries, 1) for k in KS}
    return {**found, "MRR": round(reciprocal / queries, 3), "P@5": round(100 * right / judged, 1)}


def measure_trigger(
    selector: RankingSelector, chats: list[Chat], gold: dict[str, Links], k: int = 5
) -> float:
    """Precision of k messages chosen from a given trigger (per cent).

    The trigger is the latest gold parent by another speaker and counts as the first of the k;
    the rest is chosen from the messages before it.
    """
    right = judged = 0
    for chat in chats:
        links, place = gold[chat.file], {idx: i for i, idx in enumerate(chat.idx)}
        for idx, parents in links.parents.items():
            others = [p for p in parents if links.sender[p] != links.sender[idx]]
            if not others:
                continue
            trigger = max(others)
            more = selector.rank_thread(chat.messages, place[trigger], k - 1)
            lines = [trigger, *(chat.idx[i] for i in more)]
            known = [line for line in lines if line in links.conversation]
            judged += len(known)
            right += sum(links.conversation[line] == links.conversation[idx] for line in known)
    return round(100 * right / judged, 1)


def thin(
    chats: list[Chat],
    gold: dict[str, Links],
    seed: int,
    shares: tuple[float, float] = (THINNED_SHARE, THINNED_SHARE),
) -> tuple[list[Chat], dict[str, Links]]:
    """Keeps part of the conversations of every chat (between ``shares``): as little entangled
    as WhatsApp."""
    draw = random.Random(seed)
    thinned, kept_gold = [], {}
    for chat in chats:
        links = gold[chat.file]
        share = draw.uniform(*shares)
        kept = {
            number: draw.random() < share for number in sorted(set(links.conversation.values()))
        }
        places = [
            i
            for i, (idx, annotated) in enumerate(zip(chat.idx, chat.annotated, strict=True))
            if annotated and kept[links.conversation[idx]]
        ]
        lines = {chat.idx[i] for i in places}
        thinned.append(
            Chat(
                chat.file,
                [chat.idx[i] for i in places],
                [chat.messages[i] for i in places],
                [True] * len(places),
            )
        )
        parents = {
            idx: left
            for idx, found in links.parents.items()
            if idx in lines and (left := [p for p in found if p in lines])
        }
        kept_gold[chat.file] = Links(
            parents, links.starts & lines, links.conversation, links.sender
        )
    return thinned, kept_gold


def table(
    train: Path | None, dev: Path | None, selectors: list[str], embedder: str
) -> dict[str, Any]:
    """Figures of every selector on every set: ``rows`` for people and machines."""
    rows = []
    for part, path in (("held-out train", train), ("dev", dev)):
        if path is None:
            continue
        gold = read_gold(path)
        wanted = held_out(gold) if part != "dev" else set(gold)
        gold = {file: links for file, links in gold.items() if file in wanted}
        for stripped in (False, True):
            chats = [chat for chat in read_chats(path, stripped) if chat.file in wanted]
            queries = sum(len(links.parents) for links in gold.values())
            for name in selectors:
                selector = make_selector(name, embedder)
                before = time.process_time()
                choices = choose(selector, chats)
                seconds = time.process_time() - before
                row: dict[str, Any] = {
                    "part": part,
                    "texts": "stripped" if stripped else "plain",
                    "selector": name,
                    "leaks": selector.leaks,
                    **measure(choices, gold),
                    "s/1000": round(1000 * seconds / queries, 2),
                }
                if part == "dev":
                    row["trigger P@5"] = measure_trigger(selector, chats, gold)
                    row["starts"] = starts(selector, chats, gold)
                    if stripped:
                        row["thinned any@5"] = thinned(selector, chats, gold)
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    return {"rows": rows, "goals": goals(rows)}


def thinned(selector: RankingSelector, chats: list[Chat], gold: dict[str, Links]) -> float:
    """any@5 on thinned copies, mean of three seeds."""
    found = []
    for seed in range(3):
        few, few_gold = thin(chats, gold, seed)
        found.append(measure(choose(selector, few), few_gold)["any@5"])
    return round(sum(found) / len(found), 1)


def starts(
    selector: RankingSelector, chats: list[Chat], gold: dict[str, Links]
) -> dict[str, float]:
    """Mean number of messages that ``select`` gives to replies and to conversation starts, and
    the share of the former whose gold parent is among them (per cent)."""
    sizes: dict[str, list[int]] = {"reply": [], "start": []}
    hits = 0
    for chat in chats:
        links = gold[chat.file]
        by_friend: dict[str, list[int]] = {}
        for i, idx in enumerate(chat.idx):
            if idx in links.parents or idx in links.starts:
                by_friend.setdefault(chat.messages[i].sender or "", []).append(i)
        for friend, places in sorted(by_friend.items(), key=lambda item: -item[1][-1]):
            replies = [Reply(i, i + 1) for i in places]
            chosen = selector.select_many(chat.messages, replies, friend)
            for i, selected in zip(places, chosen, strict=True):
                parents = links.parents.get(chat.idx[i], [])
                sizes["reply" if parents else "start"].append(len(selected))
                hits += any(chat.idx[j] in parents for j in selected)
    return {
        "messages for a reply": round(sum(sizes["reply"]) / len(sizes["reply"]), 1),
        "messages for a start": round(sum(sizes["start"]) / max(len(sizes["start"]), 1), 1),
        "parent selected": round(100 * hits / len(sizes["reply"]), 1),
    }


def make_selector(name: str, embedder: str) -> RankingSelector:
    """The selector as a recipe would get it; ``ranked+`` is ``ranked`` with an embedder."""
    options: dict[str, Any] = {}
    if name.startswith("semantic"):
        options["model"] = embedder
    if name.endswith("+"):
        name, options["embedder"] = name[:-1], embedder
    selector: RankingSelector = load_host().make("context selector", name, options)
    return selector


def goals(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the project set itself for the default selector (dev, stripped, live)."""
    of = {r["selector"]: r for r in rows if r["part"] == "dev" and r["texts"] == "stripped"}
    ours, window = of.get("ranked"), of.get("window")
    if ours is None or window is None:
        return {}
    found = {
        "any@5": (ours["any@5"], 90.0),
        "any@1": (ours["any@1"], 55.0),
        "P@5 from a given trigger": (ours["trigger P@5"], 75.0),
        "any@5, not below window": (ours["any@5"], window["any@5"]),
        "any@5 on thinned dev, not below window": (ours["thinned any@5"], window["thinned any@5"]),
    }
    return {name: _report.goal(value, bound) for name, (value, bound) in found.items()}


def section(result: dict[str, Any]) -> str:
    """The section of README.md."""
    columns = [
        *("part", "texts", "selector", *(f"any@{k}" for k in KS)),
        *("MRR", "P@5", "trigger P@5", "thinned any@5", "s/1000"),
    ]
    rows = [
        [str(row.get(column, "")) for column in columns[:2]]
        + [row["selector"] + (" (leaks)" if row["leaks"] else "")]
        + [str(row.get(column, "")) for column in columns[3:]]
        for row in result["rows"]
    ]
    sizes = [
        [row["selector"], *(str(value) for value in row["starts"].values())]
        for row in result["rows"]
        if row["part"] == "dev" and row["texts"] == "stripped"
    ]
    return "\n\n".join(
        [
            EXPLANATION,
            _report.table(columns, rows),
            "What `select` gives with the options of a recipe left alone (dev, stripped); a start "
            "is a message that answers none:",
            _report.table(
                ["selector", "messages for a reply", "for a start", "parent among them, %"], sizes
            ),
            _report.goals_table(result["goals"]),
        ]
    )


def write(result: dict[str, Any], text: str) -> None:
    """Puts the table between the markers of README.md and the figures into results/."""
    packages = ("numpy", "sentence-transformers", "torch")
    versions = {name: metadata.version(name) for name in packages}
    _report.write_results("context", result["goals"], {"rows": result["rows"]}, versions)
    _report.write_section("context", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="chat to choose for")
    parser.add_argument("--selector", default="ranked")
    parser.add_argument("--out", type=Path, help="where the choices go")
    parser.add_argument("--stripped", action="store_true", help="remove addressing prefixes")
    parser.add_argument("--embedder", default=EMBEDDER, help="for selectors that need one")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--dev", type=Path)
    parser.add_argument("--selectors", default="window,turns,semantic,semantic_live,ranked,ranked+")
    parser.add_argument("--write", action="store_true", help="update README.md and results/")
    args = parser.parse_args()
    if args.data and args.out:
        chats = read_chats(args.data, args.stripped)
        choices = choose(make_selector(args.selector, args.embedder), chats)
        with args.out.open("w", encoding="utf-8") as file:
            for name, found in choices.items():
                for idx, ranked in sorted(found.items()):
                    file.write(json.dumps({"file": name, "idx": idx, "ranked": ranked}) + "\n")
    elif args.dev:
        result = table(args.train, args.dev, args.selectors.split(","), args.embedder)
        text = section(result)
        print(text)
        if args.write:
            write(result, text)
    else:
        parser.error("give --data and --out, or --dev (and --train)")


if __name__ == "__main__":
    main()
