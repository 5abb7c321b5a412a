"""The chain of jobs, from the shipped recipes: who waits for whom, what is skipped."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tiny import ROOT

from asimbot_plugins.cli import main


def dry_run(capsys: pytest.CaptureFixture[str], recipe: str, *more: str) -> tuple[dict, str]:
    """Each job's line by its name, and what was said on standard error."""
    assert main(["submit", recipe, "--dry-run", *more]) == 0
    out, err = capsys.readouterr()
    return dict(re.findall(r"^(\w+)=\$\((.*)\)$", out, re.MULTILINE)), err


def needs(line: str) -> set[str]:
    found = re.search(r"--dependency=afterok:(\S+)", line)
    return set(re.findall(r"\$(\w+)", found.group(1))) if found else set()


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_chain_of_the_shipped_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    jobs, said = dry_run(capsys, "recipes/asim_sft.yml", "--nodes", "2", "--gpus", "4")
    assert said == ""
    assert {name: needs(line) for name, line in jobs.items()} == {
        "sft": set(),
        "eval_sft": {"sft"},
        "shards": {"sft"},
        "merge": {"shards"},
        "reward": {"sft", "merge"},
        "dpo": {"sft", "merge"},
        "eval_dpo": {"dpo"},
        "ppo": {"sft", "reward"},
        "eval_ppo": {"ppo"},
        "grpo": {"sft", "reward"},
        "eval_grpo": {"grpo"},
    }
    assert "--nodes=2 --gpus-per-node=4" in jobs["sft"]
    assert "--nodes=1 --gpus-per-node=1 --array=0-7" in jobs["shards"]
    assert "--export=ALL,ASIMBOT_COMMAND=eval" in jobs["eval_dpo"]


def test_a_stage_without_a_recipe_is_skipped_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("asim_sft.yml", "asim_preferences.yml", "asim_dpo.yml"):
        shutil.copy(ROOT / "recipes" / name, tmp_path)
    shutil.copytree(ROOT / "recipes" / "slurm", tmp_path / "slurm")
    jobs, said = dry_run(capsys, str(tmp_path / "asim_sft.yml"))
    assert list(jobs) == ["sft", "eval_sft", "shards", "merge", "dpo", "eval_dpo"]
    for stage in ("reward", "ppo", "grpo"):
        assert f"asim_{stage}.yml: stage {stage} is skipped" in said


def test_a_chain_can_start_late(capsys: pytest.CaptureFixture[str]) -> None:
    jobs, _ = dry_run(capsys, "recipes/asim_reward.yml", "--gpus", "0")
    assert "sft" not in jobs and "shards" not in jobs
    assert needs(jobs["reward"]) == set() and needs(jobs["ppo"]) == {"reward"}
    assert "gpus" not in jobs["reward"]


def test_overrides_and_options_reach_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    jobs, _ = dry_run(
        capsys, "recipes/asim_sft.yml", "--set", "seed=9", "--sbatch=--partition=gpu nodes"
    )
    assert "recipes/asim_sft.yml --set seed=9" in jobs["sft"]
    assert "seed=9" not in jobs["dpo"]
    assert all("'--partition=gpu nodes'" in line for line in jobs.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recipes/none.yml"], "there is no recipe"),
        (["recipes/asim_sft.yml", "--shards", "0"], "--shards must be at least 1"),
        (["recipes/gpt2_baseline.yml"], "its name does not end in _sft.yml"),
        (["recipes/asim_sft.yml", "--set", "micro_bach_size=2"], "nothing was submitted"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", *arguments, "--dry-run"]) == 2
    err = capsys.readouterr().err
    assert said in err.splitlines()[-1]


def test_jobs_that_sbatch_took_are_named_when_it_refuses_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in for sbatch that takes two jobs and then says what a full queue says."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(
        f"#!/bin/sh\necho x >>{tmp_path}/calls\nn=$(wc -l <{tmp_path}/calls)\n"
        '[ "$n" -le 2 ] || { echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2; exit 1; }\n'
        'echo "$((100 + n))"\n',
        encoding="utf-8",
    )
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    out = f"output_dir={tmp_path / 'run'}"
    assert main(["submit", "recipes/asim_sft.yml", "--set", out]) == 2
    captured = capsys.readouterr()
    assert "sft 101" in captured.out
    assert "QOSMaxSubmitJobPerUserLimit: take back what was queued with 'scancel 101 102'" in (
        captured.err
    )


def test_batch_scripts_ask_for_their_arguments() -> None:
    for script in sorted((ROOT / "recipes" / "slurm").glob("*.sbatch")):
        done = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and done.stderr.startswith("usage:")
