"""Dockerfile.cuda and the scripts: linted, and the package step run in a new environment."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tiny import ROOT

DOCKERFILE = ROOT / "Dockerfile.cuda"


def lint(program: str, *arguments: str) -> str:
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    assert found, f"{program} is missing: pip install -e '.[test]'"
    done = subprocess.run(
        [found, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return done.stdout + done.stderr


def test_hadolint_finds_nothing() -> None:
    assert lint("hadolint", "--no-color", str(DOCKERFILE)) == ""


def test_shellcheck_finds_nothing() -> None:
    scripts = [*ROOT.glob("recipes/slurm/*.sbatch"), *ROOT.glob("tools/*.sh")]
    assert len(scripts) >= 4
    assert lint("shellcheck", *map(str, scripts)) == ""


def test_only_named_files_enter_the_image() -> None:
    """Everything is ignored first; what is copied is allowed, and nothing else is."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "**"
    allowed = {rule[1:].removesuffix("/**") for rule in rules if rule.startswith("!")}
    copied = {
        source.rstrip("/")
        for line in re.findall(r"^COPY (.*)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == allowed
    for source in copied - {"README.md"}:
        assert (ROOT / source).exists(), source


def test_the_image_does_not_run_as_root_and_does_not_report() -> None:
    text = DOCKERFILE.read_text("utf-8")
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001"]
    assert re.search(r"^FROM nvidia/cuda:[\d.]+-runtime-\S+$", text, re.MULTILINE)
    for name in ("AXOLOTL_DO_NOT_TRACK=1", "DO_NOT_TRACK=1", "HF_HUB_DISABLE_TELEMETRY=1"):
        assert name in text
    assert 'ENTRYPOINT ["asimbot"]' in text


@pytest.mark.slow
def test_the_package_step_installs_every_file(tmp_path: Path) -> None:
    """The image's own RUN line, for real; the dependencies are those of this environment."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    step = ["bash", str(ROOT / "tools" / "install.sh"), "package", str(python)]
    done = subprocess.run(step, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (site,) = environment.glob("lib/python*/site-packages")
    installed = {
        str(path.relative_to(site))
        for path in (site / "asimbot_plugins").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    tracked = subprocess.run(
        ["git", "ls-files", "asimbot_plugins"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.splitlines()
    wanted = set()
    for name in tracked:  # a link to a folder counts as the files in it
        path = ROOT / name
        wanted |= {f"{name}/{file.name}" for file in path.iterdir()} if path.is_dir() else {name}
    assert wanted - installed == set()
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    shown = subprocess.run(
        [str(environment / "bin" / "asimbot"), "check", str(ROOT / "recipes" / "asim_sft.yml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert shown.returncode == 0, shown.stderr
    assert "no problem found" in shown.stdout
