from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("generate")
@recipe_argument
@set_option
@click.option(
    "--message",
    "messages",
    multiple=True,
    metavar="'NAME: TEXT'",
    help="A message of the conversation, oldest first. May be repeated.",
)
@click.option("-n", "count", default=1, show_default=True, help="How many replies to draw.")
@click.option("--seed", type=int, help="The same seed gives the same replies.")
@click.option(
    "--prompts", type=click.Path(path_type=Path), help='Rows {"prompt": …}, instead of --message.'
)
@click.option("--out", type=click.Path(path_type=Path), help="Where the replies to --prompts go.")
@click.option("--shard", metavar="I/N", help="Draw part I of N (from 0); default: from the job.")
@click.option("--batch-size", default=16, show_default=True, help="Prompts of a batch.")
@click.option(
    "--backend",
    type=click.Choice(["auto", "transformers", "vllm"]),
    default="auto",
    show_default=True,
    help="auto: vLLM where it is installed and there is a GPU.",
)
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    messages: tuple[str, ...],
    count: int,
    seed: int | None,
    prompts: Path | None,
    out: Path | None,
    shard: str | None,
    batch_size: int,
    backend: str,
) -> None:
    """Print what the friend would reply to a conversation, or reply to a file of prompts."""
    from asimbot_plugins.errors import UserError
    from asimbot_plugins.terminal import quiet_libraries

    if bool(messages) == bool(prompts):
        raise UserError("give either --message 'NAME: TEXT' or --prompts FILE")
    if bool(prompts) != bool(out):
        raise UserError("--prompts and --out go together")
    if count < 1 or batch_size < 1:
        raise UserError("-n and --batch-size must be at least 1")
    quiet_libraries()
    loaded = load(recipe, overrides)
    if prompts and out:
        _reply_to_file(loaded, prompts, out, count, seed, shard, batch_size, backend)
    else:
        _reply_to_messages(loaded, messages, count, seed)


def _reply_to_messages(
    recipe: Any, messages: tuple[str, ...], count: int, seed: int | None
) -> None:
    from asimbot_plugins.generation.conversation import LiveConversation
    from asimbot_plugins.generation.sampler import load_clone
    from asimbot_plugins.host import load_host
    from asimbot_plugins.terminal import library_noise_hidden, say

    host = load_host()
    talk = LiveConversation(recipe, host)
    for message in messages:
        talk.add_line(message)
    with library_noise_hidden():
        clone = load_clone(recipe, host, say)
        replies = clone.replies([talk.prompt()], count, seed=seed)[0]
    for i, reply in enumerate(replies):
        if i:
            click.echo("--")
        for text in reply or ["(no reply)"]:
            click.echo(talk.readable(text))


def _reply_to_file(
    recipe: Any,
    prompts: Path,
    out: Path,
    count: int,
    seed: int | None,
    shard_text: str | None,
    batch_size: int,
    backend: str,
) -> None:
    from asimbot_plugins.generation import vllm_backend
    from asimbot_plugins.generation.batch import Job, parse_shard, read_prompts, shard_of
    from asimbot_plugins.generation.sampler import clone_identity, load_clone, stored_sampling
    from asimbot_plugins.host import load_host
    from asimbot_plugins.terminal import library_noise_hidden, progress_bar, say

    shard = parse_shard(shard_text) if shard_text else shard_of()
    rows = read_prompts(prompts)
    if backend == "auto":
        backend = "vllm" if vllm_backend.is_usable() else "transformers"
    sampling = stored_sampling(recipe.output_dir) or recipe.section.sampling
    settings = {
        "replies": count,
        "backend": backend,
        "sampling": sampling.model_dump(),
        "clone": clone_identity(recipe),
    }
    seed = recipe.seed if seed is None else seed
    job = Job(rows, out, settings=settings, seed=seed, batch_size=batch_size)
    missing = [] if job.is_done() else job.missing(shard)
    if missing:
        host = load_host()
        with library_noise_hidden():
            clone: Any = (
                vllm_backend.VllmClone(recipe, host)
                if backend == "vllm"
                else load_clone(recipe, host, say)
            )
            say(f"shard {shard.index}/{shard.count}: {len(missing)} batches to draw")
            with progress_bar("generating", len(missing)) as bar:
                job.draw(lambda p, s: clone.replies(p, count, seed=s), shard, bar.show)
    if job.finish():
        click.echo(f"{len(rows):,} prompts answered: {out}")
    else:
        left = len(job.missing())
        click.echo(
            f"shard {shard.index}/{shard.count} is done, {left} batches of others are missing; "
            "the last shard to end writes the result, the same command draws what is left"
        )
