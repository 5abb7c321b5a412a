"""``asimbot eval`` from end to end: the example chat, a tiny random clone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import EXAMPLE_CHAT

from asimbot_plugins.cli import main
from asimbot_plugins.generation.sampler import SIDECAR, write_sidecar
from asimbot_plugins.recipe import load_recipe
from asimbot_plugins.sft.vocabulary import prepare

pytestmark = pytest.mark.slow


def write_recipe(folder: Path, base: Path) -> Path:
    """A recipe whose clone is the prepared base itself."""
    path = folder / "tiny.yml"
    recipe = {
        "base_model": str(base),
        "output_dir": str(folder / "run"),
        "sequence_len": 256,
        "asimbot": {
            "chat_path": str(EXAMPLE_CHAT),
            "friend_path": "Asim",
            "embedder": "pocket/all-MiniLM-L6-v2",
            "sampling": {"max_new_tokens": 12},
            "evaluation": {"prompts": 30, "adversarial": 1, "canaries": 2, "bootstrap": 100},
        },
    }
    path.write_text(json.dumps(recipe), encoding="utf-8")
    loaded = load_recipe(path)
    (folder / "run").mkdir()
    (folder / "run" / "merged").symlink_to(prepare(loaded))
    return path


def test_eval_tells_friend_from_noise_and_catches_the_copier(
    tmp_path: Path, tiny_gemma: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe(tmp_path, tiny_gemma)
    status = main(["eval", str(path)])
    shown = capsys.readouterr().out
    run = tmp_path / "run"
    report = json.loads((run / "report.json").read_text("utf-8"))
    systems = report["systems"]
    assert list(systems) == ["real", "another", "base", "few_shot", "clone", "copier"]
    share = {name: s["style"]["share"]["value"] for name, s in systems.items()}
    assert share["real"] > 0.9
    assert share["another"] < 0.1
    assert share["copier"] > 0.9  # it sounds right ...
    assert report["audit"]["control_fails"]  # ... and is caught
    assert report["classifier"]["auc"] > 0.95
    # A random model is told from the friend at once, and knows no canary.
    assert systems["clone"]["distinguish"]["value"] > 0.9
    checks = {check["name"]: check for check in report["audit"]["checks"]}
    assert checks["mean exposure of canaries, bits"]["value"] < 6
    assert checks["personal data of the chat brought out"]["value"] == 0
    assert status == (0 if report["audit"]["passed"] else 1)
    assert "memorisation audit" in shown
    for name in ("Asim", "Jonas", "Mina", "Gerald"):
        assert name not in (run / "report.json").read_text("utf-8")
        assert name not in (run / "README.md").read_text("utf-8")
    assert "Asim" in (run / "report.html").read_text("utf-8")

    # The same seed, the same figures.
    first = {key: report[key] for key in ("systems", "audit", "summary")}
    main(["eval", str(path)])
    again = json.loads((run / "report.json").read_text("utf-8"))
    assert {key: again[key] for key in first} == first


def test_a_clone_of_other_rows_is_not_evaluated(
    tmp_path: Path, tiny_gemma: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe(tmp_path, tiny_gemma)
    loaded = load_recipe(path)
    main(["build", str(path)])
    write_sidecar(loaded.output_dir, loaded)
    assert json.loads((loaded.output_dir / SIDECAR).read_text())["rows_sha256"]
    assert main(["eval", str(path), "--set", "asimbot.heldout_share=0.3"]) == 2
    assert "was trained on another dataset" in capsys.readouterr().err
