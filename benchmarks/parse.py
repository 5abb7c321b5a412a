"""Our WhatsApp reader beside whatstk, chat-miner and whatsapp-chat-parser (npm), in one run.

    python benchmarks/parse.py                 # installs the peers in a temporary folder
    python benchmarks/parse.py --peers FOLDER  # the same, keeping the peers for the next run
    python benchmarks/parse.py --large         # and 5 million messages (2 GB of memory)

Every reading is a process of its own; CPU seconds are medians of --repeats readings in turns,
peak memory is the process's high-water mark. Correctness is counted on the variants of the tests:
for whatstk and chat-miner on the authored lines only, because both drop every other line.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "whatsapp")]

from benchmarks._report import goal, goals_table, table, write_results, write_section  # noqa: E402

PEERS = ["whatstk==0.9.1", "chat-miner==0.6.0"]
NPM = "whatsapp-chat-parser@4.0.2"
MESSAGES = 200_000

WORDS = (
    "bread the and yes no maybe tomorrow at six we could go there if you want really nice photo "
    "dog train late sorry work home dinner rye oats garlic onion 😂 🙏 café naïve über see you "
    "soon call me later"
).split()
NAMES = ["Nora", "Teo Baker", "Ida", "Udo", "+44 7700 900123"]


def lines(messages: int) -> Iterator[str]:
    """An Android export: 17 % multi-line, 6.5 % media, 1.5 % notices; 85 bytes a message."""
    draw = random.Random(5)
    when = datetime(2021, 3, 14, 8, 0)
    for _ in range(messages):
        when += timedelta(minutes=draw.choice([0, 0, 1, 1, 2, 5, 7, 30]))
        header = when.strftime("%d/%m/%Y, %H:%M - ")
        kind = draw.random()
        if kind < 0.015:
            notices = ("Nora added Ida", "Ida changed the group description", "Udo left")
            yield f"{header}{draw.choice(notices)}\n"
            continue
        body = " ".join(draw.choices(WORDS, k=min(60, int(draw.expovariate(1 / 10.5)) + 1)))
        if kind < 0.08:
            body = "<Media omitted>"
        elif kind < 0.25:
            body += "\n" + " ".join(draw.choices(WORDS, k=4))
            body += "\n" + draw.choice(WORDS) if draw.random() < 0.5 else ""
        elif kind < 0.26:
            body = "This message was deleted"
        elif kind < 0.27:
            body += " <This message was edited>"
        yield f"{header}{draw.choice(NAMES)}: {body}\n"


def write_chat(path: Path, messages: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines(messages))


# Each reader is a program: `reader FILE speed` prints the figures of one reading, `reader FOLDER
# rows` the messages of every file of a folder (null where it fails). Both print one JSON object.
COMMON = """
import json, pathlib, resource, sys, time
path, mode = sys.argv[1:3]
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def tried(file):
    try: return rows(read(str(file)))
    except Exception: return None
def main():
    if mode == "rows":
        files = sorted(pathlib.Path(path).iterdir())
        print(json.dumps({file.stem: tried(file) for file in files}))
        return
    before, start = peak(), time.process_time()
    found = read(path)
    cpu = time.process_time() - start
    print(json.dumps({"messages": len(found), "cpu": cpu, "imported": before, "peak": peak()}))
"""
OURS = (
    COMMON
    + """
from asimbot_plugins.whatsapp import read_export
def read(path): return read_export(path).messages
def rows(found): return [[m.timestamp.isoformat(), m.sender, m.text, m.kind] for m in found]
main()
"""
)
WHATSTK = (
    COMMON
    + """
import logging; logging.disable()
from whatstk import WhatsAppChat
def read(path): return WhatsAppChat.from_source(filepath=path).df
def rows(df): return [[r.date.isoformat(), r.username, r.message, "text"] for r in df.itertuples()]
main()
"""
)
CHATMINER = (
    COMMON
    + """
import logging; logging.disable()
import chatminer.chatparsers as chatparsers
if hasattr(chatparsers, "tqdm"): chatparsers.tqdm = lambda it=None, *a, **k: it
def read(path):
    parser = chatparsers.WhatsAppParser(path)
    parser.parse_file()
    return parser.parsed_messages.get_df()
def rows(df):
    return [[r["timestamp"].isoformat(), r["author"], r["message"], "text"]
            for r in reversed(list(df.iter_rows(named=True)))]
main()
"""
)
NODE = """
const fs = require('fs');
const { parseString } = require('whatsapp-chat-parser');
const [path, mode] = process.argv.slice(2);
const read = file => parseString(fs.readFileSync(file, 'utf8'), { parseAttachments: true });
const iso = d => new Date(d.getTime() - d.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
const rows = found =>
  found.map(m => [iso(m.date), m.author, m.message, m.attachment ? 'media' : 'text']);
if (mode === 'rows') {
  const all = {};
  for (const name of fs.readdirSync(path)) {
    try { all[name.slice(0, -4)] = rows(read(path + '/' + name)); }
    catch (error) { all[name.slice(0, -4)] = null; }
  }
  console.log(JSON.stringify(all));
} else {
  const peak = () => Math.floor(process.resourceUsage().maxRSS / 1024);
  const before = peak(), start = process.cpuUsage();
  const found = read(path);
  const used = process.cpuUsage(start);
  console.log(JSON.stringify({ messages: found.length, cpu: (used.user + used.system) / 1e6,
    imported: before, peak: peak() }));
}
"""


def prepare(folder: Path) -> dict[str, list[str]]:
    """Installs the peers (once) and writes the reader programs; returns their commands."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *PEERS], check=True)
    if not (folder / "node_modules").exists():
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, NPM], check=True)
    # Not named after the packages they import, which they would shadow.
    programs = {"ours.py": OURS, "whatstk_.py": WHATSTK, "chatminer_.py": CHATMINER}
    (folder / "readers").mkdir(exist_ok=True)
    for name, code in programs.items():
        (folder / "readers" / name).write_text(code, encoding="utf-8")
    (folder / "npm.js").write_text(NODE, encoding="utf-8")
    readers = folder / "readers"
    return {
        "asimbot": [sys.executable, str(readers / "ours.py")],
        "whatstk 0.9.1": [str(python), str(readers / "whatstk_.py")],
        "chat-miner 0.6.0": [str(python), str(readers / "chatminer_.py")],
        "whatsapp-chat-parser 4.0.2 (npm)": ["node", str(folder / "npm.js")],
    }


def run(command: list[str], path: Path, mode: str) -> Any:
    """What a reader prints, or None if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TZ": "UTC", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, str(path), mode], capture_output=True, text=True, env=environment, check=False
    )
    try:
        return json.loads(done.stdout.strip().split("\n")[-1])
    except (IndexError, json.JSONDecodeError):
        return None


def speed(commands: dict[str, list[str]], path: Path, repeats: int) -> dict[str, dict[str, Any]]:
    """Medians over readings taken in turns, so that load on the machine hits all alike."""
    readings: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            reading = run(command, path, "speed")
            if reading:
                readings[name].append(reading)
    found = {}
    for name, taken in readings.items():
        cpu = statistics.median(reading["cpu"] for reading in taken)
        peak = statistics.median(reading["peak"] for reading in taken)
        imported = statistics.median(reading["imported"] for reading in taken)
        found[name] = {
            "messages": taken[0]["messages"],
            "cpu_seconds": round(cpu, 3),
            "messages_per_cpu_second": round(taken[0]["messages"] / cpu),
            "peak_mib": peak,
            "over_import_mib": peak - imported,
        }
    return found


def correctness(commands: dict[str, list[str]], folder: Path) -> dict[str, dict[str, Any]]:
    """Variants read exactly: time, sender and text (newlines at the end aside), and with kinds."""
    from variants import ALL

    variants = folder / "variants"
    variants.mkdir()
    for number, variant in enumerate(ALL):
        (variants / f"{number:03}.txt").write_bytes(variant.text.encode())
    found = {name: {"right": 0, "with_kinds": 0, "failed": 0} for name in commands}
    for name, command in commands.items():
        read = run(command, variants, "rows") or {}
        authored_only = name.startswith(("whatstk", "chat-miner"))
        for number, variant in enumerate(ALL):
            rows = read.get(f"{number:03}")
            if rows is None:
                found[name]["failed"] += 1
                continue
            wanted = [
                [when if len(when) > 16 else when + ":00", sender, text.rstrip("\n"), kind]
                for when, sender, text, kind in variant.expected
                if sender is not None or not authored_only
            ]
            rows = [[*row[:2], (row[2] or "").rstrip("\n"), row[3]] for row in rows]
            found[name]["right"] += [r[:3] for r in rows] == [w[:3] for w in wanted]
            found[name]["with_kinds"] += rows == wanted
    for one in found.values():
        one["of"] = len(ALL)
    return found


def start_up(folder: Path) -> float:
    """CPU seconds of `asimbot parse` on two lines, interpreter included; median of 7."""
    path = folder / "two.txt"
    path.write_text("19/11/2023, 21:36 - Nora: rye\n20/11/2023, 07:05 - Teo: oats\n")
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'asimbot_plugins.cli', 'parse', sys.argv[1]],"
        " stdout=subprocess.DEVNULL, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime)"
    )
    taken = []
    for _ in range(7):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        taken.append(float(done.stdout))
    return round(statistics.median(taken), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description="Our WhatsApp reader beside its peers.")
    parser.add_argument("--peers", type=Path, help="folder to install the peers in, or to reuse")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="also 5 million messages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands = prepare(options.peers or folder / "peers")
        chat = folder / "chat.txt"
        write_chat(chat, MESSAGES)
        size = chat.stat().st_size
        figures = speed(commands, chat, options.repeats)
        right = correctness(commands, folder)
        start = start_up(folder)
        lengths = {MESSAGES: figures["asimbot"]}
        for messages in [1_000_000, *([5_000_000] if options.large else [])]:
            write_chat(chat, messages)
            lengths[messages] = speed({"asimbot": commands["asimbot"]}, chat, 1)["asimbot"]

    ours = figures["asimbot"]
    peers = [one for name, one in figures.items() if name != "asimbot"]
    fastest = max(one["messages_per_cpu_second"] for one in peers)
    longest = lengths[max(lengths)]
    goals = {
        "messages per CPU second, with kinds": goal(ours["messages_per_cpu_second"], 400_000),
        "times the fastest peer": goal(round(ours["messages_per_cpu_second"] / fastest, 2), 1.0),
        "MiB over import": goal(
            ours["over_import_mib"], min(one["over_import_mib"] for one in peers), at_least=False
        ),
        "peak MiB": goal(ours["peak_mib"], min(one["peak_mib"] for one in peers), at_least=False),
        "CPU seconds to start `asimbot parse`": goal(start, 0.3, at_least=False),
        f"rate at {max(lengths):,} messages over that at {MESSAGES:,}": goal(
            round(longest["messages_per_cpu_second"] / ours["messages_per_cpu_second"], 2), 0.8
        ),
        "variants read exactly, with kinds": goal(
            right["asimbot"]["with_kinds"], right["asimbot"]["of"]
        ),
    }
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    versions = {
        "asimbot": importlib.metadata.version("asimbot"),
        "whatstk": "0.9.1", "chat-miner": "0.6.0", "whatsapp-chat-parser": "4.0.2",
        "node": node.stdout.strip(),
    }  # fmt: skip
    write_results(
        "parse", goals, {"speed": figures, "correctness": right, "length": lengths}, versions
    )
    write_section("parse", section(figures, right, lengths, goals, size, options.repeats))
    for name, one in goals.items():
        print(f"{'holds ' if one['holds'] else 'MISSED'} {name}: {one['value']} ({one['goal']})")


def section(
    figures: dict[str, Any],
    right: dict[str, Any],
    lengths: dict[int, Any],
    goals: dict[str, Any],
    size: int,
    repeats: int,
) -> str:
    rows = [
        [
            name,
            f"{one['cpu_seconds']:.2f}",
            f"{one['messages_per_cpu_second']:,}",
            f"{one['peak_mib']:,.0f} ({one['over_import_mib']:,.0f})",
            f"{one['messages']:,}",
            f"{right[name]['right']}/{right[name]['of']}",
            f"{right[name]['with_kinds']}/{right[name]['of']}",
            str(right[name]["failed"]),
        ]
        for name, one in figures.items()
    ]
    head = ["reader", "CPU s", "messages per CPU s", "peak MiB (over import)", "messages"]
    head += ["variants right", "with kinds", "failed"]
    long = [
        [f"{n:,}", f"{one['cpu_seconds']:.2f}", f"{one['messages_per_cpu_second']:,}",
         f"{one['peak_mib']:,.0f}"]
        for n, one in lengths.items()
    ]  # fmt: skip
    return f"""## Reading WhatsApp exports

`python benchmarks/parse.py --large`: a generated Android export of {MESSAGES:,} messages
({size / 1e6:.1f} MB; 17 % multi-line, media, notices), medians of {repeats} processes in turns, and
the variants of `tests/whatsapp/variants.py`. whatstk and chat-miner drop lines without a sender, so
their variants count authored lines only; they have no kinds, and npm knows attachments only.
"failed" counts variants on which a reader stopped with an error.

{table(head, rows)}

Length, ours:

{table(["messages", "CPU s", "messages per CPU s", "peak MiB"], long)}

{goals_table(goals)}
"""


if __name__ == "__main__":
    main()
