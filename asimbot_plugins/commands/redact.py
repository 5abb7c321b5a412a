from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import set_option


@click.command("redact")
@click.argument("source", type=click.Path(path_type=Path), metavar="RECIPE|EXPORT")
@set_option
@click.option("--report", is_flag=True, help="Show what is found: counts and masked samples.")
@click.option(
    "--mode",
    type=click.Choice(["on", "strict"]),
    help="For an export: how much to take. A recipe has asimbot.redaction.mode.",
)
@click.option("--samples", default=5, show_default=True, help="Samples of each kind.")
@click.option("--unmasked", is_flag=True, help="Show the samples as they are.")
def command(
    source: Path,
    overrides: tuple[str, ...],
    report: bool,
    mode: str | None,
    samples: int,
    unmasked: bool,
) -> None:
    """Show what redaction takes out of a chat, or print the redacted chat.

    Nothing is written to disk. Without --report each message comes as a line 'time sender: text'.
    """
    from asimbot_plugins.redaction.report import lines, load_chat, redacted_lines

    messages, redactor = load_chat(source, overrides, mode)
    shown = lines(messages, redactor, samples, unmasked) if report else None
    for line in shown if shown is not None else redacted_lines(messages, redactor):
        click.echo(line)
