from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from asimbot_plugins.errors import UserError
from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import PLUGIN, check_recipe, flatten, load_recipe

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").glob("*.yml"))


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.txt"
    path.write_text("27/10/2024, 18:42 - Iris: soup\n", encoding="utf-8")
    return path


def write(folder: Path, name: str, data: dict[str, object]) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def minimal(chat: Path, **more: object) -> dict[str, object]:
    return {
        "plugins": [PLUGIN],
        "asimbot": {"chat_path": str(chat), "friend_path": "Iris"},
        "base_model": "google/gemma-7b",
        "output_dir": "runs/x",
        **more,
    }


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_shipped_recipe_is_free_of_problems(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert check_recipe(path, load_host()) == []


def test_all_planted_mistakes_come_at_once(tmp_path: Path, chat: Path) -> None:
    path = write(
        tmp_path,
        "bad.yml",
        {
            "plugins": ["asimbot_plugins.axolotl_adapter.AsimbotPlugn"],
            "asimbot": {
                "chat_path": str(tmp_path / "missing.zip"),
                "frend_path": "Iris",
                "context": {"name": "windw"},
                "collator": {"name": "sys_mask", "mod": "packed"},
                "stopping": [{"name": "max_messages", "n": "zero"}],
            },
            "base_model": "pocket/gemma-3-27m",
            "outptu_dir": "x",
            "learning_rat": 1,
            "trust_remote_code": True,
        },
    )
    problems = check_recipe(path, load_host())
    assert all("\n" not in problem for problem in problems)
    for expected in (
        "asimbot.frend_path: unknown key: did you mean 'friend_path'?",
        "asimbot.friend_path: missing key",
        "outptu_dir: unknown key: did you mean 'output_dir'?",
        "learning_rat: unknown key: did you mean 'learning_rate'?",
        "output_dir: missing key",
        "did you mean 'pocket/gemma-3-270m'?",
        "asimbot_plugins.axolotl_adapter.AsimbotPlugin is not listed",
        "AsimbotPlugn can't be found: Axolotl would train without it",
        "there is no context selector called 'windw': did you mean 'window'?",
        "asimbot.collator.mod: unknown key: did you mean 'mode'?",
        "asimbot.stopping.n: input should be a valid integer",
        "asimbot.chat_path: there is no file",
        "trust_remote_code",
    ):
        assert any(expected in problem for problem in problems), (expected, problems)


def test_a_child_wins_and_blocks_merge(tmp_path: Path, chat: Path) -> None:
    parent = minimal(chat, learning_rate=1e-3, num_epochs=2)
    parent["asimbot"]["context"] = {"name": "window", "k": 5}  # type: ignore[index]
    write(tmp_path, "parent.yml", parent)
    child = {
        "plugins": [PLUGIN],
        "asimbot": {"extends": "parent.yml", "friend_path": "Max", "context": {"k": 3}},
        "output_dir": "runs/max",
        "num_epochs": None,
    }
    data, sources = flatten(child, tmp_path / "child.yml")
    assert data["asimbot"]["context"] == {"name": "window", "k": 3}
    assert data["asimbot"]["friend_path"] == "Max"
    assert data["learning_rate"] == 1e-3
    assert "num_epochs" not in data
    assert "extends" not in data["asimbot"]
    assert sources["asimbot.friend_path"] == "child.yml"
    assert sources["asimbot.chat_path"] == "parent.yml"


def test_another_component_replaces_the_parents_options(tmp_path: Path, chat: Path) -> None:
    parent = minimal(chat)
    parent["asimbot"]["context"] = {"name": "window", "k": 5}  # type: ignore[index]
    write(tmp_path, "parent.yml", parent)
    child = {"asimbot": {"extends": "parent.yml", "context": {"name": "turns"}}}
    data, _ = flatten(child, tmp_path / "child.yml")
    assert data["asimbot"]["context"] == {"name": "turns"}


def test_inheritance_goes_one_level_deep(tmp_path: Path, chat: Path) -> None:
    write(tmp_path, "a.yml", minimal(chat))
    write(tmp_path, "b.yml", {"asimbot": {"extends": "a.yml"}})
    with pytest.raises(UserError, match="one level deep"):
        flatten({"asimbot": {"extends": "b.yml"}}, tmp_path / "c.yml")


def test_overrides_reach_into_blocks(tmp_path: Path, chat: Path) -> None:
    path = write(tmp_path, "r.yml", minimal(chat))
    recipe = load_recipe(path, ["asimbot.context.name=turns", "bf16=false", "output_dir=runs/y"])
    assert recipe.section.context.name == "turns"
    assert recipe.data["bf16"] is False
    assert str(recipe.output_dir) == "runs/y"
    with pytest.raises(UserError, match="key=value"):
        load_recipe(path, ["bf16"])


def test_a_near_recipe_name_is_suggested(tmp_path: Path) -> None:
    write(tmp_path, "pocket_sft.yml", {})
    with pytest.raises(UserError, match=r"did you mean .*pocket_sft\.yml"):
        load_recipe(tmp_path / "poket_sft.yml")


@pytest.mark.parametrize("text", ["a: [1", "- a list\n", "just words"])
def test_not_a_recipe_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yml"
    path.write_text(text, encoding="utf-8")
    (problem,) = check_recipe(path, load_host())
    assert "\n" not in problem and str(path) in problem


def test_the_known_keys_are_those_of_the_installed_axolotl() -> None:
    from importlib.metadata import version

    stored = json.loads((ROOT / "asimbot_plugins/data/axolotl_keys.json").read_text("utf-8"))
    assert stored["axolotl"] == version("axolotl")


def test_check_is_quick_and_loads_no_torch() -> None:
    code = (
        "import sys; from asimbot_plugins.cli import main; "
        "status = main(['check', 'recipes/pocket_sft.yml']); "
        "print('torch' in sys.modules, 'axolotl' in sys.modules); sys.exit(status)"
    )
    started = time.process_time()
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "False False"
    assert time.process_time() - started < 2
