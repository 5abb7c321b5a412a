"""The commands as a user types them, and recipes of stage preferences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_style_judge import Words

from asimbot_plugins.cli import main
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.judges import evidence
from asimbot_plugins.paths import read_jsonl, write_jsonl
from asimbot_plugins.recipe import check_recipe, load_recipe

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A preferences recipe on a chat long enough for the style judge."""
    from test_sampling import long_chat, recipes

    return recipes(tmp_path, long_chat(tmp_path, 90), "none")


@pytest.mark.parametrize("name", ["asim_preferences.yml", "pocket_preferences.yml"])
def test_the_recipes_that_ship_have_no_problem(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert check_recipe(Path("recipes") / name, load_host()) == []
    recipe = load_recipe(Path("recipes") / name)
    sft = load_recipe(Path("recipes") / name.replace("preferences", "sft"))
    assert recipe.friend == sft.friend
    assert recipe.dataset_dir == sft.dataset_dir
    assert recipe.output_dir != sft.output_dir
    assert recipe.sft.data == sft.data


def test_keys_that_nobody_reads_are_refused(path: Path) -> None:
    host = load_host()
    assert check_recipe(path, host, ["lora_r=8"]) == [
        "lora_r: unknown key (it would be ignored in silence)"
    ]
    assert check_recipe(path, host, ["sede=8"]) == ["sede: unknown key: did you mean 'seed'?"]
    (problem,) = check_recipe(path, host, ["asimbot.preferences.promts=8"])
    assert problem == "asimbot.preferences.promts: unknown key: did you mean 'prompts'?"
    with pytest.raises(UserError, match=r"sft_recipe_path"):
        load_recipe(path, ["asimbot.sft_recipe_path=null"])
    with pytest.raises(UserError, match="there is no recipe"):
        load_recipe(path, ["asimbot.sft_recipe_path=other.yml"])
    with pytest.raises(UserError, match="is no SFT recipe"):
        load_recipe(path, ["asimbot.sft_recipe_path=preferences.yml"])


def test_a_child_elsewhere_finds_the_sft_recipe_of_its_parent(path: Path) -> None:
    folder = path.parent / "deeper"
    folder.mkdir()
    child = folder / "child.yml"
    block = {"extends": "../preferences.yml", "preferences": {"prompts": 5}}
    child.write_text(yaml.safe_dump({"asimbot": block, "output_dir": "x"}), encoding="utf-8")
    recipe = load_recipe(child)
    assert recipe.section.preferences.prompts == 5
    assert recipe.sft.data == load_recipe(path).sft.data


def test_preferences_draws_ranks_and_exports(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from test_sampling import Counting

    from asimbot_plugins.generation import sampler

    monkeypatch.setattr(evidence, "Embedder", Words)
    monkeypatch.setattr(sampler, "load_clone", lambda *args: Counting())
    assert main(["preferences", str(path)]) == 0
    out = load_recipe(path).output_dir
    rows = list(read_jsonl(out / "ranked.jsonl"))
    assert len(rows) == len(list(read_jsonl(out / "candidates.jsonl")))
    assert {row["judge"] for row in rows} == {"style"}
    assert json.loads((out / "ranked.json").read_text())["agreement"] == 1.0
    assert "100.0%  of pairs get the same verdict in both orders" in capsys.readouterr().out
    assert main(["export", str(path), "--to", "dpo", "--margin"]) == 0
    pairs = list(read_jsonl(out / "dpo.jsonl"))
    assert len(pairs) == sum(len(row["pairs"]) for row in rows)
    assert all(pair["margin"] > 0 for pair in pairs)
    assert "the longer reply is the preferred one in" in capsys.readouterr().out


def test_judge_measures_and_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evidence, "Embedder", Words)
    assert main(["judge", str(path), "-n", "8"]) == 0
    assert "true reply above his own, shuffled" in capsys.readouterr().out
    found = json.loads((load_recipe(path).output_dir / "judge.json").read_text())
    assert found["judges"][0]["wins"]["another friend's"]["n"] == 8


def failing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert err[-1].startswith("asimbot: ")
    return err[-1]


def test_mistakes_cost_one_line(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*arguments: str) -> str:
        return failing([*arguments], capsys)

    assert "run 'asimbot preferences" in told("export", str(path), "--to", "dpo")
    assert "stage 'sft'" in told("preferences", str(path.parent / "sft.yml"))
    assert "did you mean 'style'?" in told("preferences", str(path), "--judge", "stile")
    assert "run 'asimbot train" in told("preferences", str(path), "--shard", "0/1")
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "GEMINI_API_KEY" in told("judge", str(path), "--judge", "gemini", "--no-models")
    (problem,) = check_recipe(path, load_host(), ["asimbot.judge.name=rag_gemini"])
    assert problem.startswith("asimbot.judge: there is no key for the Gemini API")


def test_a_recipe_without_any_preference_exports_nothing(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    row: dict[str, Any] = {"prompt": "p", "responses": ["a", "b"], "ranking": [1, 1]}
    write_jsonl(tmp_path / "tied.jsonl", [row])
    arguments = ["export", str(path), "--to", "dpo", "--ranked", str(tmp_path / "tied.jsonl")]
    assert "no judge preferred any reply" in failing(arguments, capsys)
