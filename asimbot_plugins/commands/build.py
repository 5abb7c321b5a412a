from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("build")
@recipe_argument
@set_option
@click.option("--report", "with_report", is_flag=True, help="Show distributions and random rows.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as a page that loads nothing from elsewhere.",
)
def command(recipe: Path, overrides: tuple[str, ...], with_report: bool, page: Path | None) -> None:
    """Build the dataset: dataset.jsonl, heldout.jsonl and a ledger of what was dropped.

    With --report or --html a dataset that is up to date is only looked at.
    """
    from asimbot_plugins.building.report import report
    from asimbot_plugins.dataset import build, ensure_dataset
    from asimbot_plugins.host import load_host
    from asimbot_plugins.paths import write_text
    from asimbot_plugins.terminal import quiet_libraries, say, stages_bar

    quiet_libraries()
    loaded = load(recipe, overrides)
    only_look = with_report or page is not None
    with stages_bar() as bar:
        files = (ensure_dataset if only_look else build)(loaded, load_host(), say, bar.show)
    if only_look:
        found = report(files, loaded.section.tokens.separator, loaded.seed)
        if page is not None:
            write_text(page, found.html(f"Dataset of {loaded.path.name}"))
        if with_report:
            click.echo("\n".join(found.lines()))
    else:
        for reason, count in files.ledger.items():
            click.echo(f"{count:8,}  {reason}")
        rows = files.rows()
        click.echo(f"\nan example:\n  {rows[len(rows) // 2]['text']}")
    wrote = f"{files.train} and {files.heldout}"
    click.echo(f"\n{'up to date:' if only_look else 'wrote'} {wrote}")
    if page is not None:
        click.echo(f"wrote {page}")
    click.echo(f"next: asimbot train {recipe}")
