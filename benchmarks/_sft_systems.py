"""The trainers that benchmarks/sft.py compares; each runs in a process of its own.

All train the same adapter (LoRA and the rows of the new tokens) of the same prepared base on the
same tokenised rows, with AdamW and a constant learning rate: in bfloat16 under autocast where the
CPU multiplies it, else in float32, as our recipe's ``bf16: auto`` has it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {"AXOLOTL_DO_NOT_TRACK": "1", "DO_NOT_TRACK": "1", "WANDB_MODE": "disabled"}

import torch
import yaml
from transformers import Trainer, TrainerCallback, TrainingArguments

from asimbot_plugins.cpu import has_bf16

BF16 = has_bf16()
DTYPE = torch.bfloat16 if BF16 else torch.float32
LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.05}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RATE = 3e-4
ROWS = 8
PADDED_TO = 512
PADDED_ROWS = 2
"""Rows of a step of the padded way: eight of 512 tokens with all logits take 15 GB."""
BIN = 640
"""Tokens of a packed bin: about eight rows of the example chat."""


class Recorder(TrainerCallback):
    """Seconds, tokens, supervised tokens and loss of every step, and the peak of memory."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.steps: list[dict[str, float]] = []
        self.peak = 0.0
        self.counts: list[tuple[int, int]] = []
        step = trainer.training_step

        def counted(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            targets = (
                inputs["shift_labels"] if "shift_labels" in inputs else inputs["labels"][..., 1:]
            )
            self.counts.append((int((targets != -100).sum()), inputs["input_ids"].numel()))
            loss = step(model, inputs, *args, **kwargs)
            self.loss = float(loss)
            return loss

        trainer.training_step = counted
        trainer.add_callback(self)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.mark = (time.process_time(), time.perf_counter())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        now = (time.process_time(), time.perf_counter())
        targets, tokens = (sum(column) for column in zip(*self.counts, strict=True))
        self.steps.append(
            {
                "cpu": now[0] - self.mark[0],
                "wall": now[1] - self.mark[1],
                "targets": targets,
                "tokens": tokens,
                "loss": self.loss,
            }
        )
        self.counts.clear()
        self.mark = (time.process_time(), time.perf_counter())

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def new_ids(base: Path) -> list[int]:
    from asimbot_plugins.sft.vocabulary import new_token_ids

    return new_token_ids(base)


def peft_model(base: Path, token_rows: bool = True) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=DTYPE, attn_implementation="sdpa")
    rows = new_ids(base) if token_rows else None
    config = LoraConfig(
        target_modules=TARGETS, trainable_token_indices=rows, task_type="CAUSAL_LM", **LORA
    )
    model = get_peft_model(model, config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model


def arguments(folder: Path, rows: int, steps: int) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": rows,
        "max_steps": steps,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch",
        "bf16": BF16,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def padded(base: Path, folder: Path, steps: int) -> Recorder:
    """The seed's way: transformers' Trainer, rows padded to 512, logits of every position."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    pad = AutoTokenizer.from_pretrained(base).pad_token_id
    rows = read(folder / "rows.jsonl")

    def filled(values: list[int], value: int) -> list[int]:
        return values + [value] * (PADDED_TO - len(values))

    data = Dataset.from_list(
        [
            {
                "input_ids": filled(row["input_ids"], pad),
                "attention_mask": filled([1] * len(row["input_ids"]), 0),
                "labels": filled(row["labels"], -100),
            }
            for row in rows
        ]
    )
    trainer = Trainer(
        model=peft_model(base),
        args=TrainingArguments(**arguments(folder, PADDED_ROWS, steps)),
        train_dataset=data,
    )
    recorder = Recorder(trainer)
    trainer.train()
    return recorder


def trl(base: Path, folder: Path, loss_type: str, token_rows: bool = True) -> Recorder:
    """TRL's SFTTrainer, padding-free (packed) batches of eight rows, completion-only loss."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = read(folder / "rows.jsonl")
    data = Dataset.from_list(
        [
            {
                "input_ids": row["input_ids"],
                "completion_mask": [int(label != -100) for label in row["labels"]],
            }
            for row in rows
        ]
    )
    config = SFTConfig(
        **arguments(folder, ROWS, len(rows) // ROWS),
        padding_free=True,
        completion_only_loss=True,
        max_length=None,
        gradient_checkpointing=False,
        loss_type=loss_type,
    )
    trainer = SFTTrainer(
        model=peft_model(base, token_rows),
        args=config,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(base),
    )
    recorder = Recorder(trainer)
    trainer.train()
    return recorder


def axolotl(base: Path, folder: Path, chunked: bool) -> Recorder:
    """Stock Axolotl: its own collator and sample packing, none of our plugin.

    A plugin of the benchmark asks for the CPU (without it, bf16 is refused here) and records.
    """
    recipe = {
        "plugins": ["_sft_stock.StockPlugin"],
        "base_model": str(base),
        "adapter": "lora",
        "lora_r": LORA["r"],
        "lora_alpha": LORA["lora_alpha"],
        "lora_dropout": LORA["lora_dropout"],
        "lora_target_modules": TARGETS,
        "peft_trainable_token_indices": new_ids(base),
        "lora_mlp_kernel": False,
        "lora_qkv_kernel": False,
        "lora_o_kernel": False,
        "lora_embedding_kernel": False,
        # Rows tokenised and masked before: exactly those of the other systems.
        "datasets": [{"path": str(folder / "rows.jsonl"), "ds_type": "json", "type": None}],
        "dataset_prepared_path": str(folder / "prepared"),
        "dataset_num_proc": 1,
        "sequence_len": BIN,
        "sample_packing": True,
        "pad_to_sequence_len": False,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "num_epochs": 1,
        "learning_rate": RATE,
        "lr_scheduler": "constant",
        "optimizer": "adamw_torch",
        "weight_decay": 0.0,
        "bf16": BF16,
        "fp16": False,
        "tf32": False,
        "attn_implementation": "sdpa",
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "val_set_size": 0,
        "save_strategy": "no",
        "logging_steps": 1,
        "output_dir": str(folder / "out"),
        "seed": 42,
    }
    if chunked:
        recipe["chunked_cross_entropy"] = True
    return _run_axolotl(recipe, folder)


def ours(base: Path, folder: Path) -> Recorder:
    """recipes/pocket_sft.yml, on the same rows."""
    from _sft_stock import StockPlugin

    from asimbot_plugins import axolotl_adapter
    from asimbot_plugins.dataset import DatasetFiles
    from asimbot_plugins.recipe import load_recipe

    recipe = load_recipe(
        Path(__file__).parent.parent / "recipes" / "pocket_sft.yml",
        [
            f"output_dir={folder / 'out'}",
            "num_epochs=1",
            f"learning_rate={RATE}",
            "lr_scheduler=constant",
            "warmup_ratio=null",
            "evals_per_epoch=null",
            "saves_per_epoch=null",
            "eval_strategy='no'",
            "save_strategy='no'",
            "dataset_num_proc=1",
        ],
    ).data
    axolotl_adapter.ensure_dataset = lambda *_: DatasetFiles(folder / "text", folder.name)
    plugin = axolotl_adapter.AsimbotPlugin
    created = plugin.post_trainer_create

    def recorded(self: Any, cfg: Any, trainer: Any) -> None:
        created(self, cfg, trainer)
        StockPlugin.recorder = Recorder(trainer)

    plugin.post_trainer_create = recorded
    return _run_axolotl(recipe, folder)


def _run_axolotl(recipe: dict[str, Any], folder: Path) -> Recorder:
    from _sft_stock import StockPlugin
    from axolotl.cli.train import do_cli

    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    do_cli(config=str(path))
    recorder: Recorder = StockPlugin.recorder
    return recorder


def heldout_loss(model: Any, rows: list[dict[str, Any]]) -> float:
    """Nats per supervised token, by the model's own forward."""
    from asimbot_plugins.sft.collator import PackedBatch

    model.eval()
    total, count = 0.0, 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=BF16):
        for start in range(0, len(rows), ROWS):
            batch = PackedBatch(reply_only=True)(rows[start : start + ROWS])
            targets = batch["labels"].numel()
            loss = model(**batch, use_cache=False).loss
            total, count = total + float(loss) * targets, count + targets
    return total / count


SYSTEMS = {
    "padded": lambda base, folder, steps: padded(base, folder, steps),
    "axolotl": lambda base, folder, _: axolotl(base, folder, chunked=False),
    "axolotl chunked": lambda base, folder, _: axolotl(base, folder, chunked=True),
    "trl": lambda base, folder, _: trl(base, folder, "nll"),
    "trl frozen rows": lambda base, folder, _: trl(base, folder, "chunked_nll", token_rows=False),
    "ours": lambda base, folder, _: ours(base, folder),
}


def main() -> None:
    name, base, folder, steps = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    recorder = SYSTEMS[name](base, folder, steps)
    found = {"steps": recorder.steps, "peak": recorder.peak}
    if name not in ("padded", "trl frozen rows"):  # another number of tokens; another forward
        found["heldout"] = heldout_loss(recorder.trainer.model, read(folder / "heldout.jsonl"))
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
