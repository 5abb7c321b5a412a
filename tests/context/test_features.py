import numpy as np
import pytest
from context_chat import chat

from asimbot_plugins.context.features import (
    BUCKETS,
    N_FEATURES,
    N_STATS,
    WindowReader,
    make_table,
    without_address,
)

CHAT = chat(
    "Ann: who is coming?",
    "Bob Smith: me",
    "Ann: Bob, when?",
    "Bob Smith: at nine",
    "Cem: and I @ann",
    "Ann: good",
)
WIDTH = 4
IS_FRIEND, LAST_OF_SENDER, SINCE_FRIEND, UNTIL_FRIEND, NAMES_FRIEND = 0, 7, 10, 11, 14


def read(messages, start, friend):
    table = make_table(messages)
    number = table.number_of.get(friend, -1)
    return WindowReader(table, WIDTH).read(np.array([start]), np.array([number]))


def test_table():
    table = make_table(CHAT)
    assert table.sender.tolist() == [0, 1, 0, 1, 2, 0]
    assert table.time.tolist() == [0, 1, 2, 3, 4, 5]
    assert table.mention.tolist() == [-1, -1, 1, -1, 0, -1]
    assert table.first_word[-1] == len(table.words)
    assert table.words.max() < BUCKETS
    assert table.stats.shape == (6, N_STATS)


def test_words_are_hashed_without_names():
    table = make_table(CHAT)
    # "Bob, when?" reads ", when ?" and two marks of how it begins; the name is left out.
    assert table.first_word[3] - table.first_word[2] == 5


def test_a_name_counts_only_after_its_owner_has_spoken():
    assert make_table(chat("Ann: Bob?", "Bob: yes", "Ann: Bob!")).mention.tolist() == [-1, -1, 1]


def test_clock_that_jumps_back_makes_no_negative_gap():
    messages = chat("Ann: a", "Bob: b", "Ann: c")
    messages[1] = messages[1]._replace(timestamp=messages[0].timestamp.replace(hour=3))
    assert make_table(messages).time.tolist() == [0, 0, 2]


def test_window_is_newest_first_and_padded():
    windows = read(CHAT, 3, "Ann")
    assert windows.index.tolist() == [[2, 1, 0, -1]]
    assert windows.features.shape == (1, WIDTH, N_FEATURES)
    assert not windows.features[0, 3].any()


def test_what_depends_on_the_friend():
    windows = read(CHAT, 5, "Bob Smith")
    assert windows.index.tolist() == [[4, 3, 2, 1]]
    features = windows.features[0]
    assert features[:, IS_FRIEND].tolist() == [0, 1, 0, 1]
    assert features[:, LAST_OF_SENDER].tolist() == [1, 1, 1, 0]
    assert features[:, NAMES_FRIEND].tolist() == [0, 0, 1, 0]
    steps = np.expm1(3 * features[:, SINCE_FRIEND]).round().tolist()
    assert steps == [WIDTH, WIDTH, 1, 2]
    steps = np.expm1(3 * features[:, UNTIL_FRIEND]).round().tolist()
    assert steps == [1, 2, 1, WIDTH]


def test_relations():
    relation = read(CHAT, 5, "Bob Smith").relation[0]
    assert relation.tolist() == [
        # Cem Bob Ann Bob reply
        [1, 0, 2, 0, 0],  # Cem names Ann
        [0, 1, 3, 1, 1],  # Bob is named by Ann, and is who will reply
        [3, 2, 1, 2, 2],  # Ann names Bob
        [0, 1, 3, 1, 1],
        [0, 1, 3, 1, 1],  # the reply
    ]


def test_unknown_friend_is_nobody():
    windows = read(CHAT, 5, "Dora")
    assert not windows.features[0][:, [IS_FRIEND, NAMES_FRIEND]].any()


@pytest.mark.parametrize("start", [1, 3, 5, 6])
@pytest.mark.parametrize("friend", ["Ann", "Bob Smith"])
def test_nothing_at_or_after_the_reply_is_read(start, friend):
    junk = [
        message._replace(sender="Zoe", text="Ann Bob Cem?", timestamp=CHAT[-1].timestamp)
        for message in CHAT[start:]
    ]
    for other in (CHAT[:start], [*CHAT[:start], *junk]):
        one, two = read(CHAT, start, friend), read(other, start, friend)
        for name in ("index", "features", "friend", "relation"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_other_names_give_the_same_numbers():
    def rename(text):
        for old, new in (("Ann", "Ulla"), ("ann", "ulla"), ("Bob", "Karl"), ("Cem", "Otto")):
            text = text.replace(old, new)
        return text

    other = [m._replace(sender=rename(m.sender), text=rename(m.text)) for m in CHAT]
    one, two = make_table(CHAT), make_table(other)
    np.testing.assert_array_equal(one.words, two.words)
    np.testing.assert_array_equal(one.mention, two.mention)


def test_late_start_gives_the_same_windows():
    whole, late = WindowReader(make_table(CHAT), 2), WindowReader(make_table(CHAT, 3), 2)
    starts, friends = np.array([5, 6]), np.array([1, 1])
    np.testing.assert_array_equal(
        whole.read(starts, friends).features, late.read(starts, friends).features
    )


def test_without_address():
    assert without_address("Bob: when?") == "when?"
    assert without_address("@bob, when: now") == "when: now"
    assert without_address("when?") == "when?"
