from __future__ import annotations

from pathlib import Path

import pytest
from eval_made_report import made_report

from asimbot_plugins.evaluate.card import card, write_card
from asimbot_plugins.evaluate.report import number, show
from asimbot_plugins.recipe import Recipe, recipe_from


@pytest.fixture(scope="module")
def report() -> dict:  # type: ignore[type-arg]
    return made_report()


def recipe(folder: Path) -> Recipe:
    return recipe_from(
        {
            "base_model": "pocket/gemma-3-270m",
            "output_dir": str(folder),
            "adapter": "lora",
            "lora_r": 16,
            "asimbot": {"chat_path": "Secret Chat.txt", "friend_path": "Zebedee"},
        },
        folder / "zebedee_sft.yml",
    )


def test_real_clone_and_other_come_out_in_order(report: dict) -> None:  # type: ignore[type-arg]
    systems = report["systems"]
    share = {name: s["style"]["share"]["value"] for name, s in systems.items()}
    assert share["real"] == share["clone"] == 1.0
    assert share["another"] == share["base"] == 0.0
    fit = {name: s["relevance"]["selection"]["value"] for name, s in systems.items()}
    assert fit["real"] > fit["clone"] > fit["base"]
    assert report["summary"]["style_way"]["value"] == pytest.approx(1.0, abs=0.05)
    assert 0.2 < report["summary"]["relevance_way"]["value"] < 0.8
    assert systems["base"]["distinguish"]["value"] == 1.0
    assert systems["clone"]["distinguish"]["value"] < 0.75
    bits = {n: systems[n]["likelihood"]["bits_per_character"]["value"] for n in ("base", "clone")}
    assert bits["base"] == pytest.approx(2 * bits["clone"], rel=1e-3)
    assert systems["base"]["habits"]["casing"]["distance"]["value"] == 1.0
    assert systems["clone"]["habits"]["casing"]["distance"]["value"] == 0.0


def test_every_figure_has_an_interval_and_a_number(report: dict) -> None:  # type: ignore[type-arg]
    def walk(value: object) -> None:
        if isinstance(value, dict):
            if "value" in value and "low" in value:
                assert value["n"] in (30, 40)
                assert value["low"] <= value["high"]
                return
            for inner in value.values():
                walk(inner)

    for system in report["systems"].values():
        assert system["n"] in (30, 40)
        walk(system)


def test_a_report_is_the_same_for_the_same_seed(report: dict) -> None:  # type: ignore[type-arg]
    assert made_report() == report


def test_the_terminal_summary_is_one_screen(
    report: dict,
    capsys: pytest.CaptureFixture[str],  # type: ignore[type-arg]
) -> None:
    show(report)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= 40
    assert any("FAIL" in line for line in shown)
    assert any(line.strip().startswith("clone") for line in shown)


def test_a_card_names_nobody(report: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    for given in (report, None):
        text = card(recipe(tmp_path), given)
        assert not [w for w in ("Zebedee", "Secret", str(tmp_path), "/") if f" {w}" in text]
        assert "license: gemma" in text
        assert recipe(tmp_path).digest() in text
        assert "consent" in text
    assert "run `asimbot eval`" in card(recipe(tmp_path), None)
    assert "**fail**" in card(recipe(tmp_path), report)


def test_the_card_takes_the_place_of_axolotls(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("axolotl config: chat_path: Secret Chat.txt")
    assert "Secret" not in write_card(recipe(tmp_path), None).read_text()


def test_a_local_base_is_not_named(tmp_path: Path) -> None:
    made = recipe(tmp_path)
    made.data["base_model"] = "/home/zebedee/model"
    assert "zebedee" not in card(made, None)


def test_numbers_as_people_read_them() -> None:
    assert [number(0.667, "%"), number(0.667, ""), number(1.0, ""), number(17.24, "")] == [
        "67 %", ".67", "1.00", "17.2",
    ]  # fmt: skip
    assert number(-0.05, "") == "-.05"
