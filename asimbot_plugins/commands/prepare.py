from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("prepare")
@recipe_argument
@set_option
def command(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Add the chat tokens to the base model; the folder is what training starts from."""
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from asimbot_plugins.sft.vocabulary import new_token_ids, prepare

    with library_noise_hidden():
        folder = prepare(loaded, say)
    names = loaded.section.tokens.all()
    for name, id_ in zip(names, new_token_ids(folder), strict=True):
        click.echo(f"{id_:8}  {name}")
    notice = folder / "NOTICE"
    if notice.is_file():
        click.echo(notice.read_text(encoding="utf-8").strip())
    click.echo(f"prepared {folder}\nnext: asimbot train {recipe}")
