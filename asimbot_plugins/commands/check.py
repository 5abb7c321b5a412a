from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import recipe_argument, set_option


@click.command("check")
@recipe_argument
@set_option
def command(recipe: Path, overrides: tuple[str, ...]) -> int:
    """List every problem of a recipe at once, one line each; loads no model."""
    from asimbot_plugins.host import load_host
    from asimbot_plugins.recipe import check_recipe

    problems = check_recipe(recipe, load_host(), overrides)
    for problem in problems:
        click.echo(f"{recipe}: {problem}", err=True)
    if problems:
        return 2
    click.echo(f"{recipe}: no problem found")
    return 0
