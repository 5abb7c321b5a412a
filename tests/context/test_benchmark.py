import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from asimbot_plugins.context.window import Window
from benchmarks import context as bench

ROWS = [
    (0, "Ann", "who has a printer", []),
    (1, None, "Cem joined", []),
    (2, "Bob", "Ann: I do", [0]),
    (3, "Cem", "hello, world", []),
    (4, "Ann", "bob, which one", [2]),
    (5, "Bob", "a laser printer", [4, 2]),
    (6, "Dora", "hi cem", [1]),
]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "chat.jsonl"
    rows = [
        {
            "file": "f",
            "idx": 100 + idx,
            "time": f"2024-01-01T12:0{idx}",
            "sender": sender,
            "text": text,
            "system": sender is None,
            "parents": [100 + p for p in parents],
            "annotated": idx > 0,
        }
        for idx, sender, text, parents in ROWS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_texts_are_stripped_of_participants_only(data):
    (chat,) = bench.read_chats(data, stripped=True)
    assert [m.text for m in chat.messages][1:4] == ["I do", "hello, world", "which one"]
    (plain,) = bench.read_chats(data, stripped=False)
    assert plain.messages[1].text == "Ann: I do"


def test_gold(data):
    links = bench.read_gold(data)["f"]
    assert links.parents == {102: [100], 104: [102], 105: [104, 102]}
    assert links.starts == {103}  # 106 answers a system line: neither a query nor a start
    assert len({links.conversation[i] for i in (100, 102, 104, 105)}) == 1
    assert links.conversation[103] != links.conversation[100]


def test_measures_of_a_window(data):
    chats, gold = bench.read_chats(data, True), bench.read_gold(data)
    choices = bench.choose(Window(), chats)
    assert choices["f"][104] == [103, 102, 100]
    assert sorted(choices["f"]) == [102, 103, 104, 105, 106]
    found = bench.measure(choices, gold)
    # 102 finds its parent first, 104 second, 105 first.
    assert found["any@1"] == pytest.approx(66.7)
    assert found["any@3"] == 100
    assert found["MRR"] == pytest.approx((1 + 0.5 + 1) / 3, abs=1e-3)
    # Right: 100; 102 and 100 of 103, 102, 100; 104, 102, 100 of those and 103.
    assert found["P@5"] == 75


def test_trigger_counts_as_the_first_of_five(data):
    chats, gold = bench.read_chats(data, True), bench.read_gold(data)
    # 102: 100 alone. 104: 102, 100. 105: 104, then 103 (wrong), 102, 100.
    assert bench.measure_trigger(Window(), chats, gold) == pytest.approx(85.7)


def test_choices_do_not_depend_on_gold(data, tmp_path):
    rows = [json.loads(line) for line in data.read_text("utf-8").splitlines()]
    for row in rows:
        del row["parents"]
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert bench.read_chats(bare, True) == bench.read_chats(data, True)


def test_thinned_chats_keep_whole_conversations(data):
    chats, gold = bench.read_chats(data, True), bench.read_gold(data)
    for seed in range(8):
        ((few,), few_gold) = bench.thin(chats, gold, seed)
        kept = {gold["f"].conversation[idx] for idx in few.idx}
        assert few.idx == [
            idx
            for idx, annotated in zip(chats[0].idx, chats[0].annotated, strict=True)
            if annotated and gold["f"].conversation[idx] in kept
        ]
        assert set(few_gold["f"].parents) <= set(few.idx)
