"""SFT: the seed's way, stock Axolotl, TRL and ours on the same rows; and what a step must cost.

python benchmarks/sft.py                (about 12 minutes on one core; 6 GB of RAM)
python benchmarks/sft.py --curve 40     (longer runs: 40 steps of eight rows)

Every system is a process of its own on one thread, with the prepared pocket model, the same
tokenised rows of the example chat and the same adapter. The first steps warm up; speed is the
median of the others. Peak memory is the largest resident set of the process until training ends.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "recipes" / "pocket_sft.yml"
SYSTEMS = Path(__file__).parent / "_sft_systems.py"
WARM_UP = 2
HELDOUT_ROWS = 96
NOISE = 0.1
"""Nats: held-out losses this near count as equal; the order of rows alone moves them by it."""

LABELS = {
    "padded": "(a) Trainer, rows padded to 512, all logits",
    "axolotl": "(b) stock Axolotl, sample packing",
    "axolotl chunked": "(b') the same with chunked_cross_entropy",
    "trl": "(c) TRL, padding-free, completion only",
    "trl frozen rows": "(c') TRL, chunked_nll, token rows frozen",
    "ours": "(d) recipes/pocket_sft.yml",
}
RIVALS = ("axolotl", "axolotl chunked", "trl")


def prepare_data(folder: Path, count: int) -> Path:
    """Writes the rows every system reads; returns the prepared base."""
    from transformers import AutoTokenizer

    from asimbot_plugins.dataset import ensure_dataset
    from asimbot_plugins.host import load_host
    from asimbot_plugins.recipe import load_recipe
    from asimbot_plugins.sft.masking import encode_row
    from asimbot_plugins.sft.vocabulary import prepare

    recipe = load_recipe(RECIPE, ["asimbot.dataset_dir=runs/benchmark_sft/data"])
    base = prepare(recipe)
    files = ensure_dataset(recipe, load_host())
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokens = recipe.section.tokens
    (folder / "text").mkdir()
    for name, path, limit in (
        ("rows", files.train, count),
        ("heldout", files.heldout, HELDOUT_ROWS),
    ):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        random.Random(0).shuffle(rows)
        rows = rows[:limit]
        encoded = [
            encode_row(
                tokenizer,
                row["text"],
                tokens.reply if tokens.reply in row["text"] else tokens.response,
                recipe.data["sequence_len"],
                tokens.speakers,
            )
            for row in rows
        ]
        write_jsonl(folder / f"{name}.jsonl", encoded)
        write_jsonl(folder / "text" / f"{'dataset' if name == 'rows' else name}.jsonl", rows)
    return base


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(name: str, base: Path, folder: Path, steps: int) -> dict[str, Any] | None:
    """What the system's process reported; None (and why, on screen) if it failed."""
    done = subprocess.run(
        [
            sys.executable,
            str(SYSTEMS),
            name,
            str(base),
            str(folder),
            str(steps),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])},
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not lines:
        print(f"{name} failed:\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return None
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    measured = found["steps"][WARM_UP:] if len(found["steps"]) > WARM_UP else found["steps"][1:]
    for clock in ("cpu", "wall"):
        rates = [step["targets"] / step[clock] for step in measured]
        found[f"{clock}_rate"] = statistics.median(rates)
    found["tokens_rate"] = statistics.median(step["tokens"] / step["cpu"] for step in measured)
    print(name, {key: value for key, value in found.items() if key != "steps"}, flush=True)
    return found


def machine_peaks() -> dict[str, float]:
    """Multiply-adds and bytes read a second that this core reaches, by trying."""
    import torch
    from _sft_systems import DTYPE

    torch.set_num_threads(1)
    a = torch.randn(2048, 2048, dtype=DTYPE)
    big = torch.ones(2**28, dtype=torch.float32)  # 1 GiB: larger than any cache

    def best(work: Any) -> float:
        work()
        times = []
        for _ in range(5):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return min(times)

    return {"flops": 2 * 2048**3 / best(lambda: a @ a), "bytes": 2**30 / best(lambda: big.sum())}


def growth(base: Path) -> list[dict[str, Any]]:
    """CPU seconds of our step for more rows, longer rows, more tokens; and what it can't beat."""
    import torch
    from _sft_systems import BF16, peft_model

    from asimbot_plugins.sft.collator import PackedBatch
    from asimbot_plugins.sft.step import make_cheap

    peaks = machine_peaks()
    model = peft_model(base)
    make_cheap(model)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    causal = model.get_base_model()
    config = causal.config
    linear = sum(
        m.weight.numel()
        for m in causal.model.modules()
        if type(m) is torch.nn.Linear and m.weight.shape[0] > 16 and m.weight.shape[1] > 16
    )
    lora = sum(p.numel() for p in trained if p.shape[0] == 16 or p.shape[-1] == 16)
    lines = []
    replies = 12
    for rows, length in ((2, 64), (8, 64), (32, 64), (8, 32), (8, 128), (8, 256)):
        generator = random.Random(0)
        batch = PackedBatch(reply_only=True)(
            [
                {
                    "input_ids": (ids := [generator.randrange(1000, 9000) for _ in range(length)]),
                    "labels": [-100] * (length - replies) + ids[-replies:],
                }
                for _ in range(rows)
            ]
        )
        times = []
        for _ in range(3):
            start = time.process_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
                loss = model(**batch, use_cache=False).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            times.append(time.process_time() - start)
        tokens, targets = rows * length, rows * replies
        heads = config.num_attention_heads * config.head_dim * config.num_hidden_layers
        floor = cost_floor(
            peaks, linear, lora, tokens, targets, config.vocab_size, config.hidden_size,
            attended=2 * heads * rows * length**2,
        )  # fmt: skip
        lines.append(
            {"rows": rows, "length": length, "vocabulary": config.vocab_size}
            | {"cpu": min(times[1:]), **floor}
        )
        print(lines[-1], flush=True)
    lines += vocabulary_growth(peaks, config.hidden_size, 8 * replies)
    return [{"peaks": peaks}, *lines]


def cost_floor(
    peaks: dict[str, float],
    linear: int,
    lora: int,
    tokens: int,
    targets: int,
    vocabulary: int,
    hidden: int,
    attended: int,
) -> dict[str, float]:
    """Seconds that arithmetic and memory traffic take at the measured peaks.

    Forward and the gradient of the inputs: 4 operations a frozen weight and token, 6 a LoRA
    weight; the output layer at supervised positions alone. Bytes: frozen weights read twice,
    logits and their gradient written and read once, in the precision of the run.
    """
    from _sft_systems import DTYPE

    head = vocabulary * hidden
    flops = tokens * (4 * linear + 6 * lora) + 4 * head * targets + 3 * attended
    moved = DTYPE.itemsize * (2 * (linear + head) + 4 * targets * vocabulary)
    return {"flops_s": flops / peaks["flops"], "bytes_s": moved / peaks["bytes"]}


def vocabulary_growth(peaks: dict[str, float], hidden: int, targets: int) -> list[dict[str, Any]]:
    """The output layer and its loss alone, forward and backward, for three vocabularies."""
    import torch
    from _sft_systems import DTYPE

    from asimbot_plugins.sft.token_loss import causal_loss

    lines = []
    for vocabulary in (32_768, 131_072, 262_144):
        head = torch.randn(vocabulary, hidden, dtype=DTYPE)
        times = []
        for _ in range(3):
            x = torch.randn(1, targets, hidden, dtype=DTYPE, requires_grad=True)
            target = torch.randint(vocabulary, (1, targets))
            start = time.process_time()
            logits = torch.nn.functional.linear(x, head)
            causal_loss(logits, target, vocabulary, shift_labels=target).backward()
            times.append(time.process_time() - start)
        floor = cost_floor(peaks, 0, 0, 0, targets, vocabulary, hidden, 0)
        lines.append(
            {"rows": 8, "length": None, "vocabulary": vocabulary, "cpu": min(times[1:]), **floor}
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=6, help="measured steps of eight rows")
    parser.add_argument("--curve", type=int, help="steps of a longer run, for the loss curves")
    parser.add_argument("--only", nargs="*", choices=LABELS, help="these systems alone; no report")
    arguments = parser.parse_args()
    steps = WARM_UP + (arguments.curve or arguments.steps)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as parent:
        for name in arguments.only or LABELS:
            folder = Path(parent) / name.replace(" ", "-")
            folder.mkdir()
            base = prepare_data(folder, 8 * steps)
            result = run(name, base, folder, WARM_UP + 1)
            if result:
                found[name] = result
    if not arguments.only:
        report(found, growth(base), steps)


def report(found: dict[str, Any], grown: list[dict[str, Any]], steps: int) -> None:
    from importlib.metadata import version

    from _report import goal, goals_table, table, write_results, write_section
    from _sft_systems import DTYPE

    precision = str(DTYPE).removeprefix("torch.")
    ours = found["ours"]
    best = max((found[name] for name in RIVALS if name in found), key=lambda one: one["cpu_rate"])
    leanest = min(found[name]["peak"] for name in RIVALS if name in found)
    gap = ours["heldout"] - min(found[name]["heldout"] for name in RIVALS if name in found)
    goals = {
        "times the best of (b) and (c), supervised tokens per CPU second": goal(
            round(ours["cpu_rate"] / best["cpu_rate"], 2), 2
        ),
        "times the same, per wall second": goal(round(ours["wall_rate"] / best["wall_rate"], 2), 2),
        "times (a)": goal(round(ours["cpu_rate"] / found["padded"]["cpu_rate"], 1), 10),
        "memory as a share of the leaner of (b) and (c)": goal(
            round(ours["peak"] / leanest, 2), 0.7, at_least=False
        ),
        f"held-out loss above the best of theirs, nats (noise: {NOISE})": goal(
            round(gap, 3), NOISE, at_least=False
        ),
    }
    rows = [
        [
            LABELS[name],
            f"{one['cpu_rate']:.1f}",
            f"{one['wall_rate']:.1f}",
            f"{one['tokens_rate']:,.0f}",
            f"{one['peak']:.2f}",
            f"{one['heldout']:.3f}" if one.get("heldout") else "–",
            " ".join(f"{step['loss']:.2f}" for step in curve_of(one["steps"])),
        ]
        for name, one in found.items()
    ]
    peaks, *lines = grown
    grown_rows = [
        [
            f"{line['rows']} × {line['length']}" if line["length"] else "output layer, 96 targets",
            f"{line['vocabulary']:,}",
            f"{line['cpu']:.2f}",
            f"{line['flops_s']:.2f}",
            f"{line['bytes_s']:.2f}",
            f"{line['cpu'] / max(line['flops_s'], line['bytes_s']):.1f}",
        ]
        for line in lines
    ]
    versions = {name: version(name) for name in ("torch", "transformers", "peft", "trl", "axolotl")}
    write_results(
        "sft", goals, {"systems": found, "growth": grown, "precision": precision}, versions
    )
    write_section(
        "sft",
        f"""## Supervised fine-tuning

`python benchmarks/sft.py{"" if steps == WARM_UP + 6 else f" --curve {steps - WARM_UP}"}`: the
pocket model, {
            8 * steps
        } rows of the example chat (the same tokens for all), LoRA of rank 16 on all linear
layers and 11 trained token rows, {
            precision
        }, learning rate 3e-4 constant, one thread, each system in
its own process; {WARM_UP} warm-up steps, then the median. "Supervised" counts reply tokens. (a) is
the seed's way, two rows a step since eight take 15 GB (its loss was on the whole row; here it is on
the reply, which costs the same). (c') leaves the new tokens' rows untrained, because TRL's cheap
loss refuses a trained output layer: not the same task, shown for the speed. Held-out loss after one
pass over the rows, {HELDOUT_ROWS} held-out rows.

{
            table(
                [
                    "system",
                    "supervised tokens per CPU s",
                    "per wall s",
                    "all tokens per CPU s",
                    "peak GiB",
                    "held-out loss",
                    "training loss",
                ],
                rows,
            )
        }

What our step costs (forward, backward, AdamW; 12 supervised tokens a row) against the floor: its
arithmetic over {peaks["peaks"]["flops"] / 1e12:.2f} TFLOP/s, and its least memory traffic over
{peaks["peaks"]["bytes"] / 1e9:.1f} GB/s, both measured in the same run:

{
            table(
                [
                    "rows × length",
                    "vocabulary",
                    "CPU s",
                    "arithmetic s",
                    "memory s",
                    "times the floor",
                ],
                grown_rows,
            )
        }

{goals_table(goals)}
""",
    )
    print(json.dumps(goals, indent=2))


def curve_of(steps: list[dict[str, float]]) -> list[dict[str, float]]:
    """At most eight points of a curve, evenly spread."""
    stride = max(1, len(steps) // 8)
    return steps[::stride]


if __name__ == "__main__":
    main()
