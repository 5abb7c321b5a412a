from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("build")
@recipe_argument
@set_option
def command(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Build the dataset: dataset.jsonl, heldout.jsonl and a ledger of what was dropped."""
    from asimbot_plugins.dataset import build
    from asimbot_plugins.host import load_host
    from asimbot_plugins.terminal import quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    files = build(loaded, load_host(), say)
    for reason, count in files.ledger.items():
        click.echo(f"{count:8,}  {reason}")
    rows = files.rows()
    click.echo(f"\nan example:\n  {rows[len(rows) // 2]['text']}")
    click.echo(f"\nwrote {files.train} and {files.heldout}")
    click.echo(f"next: asimbot train {recipe}")
