"""The example chat: nothing that was planted in it is written, and little else is taken."""

from __future__ import annotations

import re
from pathlib import Path

from asimbot_plugins.dataset import ensure_dataset
from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import load_recipe

ROOT = Path(__file__).parents[2]


def test_all_personal_data_of_the_example_chat_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = load_recipe(
        "recipes/pocket_sft.yml", [f"output_dir={tmp_path}", "asimbot.context.name=window"]
    )
    files = ensure_dataset(recipe, load_host())
    written = "".join(p.read_text("utf-8").casefold() for p in files.folder.glob("*.json*"))
    rows = Path("examples/chat/personal-data.tsv").read_text("utf-8").splitlines()[1:]
    values = [row.split("\t")[2] for row in rows]
    assert len(values) >= 55
    assert [value for value in values if value.casefold() in written] == []
    assert re.findall(r"\b(?:asim|jonas|mina|bex)(?:s|'s)?\b", written) == []
    kinds = {k.removeprefix("redacted: "): n for k, n in files.ledger.items() if "redacted" in k}
    assert kinds.pop("NAME") > 150
    assert sum(kinds.values()) <= len(values) + 10  # every other finding would be a false alarm
