from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("export")
@recipe_argument
@set_option
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(["dpo", "reward", "ppo", "grpo", "kto"]),
    help="Which trainer it is for.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Default: <output_dir>/TO.jsonl.")
@click.option(
    "--ranked",
    type=click.Path(path_type=Path),
    help="Another ranked file, JSONL, JSON or CSV: prompt, the outputs, ranking.",
)
@click.option(
    "--ranking-is",
    "meaning",
    type=click.Choice(["ranks", "order"]),
    default="ranks",
    show_default=True,
    help="Whether 'ranking' gives each output's rank or the outputs best first.",
)
@click.option("--margin", is_flag=True, help="Add the difference of the scores to each pair.")
@click.option("--min-margin", default=0.0, help="Leave out pairs with a smaller difference.")
@click.option("--length-balanced", is_flag=True, help="Make length say nothing about the winner.")
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    target: Any,
    out: Path | None,
    ranked: Path | None,
    meaning: Any,
    margin: bool,
    min_margin: float,
    length_balanced: bool,
) -> None:
    """Write ranked replies in the format that a trainer takes."""
    from asimbot_plugins.errors import UserError
    from asimbot_plugins.paths import write_jsonl
    from asimbot_plugins.preferences import formats, rank

    loaded = load(recipe, overrides)
    source = ranked or loaded.output_dir / rank.RANKED
    if ranked is None and not source.is_file():
        raise UserError(f"there is no {source} yet", f"run 'asimbot preferences {recipe}' first")
    rows, report = formats.export(
        formats.read_ranked(source, meaning, loaded.section.tokens.separator),
        target,
        margin=margin,
        min_margin=min_margin,
        balanced=length_balanced,
    )
    if not rows:
        raise UserError(f"{source} gives no row for {target}", "no judge preferred any reply")
    path = out or loaded.output_dir / f"{target}.jsonl"
    write_jsonl(path, rows)
    click.echo(f"wrote {path}: {len(rows):,} rows")
    if report.pairs:
        click.echo(
            f"the longer reply is the preferred one in {report.longer:.1%} of {report.pairs:,} "
            f"pairs ({report.low:.1%} … {report.high:.1%}; 50% is fair)"
        )
        if report.separable and not length_balanced:
            click.echo("length alone tells them apart: consider --length-balanced")
