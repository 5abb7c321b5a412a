"""The chain of jobs that makes one friend's clone on a SLURM cluster.

Nothing here talks to SLURM: the plan becomes a shell script of ``sbatch`` lines, which a
person can read, change and run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asimbot_plugins.errors import UserError

AFTER: dict[str, tuple[str, ...]] = {
    "sft": (),
    "preferences": ("sft",),
    "reward": ("preferences",),
    "dpo": ("preferences",),
    "ppo": ("reward",),
    "grpo": ("reward",),
    "eval": ("sft", "dpo", "ppo", "grpo"),
}
"""Stage -> the stages whose results it needs, in the order of the chain."""


@dataclass(frozen=True)
class Job:
    """One ``sbatch`` line. ``needs`` names earlier jobs that must end well first."""

    name: str
    script: Path
    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    def line(self) -> str:
        parts = ["sbatch", "--parsable", f"--job-name=asimbot-{self.name}", *self.options]
        if self.variables:
            parts.append(f"--export={','.join(['ALL', *self.variables])}")
        words = shlex.join(parts)
        if self.needs:
            words += " --dependency=afterok:" + ":".join(f"${need}" for need in self.needs)
        return f"{self.name}=$({words} {shlex.join([str(self.script), *self.arguments])})"


@dataclass(frozen=True)
class Resources:
    """What jobs ask for: training gets ``nodes`` × ``gpus``, everything else one GPU."""

    nodes: int = 1
    gpus: int = 1
    shards: int = 8
    options: tuple[str, ...] = ()


def stage_recipes(recipe: Path, stage: str) -> tuple[dict[str, Path], list[str]]:
    """Recipes of the chain from ``stage`` on, and a line for each stage that has none.

    They are found by name: ``<friend>_<stage>.yml`` beside the given recipe. Raises UserError
    if the recipe's own name is not of that form.
    """
    suffix = f"_{stage}"
    if not recipe.stem.endswith(suffix):
        raise UserError(
            f"{recipe} has stage {stage}, but its name does not end in {suffix}.yml",
            "the chain is found by names like asim_sft.yml, asim_preferences.yml, asim_dpo.yml",
        )
    friend = recipe.stem.removesuffix(suffix)
    names = list(AFTER)
    found, notes = {stage: recipe}, []
    for name in names[names.index(stage) + 1 :]:
        if name == "eval":
            continue
        path = recipe.with_name(f"{friend}_{name}.yml")
        if path.is_file():
            found[name] = path
        else:
            notes.append(f"no {path}: stage {name} is skipped")
    if "preferences" not in found and stage == "sft":
        for name in [name for name in ("reward", "dpo", "ppo", "grpo") if name in found]:
            del found[name]
            notes.append(f"stage {name} is skipped, because there are no preferences")
    if "reward" not in found and stage in ("sft", "preferences"):
        for name in [name for name in ("ppo", "grpo") if name in found]:
            del found[name]
            notes.append(f"stage {name} is skipped, because there is no reward model")
    return found, notes


def plan(
    recipes: dict[str, Path],
    scripts: Path,
    logs: Path,
    resources: Resources,
    *,
    with_eval: bool,
) -> list[Job]:
    """The jobs for these recipes, each after those it depends on."""
    jobs: list[Job] = []
    # The job whose end means that the stage is done.
    last: dict[str, str] = {}
    output = f"--output={logs}/%x-%j.log"
    with_gpus = resources.gpus > 0
    train = (
        f"--nodes={resources.nodes}",
        *((f"--gpus-per-node={resources.gpus}",) if with_gpus else ()),
    )
    single = ("--nodes=1", *(("--gpus-per-node=1",) if with_gpus else ()))
    for stage, recipe in recipes.items():
        needs = tuple(last[name] for name in AFTER[stage] if name in last)
        if stage == "preferences":
            script, options = scripts / "preferences.sbatch", (*single, *resources.options)
            array = (f"--array=0-{resources.shards - 1}", f"--output={logs}/%x-%A-%a.log")
            jobs.append(Job("shards", script, (str(recipe),), (*options, *array), needs))
            merge = (f"ASIMBOT_MERGE={resources.shards}",)
            jobs.append(
                Job("merge", script, (str(recipe),), (*options, output), ("shards",), merge)
            )
            last[stage] = "merge"
        else:
            options = (*train, *resources.options, output)
            jobs.append(Job(stage, scripts / "stage.sbatch", (str(recipe),), options, needs))
            last[stage] = stage
    if with_eval:
        for stage in [s for s in AFTER["eval"] if s in recipes]:
            options = (*single, *resources.options, output)
            variables = ("ASIMBOT_COMMAND=eval",)
            name, arguments = f"eval_{stage}", (str(recipes[stage]),)
            jobs.append(
                Job(name, scripts / "stage.sbatch", arguments, options, (last[stage],), variables)
            )
    return jobs


def script_of(jobs: Iterable[Job], folder: Path) -> str:
    """A bash script that submits the jobs and prints ``name id`` for each."""
    lines = [
        "#!/usr/bin/env bash",
        "# Written by 'asimbot submit'. Jobs wait for those they depend on.",
        "set -euo pipefail",
        f"cd {shlex.quote(str(folder))}",
    ]
    for job in jobs:
        lines += [job.line(), f'echo "{job.name} ${job.name}"']
    return "\n".join(lines) + "\n"
