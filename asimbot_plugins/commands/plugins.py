from __future__ import annotations

import click


@click.command("plugins")
def command() -> None:
    """List every component that plugins supply: name, kind, distribution, version."""
    from asimbot_plugins.components import KINDS
    from asimbot_plugins.host import load_host

    host = load_host()
    rows = [
        (
            name,
            kind,
            f"{found.distribution} {found.version}".strip(),
            (found.component.__doc__ or "").strip().split("\n")[0],
        )
        for kind in KINDS
        for name, found in sorted(host.components(kind).items())
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        click.echo(f"{cells}  {row[3]}".rstrip())
