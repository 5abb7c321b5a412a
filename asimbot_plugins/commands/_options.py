"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

recipe_argument = click.argument("recipe", type=click.Path(path_type=Path))

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a recipe key; dots go into blocks. May be repeated.",
)

verbose_option = click.option("--verbose", is_flag=True, help="Show what the libraries print.")


def load(recipe: Path, overrides: tuple[str, ...]) -> Any:
    from asimbot_plugins.recipe import load_recipe

    return load_recipe(recipe, overrides)
