"""The documents say what the code does."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from asimbot_plugins import components, hookspecs
from asimbot_plugins.cli import COMMANDS, group

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


def signature(function: object) -> str:
    return str(inspect.signature(function)).replace("'", "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hook", [n for n in vars(hookspecs) if n.startswith(("register_", "check_"))]
)
def test_every_hook_is_documented_with_its_signature(hook: str) -> None:
    assert f"{hook}{signature(getattr(hookspecs, hook))}" in PLUGINS


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (components.Reader, "read"),
        (components.DatasetBuilder, "build"),
        (components.ContextSelector, "select"),
        (components.Collator, "make"),
        (components.Judge, "judge"),
    ],
)
def test_every_component_method_is_documented_with_its_signature(base: type, method: str) -> None:
    assert f"{method}{signature(getattr(base, method))}" in PLUGINS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    printed = CliRunner().invoke(group, [name, "--help"], prog_name="asimbot")
    assert printed.exit_code == 0 and "Usage: asimbot " + name in printed.output


def test_the_readme_is_current() -> None:
    """Help text and tree are made from the code; every file's line must say something."""
    made = subprocess.run(
        [sys.executable, "tools/make_readme.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    tree = README.split("<!-- tree:start -->")[1].split("<!-- tree:end -->")[0]
    for line in tree.strip().strip("`").strip().splitlines():
        assert len(line.split()) > 1, f"{line.strip()} says nothing about itself"


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name} → {target}"
