from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("eval")
@recipe_argument
@set_option
def command(recipe: Path, overrides: tuple[str, ...]) -> int:
    """Measure whether the clone sounds like the friend, and what it gives away.

    Writes report.html, report.json and the model card. Exit status 1 if the memorisation audit
    fails.
    """
    from asimbot_plugins.terminal import library_noise_hidden, progress_bar, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from asimbot_plugins.evaluate.card import write_card
    from asimbot_plugins.evaluate.report import show, write_report
    from asimbot_plugins.evaluate.run import evaluate
    from asimbot_plugins.host import load_host

    host = load_host()
    with library_noise_hidden(), progress_bar("evaluating", None) as bar:
        report, samples = evaluate(
            loaded, host, say, lambda what, done, total: bar.show(done, what, total=total)
        )
    page = write_report(loaded, report, samples)
    write_card(loaded, report)
    show(report)
    click.echo(f"the report is {page}; the model card is {loaded.output_dir / 'README.md'}")
    return 0 if report["audit"]["passed"] else 1
