from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("generate")
@recipe_argument
@set_option
@click.option(
    "--message",
    "messages",
    multiple=True,
    required=True,
    metavar="'NAME: TEXT'",
    help="A message of the conversation, oldest first. May be repeated.",
)
@click.option("-n", "count", default=1, show_default=True, help="How many replies to draw.")
@click.option("--seed", type=int, help="The same seed gives the same replies.")
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    messages: tuple[str, ...],
    count: int,
    seed: int | None,
) -> None:
    """Print what the friend would reply to a conversation."""
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from asimbot_plugins.conversation import LiveConversation
    from asimbot_plugins.host import load_host
    from asimbot_plugins.sampler import load_clone

    host = load_host()
    talk = LiveConversation(loaded, host)
    for message in messages:
        talk.add_line(message)
    with library_noise_hidden():
        clone = load_clone(loaded, host, say)
        replies = clone.replies([talk.prompt()], count, seed=seed)[0]
    for i, reply in enumerate(replies):
        if i:
            click.echo("--")
        for text in reply or ["(no reply)"]:
            click.echo(text)
