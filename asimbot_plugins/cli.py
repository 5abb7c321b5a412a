"""The ``asimbot`` command: every sub-command is a module of ``asimbot_plugins.commands``.

Modules are imported only when their command is called, so ``asimbot parse`` never pays for
what ``asimbot train`` needs.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

from asimbot_plugins import __version__
from asimbot_plugins.errors import UserError

# name -> module of asimbot_plugins.commands; each module has a click command called `command`
COMMANDS = {
    "parse": "parse",
    "check": "check",
    "show": "show",
    "build": "build",
    "redact": "redact",
    "prepare": "prepare",
    "mask": "mask",
    "train": "train",
    "generate": "generate",
    "chat": "chat",
    "eval": "eval",
    "arena": "arena",
    "merge": "merge",
    "submit": "submit",
    "preferences": "preferences",
    "judge": "judge",
    "export": "export",
    "plugins": "plugins",
    "demo": "demo",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"asimbot_plugins.commands.{COMMANDS[name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from asimbot_plugins.text import nearest

            close = nearest(args[0], COMMANDS)
            hint = f"did you mean {close!r}?" if close else "see 'asimbot --help'"
            raise UserError(f"there is no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="asimbot")
def group() -> None:
    """From a WhatsApp export to a language model that texts like one friend."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status (2 for anything the user can mend)."""
    try:
        status = group.main(args=argv, prog_name="asimbot", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except UserError as error:
        click.echo(f"asimbot: {error}", err=True)
        return 2
    except click.ClickException as error:
        click.echo(f"asimbot: {error.format_message()}", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("asimbot: interrupted; what was finished is kept", err=True)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
