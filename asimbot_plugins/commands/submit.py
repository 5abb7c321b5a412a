from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("submit")
@recipe_argument
@set_option
@click.option("--nodes", default=1, show_default=True, help="Machines for each training.")
@click.option("--gpus", default=1, show_default=True, help="GPUs a machine; 0 for none.")
@click.option("--shards", default=8, show_default=True, help="Array tasks that judge preferences.")
@click.option(
    "--sbatch",
    "options",
    multiple=True,
    metavar="OPTION",
    help="Handed to every sbatch, e.g. --sbatch=--partition=gpu. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Print the script and submit nothing.")
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    nodes: int,
    gpus: int,
    shards: int,
    options: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Queue a friend's chain on SLURM: sft, preferences, reward, dpo and ppo, eval."""
    from asimbot_plugins.cluster.slurm import Resources, chain, plan, script_of
    from asimbot_plugins.errors import UserError
    from asimbot_plugins.host import load_host
    from asimbot_plugins.paths import write_text
    from asimbot_plugins.recipe import check_recipe

    if nodes < 1 or gpus < 0 or shards < 1:
        raise UserError("--nodes and --shards must be at least 1, --gpus at least 0")
    recipes, notes = chain(load(recipe, overrides))
    host = load_host()
    for one in recipes:
        for problem in check_recipe(one.path, host, overrides if one is recipes[0] else ()):
            raise UserError(f"{one.path}: {problem}", "nothing was submitted")
    logs = recipes[0].output_dir / "slurm"
    resources = Resources(nodes, gpus, shards, options)
    jobs = plan(recipes, _scripts_folder(recipe), logs, resources, overrides)
    script = script_of(jobs, Path.cwd())
    for note in notes:
        click.echo(note, err=True)
    if dry_run:
        click.echo(script, nl=False)
        return
    if shutil.which("sbatch") is None:
        raise UserError("there is no sbatch here", "run this on a login node, or use --dry-run")
    file = logs / "submit.sh"
    write_text(file, script)
    environment = dict(os.environ)
    if shutil.which("asimbot") is None:
        environment.setdefault("ASIMBOT", f"{sys.executable} -m asimbot_plugins.cli")
    done = subprocess.run(
        ["bash", str(file)], env=environment, capture_output=True, text=True, check=False
    )
    click.echo(done.stdout, nl=False)
    if done.returncode != 0:
        ids = " ".join(line.split()[-1] for line in done.stdout.splitlines())
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(
            f"sbatch refused a job: {reason}",
            f"take back what was queued with 'scancel {ids}'" if ids else f"see {file}",
        )
    click.echo(f"{len(jobs)} jobs queued; logs come into {logs}, 'squeue --me' shows them")


def _scripts_folder(recipe: Path) -> Path:
    from asimbot_plugins.errors import UserError

    for folder in (recipe.parent / "slurm", Path("recipes") / "slurm"):
        if (folder / "stage.sbatch").is_file():
            return folder
    raise UserError(
        f"there is no slurm/stage.sbatch beside {recipe}", "copy recipes/slurm from the repository"
    )
