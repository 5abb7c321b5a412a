from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("merge")
@recipe_argument
@set_option
def command(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Merge the adapter, new token rows included, into <output_dir>/merged."""
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from asimbot_plugins.sft.merge import merge

    with library_noise_hidden():
        folder = merge(loaded, say)
    click.echo(f"merged model: {folder}")
