from __future__ import annotations

import json
from pathlib import Path

import pytest
from rlhf_chain import Chain

from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import check_recipe, load_recipe
from asimbot_plugins.rlhf.options import STAGES, trl_keys
from asimbot_plugins.rlhf.pairs import is_held_out, spread


@pytest.fixture
def folder(tmp_path: Path, small_chat: Path) -> Chain:
    made = Chain(tmp_path)
    (tmp_path / "sft.yml").write_text(
        f"asimbot: {{chat_path: {json.dumps(str(small_chat))}, friend_path: Asim}}\n"
        f"base_model: pocket/gemma-3-270m\noutput_dir: {json.dumps(str(tmp_path / 'sft'))}\n",
        encoding="utf-8",
    )
    made.rank([])
    made.write("reward")
    return made


@pytest.mark.parametrize("stage", STAGES)
def test_a_recipe_of_each_stage_is_free_of_problems(folder: Chain, stage: str) -> None:
    assert check_recipe(folder.write(stage, learning_rate=0.001), load_host()) == []


@pytest.mark.parametrize("stage", STAGES)
def test_unknown_keys_are_refused_with_the_nearest_known_one(folder: Chain, stage: str) -> None:
    path = folder.write(stage, learning_rat=0.001, rlhf={"kl_targt": 3})
    problems = check_recipe(path, load_host())
    assert "learning_rat: unknown key: did you mean 'learning_rate'?" in problems
    assert "asimbot.rlhf.kl_targt: unknown key: did you mean 'kl_target'?" in problems


def test_keys_that_a_stage_would_ignore_are_unknown_to_it(folder: Chain) -> None:
    ppo = check_recipe(folder.write("ppo", num_train_epochs=3, stop_token_id=1), load_host())
    assert len(ppo) == 2 and all("unknown key" in problem for problem in ppo)
    grpo = check_recipe(folder.write("grpo", top_p=0.9), load_host())
    assert len(grpo) == 1 and grpo[0].startswith("top_p: unknown key")


def test_values_of_a_wrong_type_are_told_before_anything_is_loaded(folder: Chain) -> None:
    path = folder.write("dpo", learning_rate="1e-5", loss_type="sigmoid", num_train_epochs=True)
    assert check_recipe(path, load_host()) == [
        "learning_rate: '1e-5' is not of type float: write 0.00001",
        "loss_type: 'sigmoid' is not of type list[str]",
        "num_train_epochs: True is not of type float",
    ]


def test_a_missing_link_is_told(folder: Chain) -> None:
    path = folder.write("dpo", preferences="nowhere.yml")
    (problem,) = check_recipe(path, load_host())
    assert problem.startswith("asimbot.preferences_recipe_path: there is no recipe")


def test_a_child_recipe_keeps_its_parents_links(folder: Chain) -> None:
    folder.write("ppo", learning_rate=0.001)
    below = folder.folder / "below"
    below.mkdir()
    child = below / "other.yml"
    child.write_text(
        "asimbot: {extends: ../ppo.yml, rlhf: {kl_target: 2.0}}\noutput_dir: x\n", encoding="utf-8"
    )
    recipe = load_recipe(child)
    assert recipe.reward is not None and recipe.reward.stage == "reward"
    assert recipe.sft.stage == "sft" and recipe.section.rlhf.kl_target == 2.0


def test_no_key_sends_anything_or_runs_foreign_code() -> None:
    for stage in STAGES:
        for key in trl_keys(stage):
            for word in ("hub", "trust_remote", "vllm", "report_to", "trackio"):
                assert word not in key


def test_the_key_list_is_that_of_the_installed_trl() -> None:
    import importlib.metadata
    from importlib import resources

    text = resources.files("asimbot_plugins.data").joinpath("trl_keys.json").read_text("utf-8")
    assert json.loads(text)["trl"] == importlib.metadata.version("trl")


def test_a_prompt_is_held_out_for_good() -> None:
    prompts = [f"<USR_A> number {i} <SYS>" for i in range(4000)]
    held = [p for p in prompts if is_held_out(p, 0.15)]
    assert 0.13 < len(held) / len(prompts) < 0.17
    assert all(is_held_out(p, 0.2) for p in held)
    assert [p for p in prompts if is_held_out(p, 0.15)] == held


def test_spread_takes_evenly() -> None:
    assert spread(list(range(10)), 4) == [0, 2, 5, 7]
    assert spread([1, 2], 4) == [1, 2]
