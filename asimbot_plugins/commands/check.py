from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import recipe_argument, set_option


@click.command("check")
@recipe_argument
@set_option
@click.option("--hardware", is_flag=True, help="Estimate the memory that training takes.")
@click.option("--gpu-memory", type=float, metavar="GIB", help="Of the GPU; default: the one here.")
@click.option("--gpus", default=1, show_default=True, help="GPUs that train together (ZeRO).")
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    hardware: bool,
    gpu_memory: float | None,
    gpus: int,
) -> int:
    """List every problem of a recipe at once, one line each; loads no model."""
    from asimbot_plugins.host import load_host
    from asimbot_plugins.recipe import check_recipe, load_recipe
    from asimbot_plugins.sft.keys import missing_gpu

    problems = check_recipe(recipe, load_host(), overrides)
    for problem in problems:
        click.echo(f"{recipe}: {problem}", err=True)
    if problems:
        return 2
    click.echo(f"{recipe}: no problem found")
    for need in missing_gpu(load_recipe(recipe, overrides)):
        click.echo(f"on this machine, which has no GPU, it can't be trained: {need}")
    return _check_hardware(recipe, overrides, gpu_memory, gpus) if hardware else 0


def _check_hardware(
    recipe: Path, overrides: tuple[str, ...], gpu_memory: float | None, gpus: int
) -> int:
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries

    quiet_libraries()
    from asimbot_plugins.cluster.hardware import report
    from asimbot_plugins.recipe import load_recipe

    with library_noise_hidden():
        lines, fits = report(load_recipe(recipe, overrides), gpu_memory, gpus)
    for line in lines:
        click.echo(line)
    return 0 if fits else 2
