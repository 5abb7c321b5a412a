from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option, verbose_option


@click.command("preferences")
@recipe_argument
@set_option
@click.option("--shard", metavar="I/N", help="Draw only part I of N; taken from SLURM or torchrun.")
@click.option("--judge", "judge_name", help="Rank with another judge than the recipe's.")
@click.option("--again", is_flag=True, help="Throw earlier candidates away and draw anew.")
@click.option("--yes", is_flag=True, help="Send to a judge's server without being asked.")
@verbose_option
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    shard: str | None,
    judge_name: str | None,
    again: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Draw replies from the clone and have a judge rank them."""
    import contextlib

    from asimbot_plugins.commands._judging import (
        LateBar,
        confirm_with,
        make_judge,
        need_stage,
    )
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    need_stage(loaded, "preferences")
    from asimbot_plugins.host import load_host
    from asimbot_plugins.preferences import rank, sampling

    host = load_host()
    part = sampling.Shard.parse(shard) if shard else sampling.Shard.of_environment()

    def clone() -> Any:
        from asimbot_plugins.generation.sampler import load_clone

        return load_clone(loaded.sft, host, say)

    def quiet() -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if verbose else library_noise_hidden()

    # The judge comes first: a missing key must not show after an hour of drawing.
    judge = make_judge(loaded, host, judge_name)
    with quiet():
        merged = sampling.sample(loaded, host, clone, part, again=again, say=say)
    if merged is None:
        click.echo(f"shard {part.index}/{part.count} is drawn; the others are still at work")
        return
    for reason, n in sampling.summary(loaded.output_dir).items():
        click.echo(f"{n:8,}  {reason}")
    if part.count > 1:
        click.echo(f"wrote {merged}\nnext: asimbot preferences {recipe} --shard 0/1")
        return
    with quiet():
        say(f"preparing the judge {judge.name!r} …")
        judge.prepare(loaded)
    with LateBar("judging") as bar:
        tally = rank.rank_file(
            merged,
            loaded.output_dir,
            judge,
            loaded.section.tokens,
            loaded.seed,
            confirm_with(yes),
            bar,
        )
    click.echo(f"{tally.agreement:8.1%}  of pairs get the same verdict in both orders")
    click.echo(f"{tally.agreed:8,}  pairs agreed, {tally.tied:,} ties, {tally.split:,} split")
    click.echo(f"{tally.position_bias:+8.1%}  for the reply shown first (0 is fair)")
    click.echo(f"{tally.abstained:8,}  abstentions")
    click.echo(f"wrote {loaded.output_dir / rank.RANKED}\nnext: asimbot export {recipe} --to dpo")
