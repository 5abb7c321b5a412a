"""Filters, near-duplicates, and what keeps training and held-out part apart."""

from __future__ import annotations

import itertools
import random

import pytest
from build_chat import build, days, sentence, talk
from hypothesis import given, settings
from hypothesis import strategies as st

from asimbot_plugins.building.filters import FILTERS, Habits, script_of, sift
from asimbot_plugins.building.near import NearIndex, count_words, normalise
from asimbot_plugins.building.options import Filters
from asimbot_plugins.building.splits import Leaks
from asimbot_plugins.errors import UserError

HABITS = Habits.of(["hello there you", "so what", "привет"] * 3, [])
SCORE = {f.name: lambda *reply, f=f: f.score(list(reply), HABITS) for f in FILTERS}


def test_words_count_over_all_messages():
    assert SCORE["too long"]("one two", "three 🫡") == 4


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        (["🫡"], 1), (["💀💀💀"], 1), (["❤️"], 1), (["??"], 1), (["👍🏽"], 1), (["😂🎉"], 0),
        (["🫡", "🫡"], 0), (["ok"], 0), (["lol 💀"], 0), (["5"], 0),
    ],
)  # fmt: skip
def test_one_emoji(reply, score):
    assert SCORE["one emoji"](*reply) == score


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        (["<LINK>"], 1), (["<LINK_1>", "<EMAIL>!"], 1), (["https://example.com/x"], 1),
        (["look <LINK>"], pytest.approx(1 - 5 / 11, abs=1e-3)), (["ok"], 0), (["<NAME>"], 0),
        (["🫡"], 0),
    ],
)  # fmt: skip
def test_links_only(reply, score):
    assert SCORE["links only"](*reply) == score


LONG = " ".join(["word"] * 45)


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("Forwarded: look at this", 2), ("Weitergeleitet", 2), ("fwd: cake", 2),
        ("send this to 10 friends or else", 2), ("please forward this message to everyone", 2),
        ("forward march", 0), ("send it to your dad", 0), ("i forwarded the mail", 0),
        (LONG, 1), (f"*TITLE* *one* *two*\n1\n2\n3\n4\n{LONG}", 3), ("ok", 0),
    ],
)  # fmt: skip
def test_signs_of_a_forwarded_text(text, signs):
    assert SCORE["forwarded"](text) == signs


def test_a_long_text_that_somebody_else_wrote_too_is_forwarded():
    text = "the quick brown fox jumps over the lazy dog again and again today"
    habits = Habits.of(["hi", text], ["something else", text.upper() + "!!"])
    forwarded = next(f for f in FILTERS if f.name == "forwarded")
    assert forwarded.score([text], habits) == 2
    assert forwarded.score([text], Habits.of(["hi", text], ["something else"])) == 0


def test_scripts():
    assert [script_of(c) for c in "aéяあ漢م5🫡"] == [
        "LATIN", "LATIN", "CYRILLIC", "HAN", "HAN", "ARABIC", "", "",
    ]  # fmt: skip
    assert HABITS.scripts == {"LATIN", "CYRILLIC"}
    assert SCORE["other script"]("ok привет") == 0
    assert SCORE["other script"]("ok γεια σου") == pytest.approx(7 / 9, abs=1e-3)
    assert SCORE["other script"]("γε") == 0  # a letter or two is a smiley


def _sifted(replies: list[str], **cuts) -> list[str | None]:
    rows = [{"text": f"p {r}", "reply": r, "scores": {f.name: 0 for f in FILTERS}} for r in replies]
    sift(rows, [[r] for r in replies], Filters(**cuts))
    return [row["dropped"] for row in rows]


def test_duplicates_near_duplicates_and_short_phrases():
    long = "the quick brown fox jumps over the lazy dog"
    replies = ["ok", "ok", long, "The QUICK brown fox jumps over the lazy dog!!", "on my way now"]
    replies.append("on my way now!")  # a phrase: not a row of its own, but no near-duplicate
    assert _sifted(replies) == [None, "duplicate", None, "near-duplicate", None, None]
    assert _sifted(replies, duplicates=False, near_duplicates=None) == [None] * 6


def test_of_the_same_reply_the_newest_stay():
    replies = ["lol", "LOL", "no", "lol!", "lol?"]
    assert _sifted(replies, same_reply=2) == ["same reply", "same reply", None, None, None]


@pytest.mark.parametrize(
    ("reply", "reason", "cut"),
    [
        ("w " * 81, "too long", {"max_words": 100}),
        ("🫡", "one emoji", {"one_emoji": False}),
        ("https://example.com/xyz", "links only", {"links_only": False}),
        ("Forwarded: you must read this", "forwarded", {"forwarded": False}),
        ("γεια σου φίλε μου", "other script", {"other_script": None}),
    ],
)
def test_each_filter_has_a_count_in_the_ledger_and_a_key(tmp_path, reply, reason, cut):
    messages = days(20)
    place = next(i for i, m in enumerate(messages) if m.sender == "Asim" and i > 30)
    messages[place] = messages[place]._replace(text=reply)
    counts = build(messages, tmp_path).ledger.counts
    assert counts[f"dropped, train: {reason}"] == 1
    kept = build(messages, tmp_path, filters=cut)
    assert f"dropped, train: {reason}" not in kept.ledger.counts
    assert kept.ledger.counts["rows, train"] == counts["rows, train"] + 1


def test_every_row_keeps_its_scores(tmp_path):
    messages = days(20)
    messages[32] = messages[32]._replace(text="🫡")
    dataset = build(messages, tmp_path)
    assert len(dataset.scored) == len(dataset.train) + len(dataset.heldout) + 1
    (dropped,) = [row for row in dataset.scored if row["dropped"]]
    assert (dropped["reply"], dropped["dropped"], dropped["part"]) == ("🫡", "one emoji", "train")
    assert set(dropped["scores"]) == {f.name for f in FILTERS}
    assert not {"scores", "dropped", "messages"} & set(dataset.train[0])


def test_near_finds_what_is_alike_and_nothing_else():
    index = NearIndex(0.6)
    texts = [sentence(n, 9) for n in range(300)]
    assert [index.add(text) for text in texts] == list(range(300))
    assert index.add(texts[7].upper() + "!!!") == 7
    for n in range(0, 300, 10):
        words = texts[n].split()
        assert n in index.near(" ".join(words[:-1]) + " yes")
        assert index.near(" ".join(reversed("".join(words)))) == []
    assert index.near("") == NearIndex(0.6).near("x") == []


_PHRASES = st.lists(
    st.lists(
        st.sampled_from("we go to the station tomorrow now yesss Straße 🫡".split()), max_size=7
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(_PHRASES, st.sampled_from([0.4, 0.6, 0.8]))
def test_near_finds_what_comparing_all_pairs_finds(phrases, similarity):
    """The promise, computed the slow way; texts are few enough that no list of them is cut."""
    texts = [" ".join(words) for words in phrases]
    index = NearIndex(similarity)
    numbers = {normalise(text): index.add(text) for text in texts}

    def keys(text: str) -> set[str]:
        words = text.split(" ")
        pairs = [" ".join(pair) for pair in itertools.pairwise(words)] or [text]
        return {*pairs, *(word for word in words if len(word) >= 7)}

    def grams(text: str) -> set[str]:
        padded = f" {text} "
        return {padded[i : i + 3] for i in range(max(1, len(padded) - 2))}

    for text in map(normalise, texts):
        wanted = set()
        for other, number in numbers.items():
            mine, theirs = keys(text), keys(other)
            alike = len(grams(text) & grams(other)) / len(grams(text) | grams(other))
            if text == other or (len(mine & theirs) >= 0.25 * len(mine) and alike >= similarity):
                wanted.add(number)
        assert index.near(text) == sorted(wanted)


def test_near_is_linear_where_all_texts_are_alike():
    index = NearIndex(0.99)
    for n in range(3000):
        index.add(f"this very common sentence is said over and over, number {n}")
    assert len(index.near("this very common sentence is said over and over, number 5")) == 1


def test_normalised_text_has_no_case_signs_or_long_letters():
    assert normalise("  Sooooo GOOD!!! 🫡 (ok)_") == "soo good ok"
    assert count_words("it's 🫡 ok-ish, no?") == 3


def test_leaks_tell_texts_from_phrases():
    text = "i will never tell anybody where the keytar was found"
    leaks = Leaks(
        [["see you at the station"], [text], ["two", "messages of one reply here"], ["ok"]]
    )
    assert leaks.check([text.upper() + " 🫡"])
    assert leaks.check(["lol", text])
    assert not leaks.check(["see you at the station!!"])
    assert not leaks.check(["ok"]) and not leaks.check(["something else altogether, my friend"])
    assert leaks.said_in_training == {0}


def _words(text: str) -> list[str]:
    return normalise(text).split()


@pytest.mark.parametrize("seed", range(5))
def test_nothing_held_out_is_in_training(tmp_path, seed):
    """Held-out texts are planted all over the training part, as they are and changed a little."""
    numbers = random.Random(seed)
    messages = days(40)
    plain = build(messages, tmp_path)
    for row in numbers.sample(plain.heldout, 10):
        copy = row["reply"]
        copy = numbers.choice([copy, copy.upper() + "!!", copy.replace("q", "k"), "well " + copy])
        place = numbers.randrange(len(messages) // 2)
        messages[place] = messages[place]._replace(text=copy)
    dataset = build(messages, tmp_path)
    index = NearIndex(0.6)
    for row in dataset.heldout:
        index.add(row["reply"])
    held_times = {row["time"] for row in dataset.heldout}
    for row in dataset.train:
        assert row["time"] < min(held_times)
        parts = row["text"]
        for token in ("<USR_A>", "<USR_B>", "<SYS>", "<SEP>"):
            parts = parts.replace(token, "\n")
        for part in parts.split("\n"):
            if len(_words(part)) >= 4:
                assert index.near(part) == [], part
    dropped = sum("near a held-out" in reason for reason in dataset.ledger.counts)
    assert dropped == 1 and len(dataset.heldout) >= len(plain.heldout) - 1


def test_a_phrase_said_in_training_is_not_measured_on(tmp_path):
    messages = days(40)
    held = [i for i, m in enumerate(messages) if m.sender == "Asim"][-3]
    for place in (held, 5):
        messages[place] = messages[place]._replace(text="see you at the station")
    dataset = build(messages, tmp_path)
    assert dataset.ledger.counts["dropped, heldout: said in training"] == 1
    assert "see you at the station" not in {row["reply"] for row in dataset.heldout}
    assert any("see you at the station" in row["text"] for row in dataset.train)


def test_a_chat_of_one_conversation_is_refused(tmp_path):
    lines = [(1, "AB"[i % 2].replace("A", "Asim"), sentence(i)) for i in range(50)]
    with pytest.raises(UserError, match="1 conversation"):
        build(talk(lines), tmp_path)


def test_where_no_row_is_left_the_ledger_says_why(tmp_path):
    messages = [m._replace(text="🫡") if m.sender == "Asim" else m for m in days(20)]
    with pytest.raises(UserError, match=r"training part.*one emoji"):
        build(messages, tmp_path)
