"""Memory that `asimbot check --hardware` estimates, against what a training step really takes.

python benchmarks/cluster.py          (10 minutes; 5.5 GB of RAM)

Each case is a process of its own: the recipe's prepared base, LoRA with token rows, collator,
autocast and AdamW as a run has them, on rows of full length a quarter of which is reply. After
a first step (which makes the optimizer's states) the peak of resident memory is reset; what the
second step reaches, less what the process held before the model, is "resident". A third step
runs under PyTorch's profiler: the most that its tensors take at a time is "in use". The
difference is memory that was freed and that malloc keeps for itself.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent
GIB = 2**30
CASES = [
    ("tiny", 16, 128, False),
    ("tiny", 64, 128, False),
    ("pocket", 1, 256, False),
    ("pocket", 4, 256, False),
    ("pocket", 8, 256, False),
    ("pocket", 8, 256, True),
]


def tiny_recipe(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT / "tests"))
    sys.path.insert(0, str(ROOT / "tests" / "cluster"))
    from cluster_tiny import write_recipe
    from conftest import make_tiny_base

    lines: list[str] = []
    for file in sorted((ROOT / "examples" / "chat").glob("*.txt")):
        lines += file.read_text(encoding="utf-8").splitlines()
    return write_recipe(folder, make_tiny_base(folder / "base", lines))


def overrides(rows: int, length: int, checkpointed: bool) -> list[str]:
    return [
        f"micro_batch_size={rows}",
        f"sequence_len={length}",
        f"gradient_checkpointing={str(checkpointed).lower()}",
        "lora_dropout=0",
    ]


def measure(recipe_path: Path, rows: int, length: int, checkpointed: bool) -> dict[str, float]:
    """Bytes: estimated and measured, of one step."""
    import torch
    from peft import LoraConfig
    from transformers import AutoConfig, AutoModelForCausalLM

    from asimbot_plugins.cluster.hardware import _trains_in_half, estimate
    from asimbot_plugins.recipe import load_recipe
    from asimbot_plugins.sft.vocabulary import new_token_ids, prepare

    recipe = load_recipe(recipe_path, overrides(rows, length, checkpointed))
    base = prepare(recipe)
    estimated = estimate(recipe, on_gpu=False)
    half = _trains_in_half(recipe.data, on_gpu=False)
    torch.manual_seed(0)
    config = LoraConfig(
        r=recipe.data["lora_r"],
        lora_alpha=recipe.data["lora_alpha"],
        target_modules=recipe.data["lora_target_modules"],
        trainable_token_indices=new_token_ids(base),
    )
    dtype = torch.bfloat16 if half else torch.float32
    # Everything that is imported late, with a model of no size: that is not the recipe's memory.
    small = AutoConfig.from_pretrained(base)
    for key, value in (
        ("hidden_size", 64), ("intermediate_size", 64), ("num_hidden_layers", 1),
        ("layer_types", ["full_attention"]), ("vocab_size", 1 + max(new_token_ids(base))),
    ):  # fmt: skip
        setattr(small, key, value)
    steps(
        AutoModelForCausalLM.from_config(small, dtype=dtype, attn_implementation="sdpa"),
        config,
        half,
        1,
        16,
        checkpointed,
    )
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation="sdpa")
    peak, in_use = steps(model, config, half, rows, length, checkpointed)
    return {
        "estimated": estimated.total(rows),
        "in_use": in_use,
        "resident": peak - before,
        "parameters": estimated.parameters,
    }


def steps(
    model: Any, config: Any, half: bool, rows: int, length: int, checkpointed: bool
) -> tuple[float, float]:
    """(peak of resident memory in the second step of training, of tensors in the third): bytes."""
    import torch
    from peft import get_peft_model

    from asimbot_plugins.sft.collator import PackedBatch
    from asimbot_plugins.sft.step import make_cheap

    model = get_peft_model(model, config)
    make_cheap(model)
    if checkpointed:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
    asked = length - length // 4
    batch = PackedBatch(reply_only=True)(
        [
            {
                "input_ids": torch.randint(10, 500, (length,)).tolist(),
                "labels": [-100] * asked + torch.randint(10, 500, (length - asked,)).tolist(),
            }
            for _ in range(rows)
        ]
    )

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    step()
    peak = resident("VmHWM")
    states = [t for state in optimizer.state.values() for t in state.values()]
    held = sum(t.nbytes for t in {*model.parameters(), *model.buffers(), *states})
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        step()
    return peak, held + most_at_a_time(profile)


def most_at_a_time(profile: Any) -> float:
    """Bytes: the highest sum of what was allocated and not yet freed while it was profiled."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    changes = [(one["ts"], one["args"]["Bytes"]) for one in events if one["name"] == "[memory]"]
    return float(max(accumulate(change for _, change in sorted(changes, key=lambda c: c[0]))))


def resident(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return float(line.split()[1]) * 1024
    raise RuntimeError(field)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", nargs=4, metavar=("RECIPE", "ROWS", "LENGTH", "CHECKPOINTED"))
    arguments = parser.parse_args()
    if arguments.measure:
        path, rows, length, checkpointed = arguments.measure
        found = measure(Path(path), int(rows), int(length), checkpointed == "True")
        print("RESULT " + json.dumps(found))
        return

    from importlib.metadata import version

    from _report import goal, goals_table, table, write_results, write_section

    figures, lines = [], []
    with tempfile.TemporaryDirectory() as folder:
        recipes = {
            "tiny": tiny_recipe(Path(folder)),
            "pocket": ROOT / "recipes" / "pocket_sft.yml",
        }
        for name, rows, length, checkpointed in CASES:
            command = [sys.executable, __file__, "--measure", str(recipes[name])]
            done = subprocess.run(
                [*command, str(rows), str(length), str(checkpointed)],
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
            )
            if done.returncode != 0:
                raise SystemExit(done.stderr[-3000:])
            (line,) = [one for one in done.stdout.splitlines() if one.startswith("RESULT ")]
            found = json.loads(line.removeprefix("RESULT "))
            ratios = {kind: found["estimated"] / found[kind] for kind in ("in_use", "resident")}
            print(name, rows, length, checkpointed, found, ratios, flush=True)
            figures.append(
                {"model": name, "rows": rows, "tokens": length, "checkpointed": checkpointed}
                | {key: round(value) for key, value in found.items()}
                | {f"ratio_{kind}": round(value, 3) for kind, value in ratios.items()}
            )
            lines.append(
                [
                    f"{name} ({found['parameters'] / 1e6:.1f} M)",
                    f"{rows} × {length}",
                    "yes" if checkpointed else "no",
                    *(f"{found[kind] / GIB:.3f}" for kind in ("estimated", "in_use", "resident")),
                    *(f"{value:.2f}" for value in ratios.values()),
                ]
            )
    goals = {}
    for kind, words in (("in_use", "tensors in use"), ("resident", "resident memory")):
        ratio = [figure[f"ratio_{kind}"] for figure in figures]
        goals[f"smallest estimate over {words}"] = goal(min(ratio), 0.8)
        goals[f"largest estimate over {words}"] = goal(max(ratio), 1.25, at_least=False)
    versions = {name: version(name) for name in ("torch", "transformers", "peft")}
    libc = " ".join(platform.libc_ver())
    machine = {"memory": figures, "machine": platform.machine(), "libc": libc}
    write_results("cluster", goals, machine, versions)
    head = ["model", "rows × tokens", "checkpointing", "estimated GiB", "in use GiB"]
    head += ["resident GiB", "estimated / in use", "estimated / resident"]
    text = (
        "## Memory of a training step\n\n"
        "`python benchmarks/cluster.py`: LoRA with token rows on a CPU, one step, against "
        "`asimbot check --hardware`.\n*In use*: the most that PyTorch's tensors take at a time. "
        "*Resident*: the peak of the process over the\nprocess without a model, with what malloc "
        f"({libc}) keeps of freed memory. Nothing here was measured on a GPU.\n\n"
        + table(head, lines)
        + "\n\n"
        + goals_table(goals)
    )
    write_section("cluster", text)
    write_section("memory", table(head, lines), ROOT / "docs" / "cluster.md")


if __name__ == "__main__":
    main()
