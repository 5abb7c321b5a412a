"""What the stages on TRL have in common: arguments, models, TRL's config, watching a run."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asimbot_plugins.cluster.launch import drop_broken_checkpoints
from asimbot_plugins.cluster.zero import zero_of
from asimbot_plugins.cpu import has_bf16
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.paths import replacing, write_json
from asimbot_plugins.recipe import Recipe, check_recipe, load_recipe
from asimbot_plugins.rlhf.base import merged_clone, read_origin, write_origin
from asimbot_plugins.rlhf.guards import Guard, Look, check_finite
from asimbot_plugins.rlhf.log import RunLog, report_progress, say
from asimbot_plugins.rlhf.options import LORA_KEYS, trl_keys
from asimbot_plugins.rlhf.plot import plot_log
from asimbot_plugins.terminal import quiet_libraries

BEST = "best"
"""Folder in the output folder: the adapter of the best look so far."""
LOOK = "look.json"


def run(stage: str, main: Callable[[Recipe, bool], None]) -> None:
    """Runs a stage as ``python -m asimbot_plugins.stages.<stage> RECIPE``.

    ``main`` gets the recipe and whether to go on from the last checkpoint. A user's mistake is
    one line and status 2.
    """
    parser = argparse.ArgumentParser(prog=f"asimbot_plugins.stages.{stage}")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    quiet_libraries()
    try:
        problems = check_recipe(arguments.recipe, load_host(), arguments.overrides)
        if problems:
            raise UserError(f"{arguments.recipe}: {problems[0]}")
        recipe = load_recipe(arguments.recipe, arguments.overrides)
        if recipe.stage != stage:
            raise UserError(f"{recipe.path} is a recipe of stage {recipe.stage}, not {stage}")
        from asimbot_plugins.cluster.distributed import asked_world_size, fix_cpu_backend

        asked_world_size()
        fix_cpu_backend(bool(recipe.data.get("deepspeed")))
        main(recipe, arguments.resume)
    except UserError as error:
        report_progress(error=str(error))
        print(f"asimbot: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


def base_folder(recipe: Recipe) -> Path:
    """The merged SFT clone; merged by the first process, the others wait for it."""
    return merged_clone(recipe.sft, say)


def load_tokenizer(recipe: Recipe) -> Any:
    """The clone's tokenizer with a padding token that is no end token.

    Where the base has none of its own, an end token would be taken for padding and never be
    trained; the token of the baseline's prompts, which no chat contains, does instead.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_folder(recipe))
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        tokenizer.pad_token = recipe.section.tokens.response
    return tokenizer


def load_model(recipe: Recipe, auto_class: Any, **more: Any) -> Any:
    """The merged SFT clone as ``auto_class`` loads it, in the precision of the run."""
    import torch

    from asimbot_plugins.sft.large_vocabulary import keep_head_contiguous

    model = auto_class.from_pretrained(
        base_folder(recipe),
        dtype=torch.bfloat16 if uses_bf16(recipe) else torch.float32,
        attn_implementation="sdpa",
        **more,
    )
    keep_head_contiguous(model)
    return model


def uses_bf16(recipe: Recipe) -> bool:
    """``bf16: auto`` (or no such key) is bfloat16 where the hardware multiplies it."""
    import torch

    named = recipe.data.get("bf16", "auto")
    if named not in (None, "auto"):
        return bool(named)
    if recipe.data.get("fp16"):
        return False
    return torch.cuda.is_bf16_supported() if torch.cuda.is_available() else has_bf16()


def lora_config(recipe: Recipe, task: str, modules_to_save: list[str] | None = None) -> Any:
    from peft import LoraConfig

    data = recipe.data
    return LoraConfig(
        r=int(data.get("lora_r", 16)),
        lora_alpha=int(data.get("lora_alpha", 32)),
        lora_dropout=float(data.get("lora_dropout", 0.0)),
        target_modules=data.get("lora_target_modules", "all-linear"),
        modules_to_save=modules_to_save,
        task_type=task,
    )


def trl_config(config: Any, recipe: Recipe, **fixed: Any) -> Any:
    """TRL's config from the recipe's top-level keys; ``fixed`` are ours and win.

    The keys were checked against ``data/trl_keys.json``, so none is dropped.
    """
    import torch

    known = trl_keys(recipe.stage)
    ours = {"output_dir", "bf16", *LORA_KEYS}
    given = {key: value for key, value in recipe.data.items() if key in known and key not in ours}
    cuda = torch.cuda.is_available()
    defaults: dict[str, Any] = {
        "seed": recipe.seed,
        "logging_steps": 1,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": cuda,
    }
    try:
        return config(
            **{**defaults, **given},
            output_dir=str(recipe.output_dir),
            bf16=uses_bf16(recipe),
            use_cpu=not cuda and not recipe.data.get("deepspeed"),
            report_to=[],
            logging_nan_inf_filter=False,
            disable_tqdm=True,
            save_strategy="steps",
            **fixed,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"{recipe.path}: {error}") from None


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; halves that a killed run left are removed."""
    drop_broken_checkpoints(folder)
    found = [p for p in folder.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit()]
    return max(found, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def start(recipe: Recipe, resume: bool) -> tuple[Path | None, RunLog]:
    """(checkpoint to go on from or None, the run's log). A fresh run clears an earlier one."""
    folder = recipe.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    first = int(os.environ.get("RANK", "0")) == 0
    checkpoint = last_checkpoint(folder) if resume else None
    if checkpoint is None and first:
        for old in (*folder.glob("checkpoint-*"), folder / BEST, folder / "merged"):
            shutil.rmtree(old, ignore_errors=True)
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (folder / name).unlink(missing_ok=True)
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else None
    if step is not None:
        say(f"going on from step {step}")
    return checkpoint, RunLog(folder, step)


class Watch:
    """Looks at a policy while it trains, ends the run where it should, keeps the best adapter.

    ``best/`` holds the adapter of the best look; before the first better one it is the SFT
    clone itself (a LoRA whose B is zero), so there is always something good to keep.
    """

    def __init__(self, recipe: Recipe, clone: Any, log: RunLog, steps: int) -> None:
        from asimbot_plugins.cluster.distributed import expected_adapter
        from asimbot_plugins.rlhf.heldout import HeldOut, make_judge

        self.expected = expected_adapter(clone.model)
        self.recipe, self.clone, self.log, self.steps = recipe, clone, log, steps
        options = recipe.section.rlhf
        self.folder = recipe.output_dir
        looks = min(options.looks, steps)
        self.due = {round(steps * (i + 1) / looks) for i in range(looks)}
        self.stopped = ""
        self.heldout: HeldOut | None = None
        reference = Look(0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0)
        # Split weights work only where all processes compute together: then all of them look,
        # with the same random numbers, and the first one writes.
        self.together = zero_of(recipe.data).stage == 3
        self.looks = self.log.first or self.together
        if self.looks:
            say("the SFT clone's own replies to the held-out prompts …")
            with evaluating(clone.model):
                judge = make_judge(recipe, "watch", options.look_prompts)
                self.heldout = HeldOut(judge, clone, options.look_replies, recipe.seed)
            reference = self.heldout.reference
        self.guard = Guard(options, reference)

    def begin(self, state: Mapping[str, Any] | None, save: Callable[[Path], None]) -> None:
        """Starts from nothing, or from what ``state()`` was at the checkpoint."""
        kept = self.folder / BEST / LOOK
        if state is not None and kept.is_file():
            # The best look may be later than the checkpoint; it is one all the same.
            best = json.loads(kept.read_text(encoding="utf-8"))
            self.guard.restore({"worse": 0, **state, "best": best})
        elif self.looks:
            self.log.add("look", **self.guard.reference.to_dict())
            self._keep(save)

    def after_step(self, step: int, save: Callable[[Path], None]) -> bool:
        """Looks if it is time to; True if the run should end now. The same in all processes."""
        if step not in self.due or self.stopped:
            return bool(self.stopped)
        if self.heldout is not None:
            with evaluating(self.clone.model):
                look = self.heldout.look(self.clone, step)
            better, self.stopped = self.guard.take(look)
            numbers = {k: v for k, v in look.to_dict().items() if k != "step"}
            self.log.add("look", step, **numbers)
            mark = " (best so far)" if better else ""
            say(f"step {step}: wins {look.win:.0%} against SFT{mark}")
            if self.together:
                better = bool(shared("better" if better else ""))
            if better:
                self._keep(save)
            if self.stopped:
                self.log.note(step, f"ended at step {step} of {self.steps}: {self.stopped}")
        self.stopped = shared(self.stopped)
        return bool(self.stopped)

    def check(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Raises UserError if a number is NaN; what was best is kept and put in place."""
        best = self.guard.best.step
        kept = f"the adapter of step {best} is kept" if best else "the SFT clone is kept as it was"
        try:
            check_finite(step, numbers, kept)
        except UserError as error:
            self.log.note(step, str(error))
            self.finish()
            raise

    def state(self) -> dict[str, Any]:
        return self.guard.state()

    def finish(self) -> None:
        """Puts the best adapter into the output folder, with all that generation needs.

        Raises UserError if the adapter is not complete.
        """
        from asimbot_plugins.cluster.distributed import check_adapter
        from asimbot_plugins.generation.sampler import write_sidecar

        if not self.log.first:
            return
        for file in (self.folder / BEST).iterdir():
            if file.is_file() and file.name != LOOK:
                with replacing(self.folder / file.name) as temporary:
                    shutil.copyfile(file, temporary)
        check_adapter(self.folder, self.expected)
        write_sidecar(self.folder, self.recipe)
        write_origin(self.folder, read_origin(base_folder(self.recipe)))
        best = self.guard.best
        write_json(
            self.folder / "result.json",
            {"best": best.to_dict(), "sft": self.guard.reference.to_dict(), "ended": self.stopped},
        )
        plot_log(self.folder)

    def _keep(self, save: Callable[[Path], None]) -> None:
        """``save`` is called in all processes that look; the first one's files count."""
        from asimbot_plugins.cluster.distributed import adapter_problem

        if not self.log.first:
            save(self.folder / BEST)
            return
        with replacing(self.folder / BEST) as temporary:
            save(temporary)
            problem = adapter_problem(temporary, self.expected)
            if problem:  # found out at the first save, before anything is trained
                raise UserError(
                    f"the adapter does not come out whole: {problem}",
                    "nothing was overwritten; see docs/cluster.md for what works together",
                )
            write_json(temporary / LOOK, self.guard.best.to_dict())


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Within the block the model is in evaluation mode, with its cache on."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def shared(value: str) -> str:
    """The first process's value, in all processes."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]
    return value


def save_adapter(model: Any, folder: Path) -> None:
    """Writes the policy's adapter alone (one of the name ``default``), in the first process.

    With ZeRO-3 all processes must call it: each holds a part of every tensor.
    """
    from asimbot_plugins.cluster.distributed import whole

    with whole(p for p in model.parameters() if p.requires_grad):
        if int(os.environ.get("RANK", "0")) == 0:
            model.save_pretrained(str(folder), selected_adapters=["default"])
            (folder / "README.md").unlink(missing_ok=True)


def clone_of(recipe: Recipe, model: Any, tokenizer: Any, host: Any, trunk: Any = None) -> Any:
    """The model in training as a ``Clone``, so that it is drawn from as in generation."""
    from asimbot_plugins.generation.sampler import Clone, stored_sampling

    kind: Any = Clone
    if trunk is not None:
        from asimbot_plugins.rlhf.trunk import TrunkClone

        kind = TrunkClone
    section = recipe.section
    clone = kind(
        model,
        tokenizer,
        section.tokens,
        stored_sampling(recipe.sft.output_dir) or section.sampling,
        [host.make("stopping criterion", s.name, s.options) for s in section.stopping],
    )
    if trunk is not None:
        clone.trunk = trunk
    return clone


def reward_folder(recipe: Recipe) -> Path:
    """The trained reward model that the recipe names.

    Raises UserError if there is none yet, or if it was trained over another SFT clone.
    """
    source = recipe.reward
    if source is None:
        raise UserError(f"{recipe.path}: asimbot.reward_recipe_path: missing key")
    folder = source.output_dir
    if not (folder / "reward_report.json").is_file():
        raise UserError(
            f"there is no trained reward model in {folder}", f"run 'asimbot train {source.path}'"
        )
    if read_origin(folder) != read_origin(base_folder(recipe)):
        raise UserError(
            f"the reward model in {folder} was trained over another clone",
            f"run 'asimbot train {source.path}' again",
        )
    report = json.loads((folder / "reward_report.json").read_text(encoding="utf-8"))
    for warning in report["warnings"]:
        say(f"warning: reward model: {warning}")
    return folder


def model_reward(trunk: Any, options: Any) -> Any:
    """The trunk's reward model: rewards in deviations of the SFT clone's, clipped."""

    def score(texts: Any, rows: list[list[int]], features: list[Any]) -> list[float]:
        """``features`` are the trunk's of ``rows``: prompt, reply and end token."""
        rewards: list[float] = trunk.standardised(
            trunk.rewards(features), options.reward_clip
        ).tolist()
        # No words at all are worth less than any: the head never saw an empty reply.
        floor = -(options.reward_clip or 3.0)
        return [r if said else floor for r, said in zip(rewards, texts, strict=True)]

    return score
