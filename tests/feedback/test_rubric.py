"""Rubrics are data: every one that ships is whole, and found wherever asimbot is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from asimbot_plugins.errors import UserError
from asimbot_plugins.judges.rubric import load_rubric, rubric_folder

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "judges").glob("*.yml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_rubric_loads_under_its_own_name(name: str) -> None:
    rubric = load_rubric(name)
    assert rubric.name == name
    assert rubric.version
    if rubric.model is not None:
        assert rubric.model.prices is not None
        assert rubric.model.prices.as_of.year >= 2026


@pytest.mark.parametrize("name", ["gemini", "rag_gemini", "style"])
def test_every_judge_has_calibration_cases(name: str) -> None:
    assert len(load_rubric(name).calibration) >= 3


def test_the_package_carries_the_folder_of_the_repository() -> None:
    assert {path.stem for path in rubric_folder().glob("*.yml")} == set(NAMES)
    assert rubric_folder().resolve() == ROOT / "judges"


def test_templates_name_what_is_filled_in() -> None:
    rubric = load_rubric("rag_gemini")
    values = {"context": "C", "replies": "R", "examples": "E", "low": "1", "high": "10"}
    assert "C" in rubric.fill(rubric.prompt, **values)
    with pytest.raises(UserError, match="nothing fills: 'examples'"):
        rubric.fill("$examples", context="C")


def test_a_rubric_of_ones_own_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump({"name": "m", "version": "1", "about": "x", "scle": {}}))
    with pytest.raises(UserError, match=r"scle: unknown key: did you mean 'scale'\?"):
        load_rubric("gemini", str(path))
    path.write_text(
        yaml.safe_dump({"name": "m", "version": "1", "about": "x", "scale": {"low": 3, "high": 3}})
    )
    with pytest.raises(UserError, match="low must lie below high"):
        load_rubric("gemini", str(path))
    with pytest.raises(UserError, match="can't read the rubric"):
        load_rubric("gemini", str(tmp_path / "none.yml"))
