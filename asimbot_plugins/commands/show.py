from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("show")
@recipe_argument
@set_option
def command(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Print each final value of a recipe and the file it came from."""
    loaded = load(recipe, overrides)
    for key, source in loaded.sources.items():
        value: Any = loaded.data
        for part in key.split("."):
            value = value[part]
        click.echo(f"{key}: {json.dumps(value, ensure_ascii=False)}  # {source}")
