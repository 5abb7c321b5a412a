from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("chat")
@recipe_argument
@set_option
@click.option("--seed", type=int, help="The same seed and messages give the same replies.")
@click.option("--me", default="You", show_default=True, help="Your name in the conversation.")
def command(recipe: Path, overrides: tuple[str, ...], seed: int | None, me: str) -> None:
    """Talk with the clone in the terminal; an empty line or Ctrl-D ends it."""
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from asimbot_plugins.generation.conversation import LiveConversation
    from asimbot_plugins.generation.sampler import load_clone
    from asimbot_plugins.host import load_host

    host = load_host()
    talk = LiveConversation(loaded, host)
    with library_noise_hidden():
        clone = load_clone(loaded, host, say)
    say(f"this is an imitation of {loaded.friend}, not {loaded.friend}; an empty line ends it")
    turn = 0
    while True:
        try:
            text = click.prompt(me, default="", show_default=False, prompt_suffix="> ")
        except (EOFError, click.Abort):
            break
        if not text.strip():
            break
        talk.add(me, text)
        turn += 1
        with library_noise_hidden():
            reply = clone.replies([talk.prompt()], seed=None if seed is None else seed + turn)[0][0]
        reply = [talk.readable(message) for message in reply]
        for message in reply or ["(no reply)"]:
            click.echo(f"{loaded.friend}: {message}")
        for message in reply:
            talk.add(loaded.friend, message)
