"""What the commands that judge share: the judge of a recipe, consent, a bar that waits."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import click

from asimbot_plugins.errors import UserError


def make_judge(recipe: Any, host: Any, name: str | None = None) -> Any:
    """The recipe's judge, or another one with its default options."""
    spec = recipe.section.judge
    options = spec.options if name in (None, spec.name) else {}
    return host.make("judge", name or spec.name, options)


def confirm_with(yes: bool, hint: str = "add --yes to agree") -> Callable[[str], bool]:
    """Prints a statement and asks; with ``yes`` it prints and goes on.

    Where nobody can answer, it raises UserError: silence is no consent.
    """

    def confirm(statement: str) -> bool:
        click.echo(statement, err=True)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UserError("nothing was sent: nobody is there to agree", hint)
        return click.confirm("Send it?", default=False, err=True)

    return confirm


class LateBar:
    """A progress bar that appears with the first progress: a question may come before it."""

    def __init__(self, description: str) -> None:
        self.description = description
        self._stack = contextlib.ExitStack()
        self._bar: Any = None

    def __enter__(self) -> LateBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, done: int, total: int) -> None:
        from asimbot_plugins.terminal import progress_bar

        if self._bar is None:
            self._bar = self._stack.enter_context(progress_bar(self.description, total))
        self._bar.show(done)


def need_stage(recipe: Any, stage: str) -> None:
    if recipe.stage != stage:
        raise UserError(
            f"{recipe.path} is a recipe of stage {recipe.stage!r}, this takes {stage!r}",
            "recipes/pocket_preferences.yml shows one" if stage == "preferences" else "",
        )
