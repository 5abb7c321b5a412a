"""Runs ``asimbot`` as a user would, from the root of the project."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


def asimbot(
    command: str, recipe: Path, overrides: Sequence[str] = (), allowed: Sequence[int] = (0,)
) -> int:
    """The command's exit status; one that is not ``allowed`` ends the benchmark."""
    sets = [word for override in overrides for word in ("--set", override)]
    line = [sys.executable, "-m", "asimbot_plugins.cli", command, str(recipe), *sets]
    status = subprocess.run(line, cwd=ROOT, check=False).returncode
    if status not in allowed:
        sys.exit(f"asimbot {command} {recipe} ended with status {status}")
    return status
