"""The chain of jobs that makes one friend's clone on a SLURM cluster.

Nothing here talks to SLURM: the plan becomes a shell script of ``sbatch`` lines, which a
person can read, change and run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asimbot_plugins.errors import UserError
from asimbot_plugins.recipe import Recipe, load_recipe

STAGES = ("sft", "preferences", "reward", "dpo", "ppo", "grpo")
"""The chain in order."""


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

    @property
    def training(self) -> tuple[int, int]:
        return self.nodes, self.gpus

    def ask(self, nodes: int, gpus: int) -> tuple[str, ...]:
        """Options of ``sbatch`` for so many nodes and GPUs on each."""
        wanted = (f"--gpus-per-node={gpus}",) if gpus else ()
        return (f"--nodes={nodes}", *wanted, *self.options)


def chain(recipe: Recipe) -> tuple[list[Recipe], list[str]]:
    """The recipe and those of later stages, and a line for each stage that has none.

    They are found by name: ``<friend>_<stage>.yml`` beside the given recipe. Raises UserError
    if its own name is not of that form.
    """
    suffix = f"_{recipe.stage}"
    if not recipe.path.stem.endswith(suffix):
        raise UserError(
            f"{recipe.path} has stage {recipe.stage}, but its name does not end in {suffix}.yml",
            "the chain is found by names like asim_sft.yml, asim_preferences.yml, asim_dpo.yml",
        )
    friend = recipe.path.stem.removesuffix(suffix)
    found, notes = [recipe], []
    for stage in STAGES[STAGES.index(recipe.stage) + 1 :]:
        path = recipe.path.with_name(f"{friend}_{stage}.yml")
        if path.is_file():
            found.append(load_recipe(path))
        else:
            notes.append(f"there is no {path}: stage {stage} is skipped")
    return found, notes


def plan(
    recipes: Sequence[Recipe],
    scripts: Path,
    logs: Path,
    resources: Resources,
    overrides: Sequence[str] = (),
) -> list[Job]:
    """The jobs for these recipes, each after those it depends on; ``overrides`` go to the first.

    A recipe depends on the ones it names (``sft_recipe_path`` and so on). What was trained to
    reply is evaluated.
    """
    jobs: list[Job] = []
    # Recipe file -> the job whose end means that its stage is done.
    last: dict[Path, str] = {}
    output = f"--output={logs}/%x-%j.log"
    one, many = resources.ask(1, min(resources.gpus, 1)), resources.ask(*resources.training)
    for recipe in recipes:
        stage, path = recipe.stage, recipe.path
        named = (recipe.sft, recipe.preferences, recipe.reward)
        files = dict.fromkeys(other.path.resolve() for other in named if other is not None)
        needs = tuple(last[file] for file in files if file in last)
        own = [part for o in overrides for part in ("--set", o)] if recipe is recipes[0] else []
        arguments = (str(path), *own)
        if stage == "preferences":
            script = scripts / "preferences.sbatch"
            array = (f"--array=0-{resources.shards - 1}", f"--output={logs}/%x-%A-%a.log")
            jobs.append(Job("shards", script, arguments, (*one, *array), needs))
            jobs.append(Job("merge", script, arguments, (*one, output), ("shards",)))
            last[path.resolve()] = "merge"
            continue
        script = scripts / "stage.sbatch"
        jobs.append(Job(stage, script, arguments, (*many, output), needs))
        last[path.resolve()] = stage
        if stage != "reward":
            variables = ("ASIMBOT_COMMAND=eval",)
            name = f"eval_{stage}"
            jobs.append(Job(name, script, arguments, (*one, output), (stage,), variables))
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
