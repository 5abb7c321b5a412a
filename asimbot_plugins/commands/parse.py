"""``asimbot parse``: an export as messages, and the reader's account of it."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="EXPORT...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a message on stdout.")
@click.option(
    "--date-order",
    type=click.Choice(["dmy", "mdy", "ymd"]),
    help="Order of day, month and year, where the dates themselves do not tell.",
)
def command(paths: tuple[str, ...], as_json: bool, date_order: str | None) -> None:
    """Reads WhatsApp exports (.txt, .zip, folder) and says what it found.

    Several exports of one chat are merged without duplicates. With --json the messages go to
    standard output and the account to standard error.
    """
    from asimbot_plugins.whatsapp import read_export

    chat = read_export(paths, date_order=date_order)  # type: ignore[arg-type]
    lines = chat.report.lines()
    if not as_json:
        click.echo("\n".join(lines))
        return
    encode = json.JSONEncoder(ensure_ascii=False).encode
    out = sys.stdout.buffer
    for message in chat.messages:
        row = message._asdict()
        row["timestamp"] = message.timestamp.isoformat()
        out.write(encode(row).encode("utf-8", "backslashreplace") + b"\n")
    out.flush()
    click.echo("\n".join(lines), err=True)
