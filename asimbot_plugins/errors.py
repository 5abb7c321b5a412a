"""The one exception that a user may see."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right.

    ``what`` names the problem and where it is, ``hint`` what to do next. The command line
    prints both as one line and exits with status 2; nothing else in the package catches it.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = _one_line(what)
        self.hint = _one_line(hint)
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.what}: {self.hint}" if self.hint else self.what


def _one_line(text: str) -> str:
    return " ".join(text.split())
