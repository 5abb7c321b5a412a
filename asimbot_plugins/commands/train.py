from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option, verbose_option


@click.command("train")
@recipe_argument
@set_option
@verbose_option
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, if there is one.")
@click.option("--nproc", default=1, show_default=True, help="Processes on this machine, one a GPU.")
@click.option("--nodes", default=1, show_default=True, help="Machines that train together.")
@click.option(
    "--node-rank", default=0, envvar="SLURM_PROCID", help="Which of them this is, from 0."
)
@click.option("--head", default="", metavar="HOST:PORT", help="Where the machines meet.")
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    verbose: bool,
    resume: bool,
    nproc: int,
    nodes: int,
    node_rank: int,
    head: str,
) -> int | None:
    """Train the stage that a recipe describes; noise goes to a log file."""
    from asimbot_plugins.errors import UserError
    from asimbot_plugins.host import load_host
    from asimbot_plugins.recipe import check_recipe

    problems = check_recipe(recipe, load_host(), overrides)
    if problems:
        more = f" ({len(problems) - 1} more: 'asimbot check')" if problems[1:] else ""
        raise UserError(f"{recipe}: {problems[0]}{more}")
    loaded = load(recipe, overrides)
    from asimbot_plugins.cluster.launch import STOPPED, Group
    from asimbot_plugins.rlhf.options import STAGES
    from asimbot_plugins.stages import sft

    group = Group(nproc, nodes, node_rank if nodes > 1 else 0, head)
    if loaded.stage in STAGES:
        arguments = ["-m", f"asimbot_plugins.stages.{loaded.stage}", str(recipe)]
        for override in overrides:
            arguments += ["--set", override]
        arguments += ["--resume"] * resume
        run = sft.run_module(loaded, arguments, verbose=verbose, group=group)
    elif loaded.stage == "sft":
        run = sft.train(loaded, verbose=verbose, group=group, resume=resume)
    else:
        raise UserError(f"{recipe} is of stage {loaded.stage}", "see 'asimbot --help'")
    if run.stopped:
        click.echo(f"stopped as asked, with a checkpoint: asimbot train {recipe} --resume goes on")
        return STOPPED
    if run.heldout_loss:
        first, last = run.heldout_loss[0], min(run.heldout_loss, key=lambda pair: pair[1])
        click.echo(f"held-out loss: {first[1]:.3f} (step {first[0]}), best {last[1]:.3f}")
    click.echo(f"trained in {run.seconds / 60:.1f} minutes; the adapter is in {loaded.output_dir}")
    if loaded.stage != "reward":
        click.echo(f"next: asimbot chat {recipe}")
    return None
