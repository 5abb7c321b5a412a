"""Fills the README's parts that follow from the code: the help text and the tree.

A file's line in the tree is the first line of what it says about itself: a module's docstring,
a recipe's head comment, a document's title. ``--check`` only says whether the README is current.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PACKAGE = ROOT / "asimbot_plugins"
WIDTH = 100
FOLDERS = {
    "asimbot_plugins": "the package: host, built-in plugins, stages and command line",
    "asimbot_plugins/commands": "one module a sub-command",
    "asimbot_plugins/data": "keys that Axolotl and TRL know, made by tools/",
    "asimbot_plugins/judges/rubrics": "link to judges/",
    "recipes": "one YAML a friend and stage",
    "judges": "rubrics: judges are data",
    "plugins": "separately installable distributions, as a third party would write them",
    "examples": "the chat we wrote ourselves, as an iOS and an Android export, and its source",
    "docs": "what to read next",
    "benchmarks": "side-by-side measurements; results in README.md and results/",
    "tests": "unit tests, and slow ones that train, generate and serve",
    "tools": "what makes generated files, and what sets a machine up",
}


def help_text() -> str:
    from click.testing import CliRunner

    from asimbot_plugins.cli import group

    printed = CliRunner().invoke(group, ["--help"], prog_name="asimbot", terminal_width=WIDTH)
    return printed.output.strip()


def tree() -> str:
    lines = []
    for folder, about in FOLDERS.items():
        if "/" in folder:
            continue
        lines.append((f"{folder}/", about))
        if folder not in ("tests", "examples"):
            lines += [(f"  {name}", text) for name, text in _entries(ROOT / folder)]
    for name, about in {
        "Dockerfile.cuda": "the container for clusters",
        "Makefile": "make demo, make test, make venv",
        "pyproject.toml": "the distribution asimbot: dependencies, entry points, linters",
        "constraints.txt": "every version pinned",
        "CHANGELOG.md": "what changed",
        "EXPERIMENTS.md": "what was tried, with figures, failures included",
        "LICENSE": "Apache-2.0",
    }.items():
        if (ROOT / name).exists():
            lines.append((name, about))
    column = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name.ljust(column)}{about}".rstrip() for name, about in lines)


def _entries(folder: Path) -> list[tuple[str, str]]:
    found = []
    for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
        if path.name.startswith((".", "__")) or path.suffix in (".pyc", ".egg-info"):
            continue
        if path.name == "results":
            continue
        about = _about(path)
        found.append((path.name + ("/" if path.is_dir() else ""), about))
        if path.is_dir() and PACKAGE in path.parents and not path.is_symlink():
            found += [(f"  {name}", text) for name, text in _entries(path)]
    return found


def _about(path: Path) -> str:
    relative = str(path.relative_to(ROOT))
    if relative in FOLDERS:
        return FOLDERS[relative]
    if path.is_dir():
        for inner in (path / "__init__.py", path / "README.md"):
            if inner.is_file() and (about := _about(inner)):
                return about
        kinds = sorted({p.suffix.lstrip(".") for p in path.iterdir() if p.suffix})
        return f"{', '.join(kinds)} files"
    if path.suffix == ".json":
        return "made by a script in tools/"
    if path.suffix == ".npz":
        return "weights, read by the module of that name"
    text = path.read_text(encoding="utf-8", errors="ignore")
    if path.suffix in (".html", ".j2"):
        comment = re.search(r"<!-- (.*?) -->|{#- (.*?) -#}", text)
        return next((one for one in comment.groups() if one), "") if comment else ""
    if path.suffix == ".py":
        module = ast.parse(text)
        # A sub-command says what it does in its help text.
        said = [module, *(f for f in module.body if getattr(f, "name", "") == "command")]
        return next((doc.split("\n")[0] for f in said if (doc := ast.get_docstring(f))), "")
    if path.suffix == ".md":
        return re.sub(r"^#+\s*", "", text.split("\n", 1)[0])
    for line in text.splitlines():
        if line.startswith("#") and not line.startswith("#!"):
            return line.lstrip("# ").strip()
    return ""


def filled(readme: str) -> str:
    for name, text in (("help", help_text()), ("tree", tree())):
        pattern = rf"(<!-- {name}:start -->\n```\n).*?(\n```\n<!-- {name}:end -->)"
        readme = re.sub(pattern, lambda m, t=text: m[1] + t + m[2], readme, flags=re.S)
    return readme


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    before = README.read_text(encoding="utf-8")
    after = filled(before)
    if check:
        if before != after:
            print("README.md is out of date: run python tools/make_readme.py", file=sys.stderr)
        return int(before != after)
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
