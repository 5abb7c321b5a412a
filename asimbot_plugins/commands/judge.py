from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option, verbose_option


@click.command("judge")
@recipe_argument
@set_option
@click.option("--judge", "names", multiple=True, help="Measure this judge too; may be repeated.")
@click.option("-n", "count", default=200, show_default=True, help="Most held-out prompts to use.")
@click.option("--models/--no-models", default=True, help="With replies of clone and base, or not.")
@click.option("--yes", is_flag=True, help="Send to a judge's server without being asked.")
@verbose_option
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    names: tuple[str, ...],
    count: int,
    models: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Measure a judge on replies whose true author is known, before you trust it."""
    import contextlib
    import itertools

    from rich.console import Console
    from rich.table import Table

    from asimbot_plugins.commands._judging import LateBar, confirm_with, make_judge
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from asimbot_plugins.host import load_host
    from asimbot_plugins.judges import measure
    from asimbot_plugins.judges.evidence import Evidence
    from asimbot_plugins.paths import write_json
    from asimbot_plugins.preferences.sampling import clone_digest

    host = load_host()
    chosen = dict.fromkeys([loaded.section.judge.name, *names])
    judges = [make_judge(loaded, host, name) for name in chosen]

    def clone() -> Any:
        from asimbot_plugins.generation.sampler import load_clone

        return load_clone(loaded.sft, host, say)

    with contextlib.nullcontext() if verbose else library_noise_hidden():
        heldout = Evidence.of_heldout(loaded)
        made = {}
        if models and clone_digest(loaded.sft.output_dir):
            prompts = [t.prompt for t in measure.trials_of(heldout, count, loaded.seed)]
            say(f"replies of clone and base model to {len(prompts)} held-out prompts …")
            made = measure.model_replies(loaded, clone, prompts, loaded.seed)
        elif models:
            say(f"no clone in {loaded.sft.output_dir} yet: measuring without its replies")
        trials = measure.trials_of(heldout, count, loaded.seed, made)
        for judge in judges:
            say(f"preparing the judge {judge.name!r} …")
            judge.prepare(loaded)
    found = []
    for judge in judges:
        with LateBar(f"judging by {judge.name}") as bar:
            found.append(measure.measure(judge, trials, loaded.seed, confirm_with(yes), bar))
    table = Table(box=None, pad_edge=False)
    for head in ("", *(m.judge for m in found)):
        table.add_column(head)
    for row in measure.table(found):
        table.add_row(*row)
    Console(highlight=False).print(table)
    pairs = [measure.agreement(a, b, loaded.seed) for a, b in itertools.combinations(found, 2)]
    for pair in pairs:
        tau = pair["tau"]
        click.echo(
            f"{' and '.join(pair['judges'])}: Kendall's tau {tau['value']:.2f} "
            f"({tau['low']:.2f} … {tau['high']:.2f}), Cohen's kappa {pair['kappa']}"
        )
    path = loaded.output_dir / "judge.json"
    write_json(path, {"judges": [m.to_dict() for m in found], "agreement": pairs})
    click.echo(f"wrote {path}")
