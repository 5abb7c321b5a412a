"""Every mistake a user can make is one line with status 2, and leaves nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from asimbot_plugins.cli import main
from asimbot_plugins.recipe import PLUGIN


@pytest.fixture
def recipe(tmp_path: Path, small_chat: Path) -> Path:
    path = tmp_path / "bread_sft.yml"
    data = {
        "plugins": [PLUGIN],
        "asimbot": {"chat_path": str(small_chat), "friend_path": "Asim"},
        "base_model": str(tmp_path / "no" / "such" / "base"),
        "output_dir": str(tmp_path / "out"),
    }
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def line_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error that a failing command prints."""
    assert main(list(arguments)) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("asimbot:")]
    return line


def test_a_good_recipe_builds(recipe: Path, tmp_path: Path) -> None:
    assert main(["build", str(recipe)]) == 0
    made = {path.name for path in (tmp_path / "out" / "data").iterdir()}
    assert {"dataset.jsonl", "heldout.jsonl", "ledger.json"} <= made


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("asimbot.friend_path=Asimm", "set asimbot.friend_path to one of: Asim (36)"),
        ("asimbot.chat_path=missing.zip", "missing.zip"),
        ("asimbot.frend_path=Asim", "did you mean 'friend_path'?"),
        ("asimbot.context.name=windo", "did you mean 'window'?"),
        ("asimbot.reader.name=whatsap", "did you mean 'whatsapp'?"),
        ("asimbot.heldout_share=2", "less than 1"),
        ("nonsense", "is not of the form key=value"),
    ],
)
def test_build_refuses(
    override: str, expected: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = line_of(capsys, "build", str(recipe), "--set", override)
    assert expected in line
    data = tmp_path / "out" / "data"
    assert not data.exists() or not list(data.glob("*.json*"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "no WhatsApp messages found"),
        (b"just some words\n", "no WhatsApp messages found"),
    ],
)
def test_an_export_without_messages(
    content: bytes,
    expected: str,
    recipe: Path,
    small_chat: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small_chat.write_bytes(content)
    line = line_of(capsys, "build", str(recipe))
    assert f"{small_chat}: {expected}" in line


def test_too_short_a_chat(
    recipe: Path, small_chat: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = small_chat.read_text("utf-8").splitlines()[:6]
    small_chat.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "longer chat" in line_of(capsys, "build", str(recipe))


def test_a_missing_base_model(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no model folder" in line_of(capsys, "train", str(recipe))


def test_talking_before_training(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(capsys, "generate", str(recipe), "--message", "Mina: hi")
    assert "there is no trained clone" in line and "asimbot train" in line


def test_a_message_without_a_name(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "NAME: TEXT" in line_of(capsys, "generate", str(recipe), "--message", "hello")


def test_a_misspelt_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'train'?" in line_of(capsys, "trian")


def test_a_missing_recipe_names_the_nearest(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = line_of(capsys, "build", str(recipe.parent / "bread_sf.yml"))
    assert f"did you mean {recipe}?" in line


def test_an_interrupted_build_leaves_what_was_there(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asimbot_plugins.building import builder

    assert main(["build", str(recipe)]) == 0
    files = sorted((tmp_path / "out" / "data").glob("*.json*"))
    before = [path.read_bytes() for path in files]

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(builder.ChatBuilder, "build", interrupted)
    assert main(["build", str(recipe), "--set", "asimbot.heldout_share=0.3"]) == 130
    assert sorted((tmp_path / "out" / "data").glob("*.json*")) == files
    assert [path.read_bytes() for path in files] == before
