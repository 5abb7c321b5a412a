"""Our plugin inside Axolotl; the only module that imports it.

Axolotl loads this module before anything of a recipe is used. From then on its telemetry is
off: an error message could name a person of the chat.

Hooks and their order are those of Axolotl 0.19. Facts about a CPU (automatic fp16, Triton
kernels switched on unasked) were measured with that version.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin
from axolotl.prompt_tokenizers import PromptTokenizingStrategy
from axolotl.telemetry.manager import TelemetryManager
from pydantic import BaseModel
from transformers import TrainerCallback, set_seed

from asimbot_plugins.cluster.distributed import (
    ADAPTER_FILE,
    asked_world_size,
    check_adapter,
    check_world,
    expected_adapter,
    file_mark,
    fix_cpu_backend,
    gather_token_rows,
)
from asimbot_plugins.cluster.preemption import PreemptionCallback
from asimbot_plugins.cpu import has_bf16
from asimbot_plugins.dataset import DatasetFiles, ensure_dataset
from asimbot_plugins.errors import UserError
from asimbot_plugins.evaluate.card import write_card
from asimbot_plugins.generation.sampler import write_sidecar
from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import ComponentSpec, Recipe, Section, recipe_from
from asimbot_plugins.sft.axolotl_names import PROGRESS_FILE
from asimbot_plugins.sft.keys import gpu_needs, key_problems
from asimbot_plugins.sft.masking import encode_row
from asimbot_plugins.sft.step import make_cheap
from asimbot_plugins.sft.vocabulary import new_token_ids, prepare
from asimbot_plugins.tokens import TokenNames

STRATEGY = "asimbot_plugins.axolotl_adapter"
"""Dataset ``type`` that leads Axolotl to ``load`` below."""

TelemetryManager.get_instance().enabled = False


class AsimbotArgs(BaseModel):
    """Mixed into Axolotl's own schema, so that it keeps and checks our block."""

    asimbot: Section | None = None


class AsimbotPlugin(BasePlugin):
    """Prepares base and dataset for a run and feeds both to Axolotl."""

    def register(self, cfg: Any) -> None:
        """Replaces the raw config in place by the flattened recipe, ready to train.

        Runs in every process, before Axolotl validates. A user's mistake ends the process
        with one line and status 2.
        """
        self._expected: dict[str, tuple[int, ...]] = {}
        with _one_line_errors():
            asked_world_size()
            self.recipe = _recipe_of(cfg)
            self._take_over(cfg, self.recipe)
            fix_cpu_backend(bool(cfg.get("deepspeed")))
            if cfg.get("deepspeed"):
                gather_token_rows()

    def _take_over(self, cfg: Any, recipe: Recipe) -> None:
        trains = not (cfg.get("inference") or cfg.get("merge_lora"))
        problems = key_problems(recipe.data)
        if trains and not cfg.get("is_preprocess") and not torch.cuda.is_available():
            problems += gpu_needs(recipe.data)
        if problems:
            raise UserError(problems[0], "'asimbot check' lists all problems")
        for key in set(cfg) - set(recipe.data) - {"axolotl_config_path"}:
            cfg.pop(key)
        for key, value in recipe.data.items():
            cfg[key] = value
        cfg["base_model"] = str(prepare(recipe, _say))
        if trains:
            files = ensure_dataset(recipe, load_host(), _say)
            _use_dataset(cfg, files)
        else:
            _use_dataset(cfg, DatasetFiles(recipe.dataset_dir, "unused"))
        # The default, memory-efficient merge drops trained token rows without a word.
        cfg.setdefault("merge_method", "legacy")
        # Left alone, it drops the last batch of the held-out part too: all of a small one.
        cfg.setdefault("dataloader_drop_last", False)
        evaluate_single_epochs(cfg)
        if not torch.cuda.is_available():
            set_cpu_keys(cfg)

    def get_input_args(self) -> str:
        return "asimbot_plugins.axolotl_adapter.AsimbotArgs"

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        if not torch.cuda.is_available():
            cfg.device_map = None

    def pre_model_load(self, cfg: Any) -> None:
        # Axolotl seeds nothing before LoRA is initialised: runs would differ.
        set_seed(self.recipe.seed)

    def get_lora_config_kwargs(self, cfg: Any) -> dict[str, Any]:
        if cfg.rl or cfg.reward_model:
            return {}
        return {"trainable_token_indices": new_token_ids(Path(cfg.base_model))}

    def post_lora_load(self, cfg: Any, model: Any) -> None:
        weight, end = self.recipe.section.end_token_weight, None
        if weight != 1:
            from transformers import AutoTokenizer

            end = (AutoTokenizer.from_pretrained(cfg.base_model).eos_token_id, weight)
        make_cheap(model, end)

    def get_training_args(self, cfg: Any) -> dict[str, Any] | None:
        arguments: dict[str, Any] = {}
        if not (cfg.rl or cfg.reward_model):
            # Axolotl switches it off: each process would divide by its own tokens alone.
            arguments["average_tokens_across_devices"] = True
        if not torch.cuda.is_available():
            arguments |= {"use_cpu": not cfg.deepspeed, "dataloader_pin_memory": False}
        return arguments or None

    def get_trainer_cls(self, cfg: Any) -> type | None:
        if cfg.rl or cfg.reward_model:
            return None
        from axolotl.core.trainers import AxolotlTrainer

        from asimbot_plugins.sft.token_weighted import TokenWeightedMixin

        class AsimbotTrainer(TokenWeightedMixin, AxolotlTrainer):
            batch_tokens = self.recipe.section.batch_tokens

        return AsimbotTrainer

    def get_collator_cls_and_kwargs(self, cfg: Any, is_eval: bool = False) -> Any:
        if cfg.rl or cfg.reward_model:
            return None
        return make_collator, {
            "spec": self.recipe.section.collator,
            "model_type": cfg.model_config_type,
        }

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[TrainerCallback]:
        return [ProgressCallback(), PreemptionCallback(_say)]

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        with _one_line_errors():
            check_world(trainer)
        if cfg.adapter:
            self._expected = expected_adapter(trainer.model)
        self._before = file_mark(Path(cfg.output_dir) / ADAPTER_FILE)
        self._trained = False

    def post_train(self, cfg: Any, model: Any) -> None:
        # Axolotl calls this twice, before and after it saves; the second time counts.
        saved, self._trained = self._trained, True
        if not saved or int(os.environ.get("RANK", "0")) != 0 or not self._expected:
            return
        folder = Path(cfg.output_dir)
        with _one_line_errors():
            if file_mark(folder / ADAPTER_FILE) == self._before:
                raise UserError(f"no adapter was saved in {folder}", "its checkpoints are kept")
            check_adapter(folder, self._expected)
        write_sidecar(folder, self.recipe)
        # Axolotl's and PEFT's cards print names, files and paths of this machine.
        write_card(self.recipe)
        for card in folder.glob("checkpoint-*/README.md"):
            card.unlink()


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    # Inside Axolotl an exception would come out as a traceback of hundreds of lines.
    try:
        yield
    except UserError as error:
        report_progress(error=str(error))
        print(f"asimbot: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


def _recipe_of(cfg: Any) -> Recipe:
    raw = cfg.to_dict() if hasattr(cfg, "to_dict") else dict(cfg)
    path = Path(raw.pop("axolotl_config_path"))
    return recipe_from(raw, path)


def _use_dataset(cfg: Any, files: DatasetFiles) -> None:
    cfg["datasets"] = [{"path": str(files.train), "ds_type": "json", "type": STRATEGY}]
    cfg["test_datasets"] = [
        {"path": str(files.heldout), "ds_type": "json", "type": STRATEGY, "split": "train"}
    ]
    cfg["val_set_size"] = 0
    # Axolotl's own cache key ignores the content of the files: a folder for each content.
    masking = cfg["asimbot"].get("train_on", "last_reply")
    cfg["dataset_prepared_path"] = str(files.folder / f"tokenised-{files.fingerprint}-{masking}")


def evaluate_single_epochs(cfg: Any) -> None:
    """Keeps the held-out loss of runs that are to evaluate once.

    Axolotl turns ``evals_per_epoch`` into a share of the run and drops shares from 1.0 on, lest
    they mean every step: ``num_epochs: 1`` with one evaluation would have none.
    """
    evaluations = cfg.get("evals_per_epoch") or 0
    if 0 < evaluations * (cfg.get("num_epochs") or 1) <= 1 and not cfg.get("eval_strategy"):
        cfg.pop("evals_per_epoch")
        cfg["eval_strategy"] = "epoch"


def set_cpu_keys(cfg: Any) -> None:
    """Sets what a CPU needs wherever the recipe leaves it to Axolotl.

    Left alone, Axolotl turns ``bf16: auto`` into fp16 on a CPU, whose first update gives NaN
    with exit status 0, and switches on LoRA kernels that need CUDA.
    """
    for kernel in ("mlp", "qkv", "o", "embedding"):
        cfg[f"lora_{kernel}_kernel"] = False
    if cfg.get("bf16") in (None, "auto"):
        cfg["bf16"] = has_bf16()
    cfg["fp16"] = False
    cfg["tf32"] = False
    if cfg.get("optimizer") in (None, "adamw_torch_fused"):
        cfg["optimizer"] = "adamw_torch"
    if str(cfg.get("attn_implementation") or "").startswith("flash") or cfg.get("flash_attention"):
        cfg.pop("flash_attention", None)
        cfg["attn_implementation"] = "sdpa"
        _say("no GPU here: sdpa instead of flash attention")
    cfg.setdefault("dataloader_num_workers", 0)


def make_collator(tokenizer: Any, *, spec: ComponentSpec, model_type: str, **_: Any) -> Any:
    """The recipe's collator; Axolotl calls this as if it were a class."""
    return load_host().make("collator", spec.name, spec.options).make(tokenizer, model_type)


class SysMaskStrategy(PromptTokenizingStrategy):
    """Tokenises rows with a key ``text``; labels are −100 up to and including the reply token."""

    supports_batched = False

    def __init__(
        self, tokenizer: Any, tokens: TokenNames, sequence_len: int, train_on: str = "last_reply"
    ) -> None:
        self.tokenizer = tokenizer
        self.tokens = tokens
        self.train_on = train_on
        self.sequence_len = sequence_len
        self.prompter = None
        self.train_on_inputs = False

    def tokenize_prompt(self, prompt: dict[str, Any]) -> dict[str, list[int]]:
        text: str = prompt["text"]
        reply_token = self.tokens.reply if self.tokens.reply in text else self.tokens.response
        return encode_row(
            self.tokenizer,
            text,
            reply_token,
            self.sequence_len,
            self.tokens.speakers,
            self.train_on,
        )


def load(tokenizer: Any, cfg: Any, ds_cfg: Any = None) -> SysMaskStrategy:
    """Axolotl's door for a dataset ``type``."""
    block = cfg.asimbot.to_dict() if hasattr(cfg.asimbot, "to_dict") else cfg.asimbot
    tokens = TokenNames(**block["tokens"])
    return SysMaskStrategy(tokenizer, tokens, cfg.sequence_len, block["train_on"])


class ProgressCallback(TrainerCallback):
    """Tells ``asimbot train`` how far the run is."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        report_progress(step=state.global_step, steps=state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        report_progress(step=state.global_step, steps=state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        numbers = {k: v for k, v in (logs or {}).items() if isinstance(v, int | float)}
        report_progress(step=state.global_step, steps=state.max_steps, **numbers)


def report_progress(**values: Any) -> None:
    """Appends one JSON line to the file that ``asimbot train`` watches, if there is one."""
    path = os.environ.get(PROGRESS_FILE)
    if path and int(os.environ.get("RANK", "0")) == 0:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), **values}) + "\n")


def _say(line: str) -> None:
    report_progress(say=line)
    print(f"asimbot: {line}", file=sys.stderr, flush=True)
