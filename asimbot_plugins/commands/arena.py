from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("arena")
@recipe_argument
@set_option
@click.option("--port", default=7861, show_default=True, help="Port on this machine; 0 for any.")
@click.option("--rounds", default=20, show_default=True, help="Rounds of each mode.")
@click.option("--responses", default=4, show_default=True, help="Replies to rank in a round.")
def command(
    recipe: Path, overrides: tuple[str, ...], port: int, rounds: int, responses: int
) -> None:
    """Serve a blind test, and ranking of replies, to a browser on this machine."""
    from asimbot_plugins.terminal import quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    import threading

    from asimbot_plugins.arena.game import Game
    from asimbot_plugins.arena.rounds import fill
    from asimbot_plugins.arena.server import ArenaServer
    from asimbot_plugins.dataset import ensure_dataset
    from asimbot_plugins.generation.sampler import load_clone
    from asimbot_plugins.host import load_host

    host = load_host()
    files = ensure_dataset(loaded.sft, host, say)
    game = Game(loaded.output_dir / "arena.jsonl", loaded.friend, loaded.section.tokens)
    server = ArenaServer(game, port)
    failure: list[Exception] = []

    def write_replies() -> None:
        try:
            fill(
                game,
                loaded,
                {"blind": files.rows("heldout"), "rank": files.rows("train")},
                lambda: load_clone(loaded, host, say),
                rounds=rounds,
                responses=responses,
                locked=server.lock,
            )
        except Exception as error:
            failure.append(error)
            server.shutdown()

    writer = threading.Thread(target=write_replies, daemon=True)
    writer.start()
    click.echo(f"open {server.url} (this machine only; Ctrl-C ends it)")
    click.echo(f"every answer goes to {game.log}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("\nended; every answer is saved")
    finally:
        server.server_close()
    if failure:
        raise failure[0]
