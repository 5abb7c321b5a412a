import random
from datetime import timedelta

import numpy as np
import pytest
from context_chat import chat

from asimbot_plugins.components import Reply
from asimbot_plugins.context.base import estimate_tokens
from asimbot_plugins.context.network import load_network
from asimbot_plugins.context.ranked import MODEL, Ranked, _chunks
from asimbot_plugins.errors import UserError

LINES = [
    ("Ann", "who wants pizza tonight?"),
    ("Bob", "did anyone see the game"),
    ("Cem", "my printer does not work, it says no paper"),
    ("Me", "pizza sounds good"),
    ("Ann", "which one? olives?"),
    ("Bob", "they lost again"),
    ("Me", "is there paper in the printer?"),
    ("Cem", "yes I checked twice"),
]
FRIEND = "Me"


def make_chat(n=120, seed=0):
    draw = random.Random(seed)
    lines = [LINES[draw.randrange(len(LINES))] for _ in range(n)]
    return chat(*(f"{sender}: {text} {draw.randrange(50)}" for sender, text in lines))


CHAT = make_chat()
REPLIES = [Reply(i, i + 1) for i, message in enumerate(CHAT) if message.sender == FRIEND]


class WordEmbedder:
    """Counts of letters as embeddings: enough to see that they are used."""

    def encode(self, texts):
        rows = [[t.count(chr(97 + i % 26)) + 0.01 * i for i in range(384)] for t in texts]
        rows = np.array(rows, np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make(**options):
    return Ranked(Ranked.Options(**options))


def test_choice_is_chronological_earlier_and_at_most_k():
    for reply, chosen in zip(REPLIES, make(k=5).select_many(CHAT, REPLIES, FRIEND), strict=True):
        assert chosen == sorted(set(chosen))
        assert len(chosen) <= 5
        assert all(0 <= i < reply.start for i in chosen)


def test_rank_is_best_first_without_repeats():
    ranked = make().rank(CHAT, Reply(100, 101), FRIEND, None)
    assert sorted(ranked) == list(range(60, 100))
    assert make().rank(CHAT, Reply(100, 101), FRIEND, 3) == ranked[:3]


@pytest.mark.parametrize("embedder", [None, WordEmbedder()])
def test_reply_and_everything_after_it_may_be_junk(embedder):
    one, two, three = make(), make(), make()
    one.embedder = two.embedder = three.embedder = embedder
    for reply in REPLIES[:12]:
        junk = [
            m._replace(sender="Zoe", text="Ann pizza?", timestamp=m.timestamp + timedelta(days=9))
            for m in CHAT[reply.start :]
        ]
        expected = one.select(CHAT, reply, FRIEND)
        assert two.select([*CHAT[: reply.start], *junk], reply, FRIEND) == expected
        now = Reply(reply.start, reply.start)
        assert three.select(CHAT[: reply.start], now, FRIEND) == expected


def test_many_replies_equal_single_ones():
    many = list(make().select_many(CHAT, REPLIES, FRIEND))
    assert many == [make().select(CHAT, reply, FRIEND) for reply in REPLIES]


def test_a_chat_that_grows_is_read_again():
    selector, messages = make(), list(CHAT[:50])
    selector.select(messages, Reply(50, 50), FRIEND)
    messages += chat("Bob: which printer is it?")
    assert selector.select(messages, Reply(51, 51), FRIEND) == make().select(
        messages, Reply(51, 51), FRIEND
    )
    messages[49] = messages[49]._replace(sender=FRIEND)
    assert selector.select(messages, Reply(51, 51), FRIEND) == make().select(
        messages, Reply(51, 51), FRIEND
    )


def test_last_message_and_the_friends_own_last_are_kept():
    for reply, chosen in zip(REPLIES, make(k=2).select_many(CHAT, REPLIES, FRIEND), strict=True):
        own = [i for i in range(max(0, reply.start - 40), reply.start) if CHAT[i].sender == FRIEND]
        assert reply.start == 0 or reply.start - 1 in chosen
        assert not own or own[-1] in chosen


def test_budget_is_never_exceeded():
    selector = make(k=None, max_tokens=60)
    for reply, chosen in zip(REPLIES, selector.select_many(CHAT, REPLIES, FRIEND), strict=True):
        assert chosen or reply.start == 0
        assert sum(estimate_tokens(CHAT[i].text) for i in chosen) <= 60


def test_a_start_is_given_little():
    always, never = make(start_share=0, start_k=1), make(start_share=1)
    assert always.select(CHAT, Reply(100, 101), "Dora") == [99]
    assert len(never.select(CHAT, Reply(100, 101), "Dora")) == 8


def test_first_message_has_no_context():
    assert make().select(CHAT, Reply(0, 1), FRIEND) == []
    assert make().select([], Reply(0, 0), FRIEND) == []
    assert list(make().select_many(CHAT, [], FRIEND)) == []


def test_thread_of_a_trigger_is_before_it():
    ranked = make().rank_thread(CHAT, 100, 4)
    assert len(ranked) == 4
    assert all(i < 100 for i in ranked)


def test_embedder_is_used():
    with_it = make()
    with_it.embedder = WordEmbedder()
    plain = [make().rank(CHAT, reply, FRIEND, 8) for reply in REPLIES]
    assert [with_it.rank(CHAT, reply, FRIEND, 8) for reply in REPLIES] != plain


def test_finds_the_open_question_beyond_the_last_messages():
    messages = chat(
        "Cem: my printer prints blank pages, what can I do?",
        "Me: which printer is it?",
        "Ann: who wants pizza tonight?",
        "Bob: me, with olives please",
        "Cem: a laser printer, and it prints only blank pages",
        "Ann: ok bob, one pizza with olives",
        "Bob: and a cola",
    )
    assert 4 in make().rank(messages, Reply(7, 7), "Me", 2)


def test_model_file_is_small_and_holds_plain_arrays():
    assert MODEL.stat().st_size <= 5_000_000
    with np.load(MODEL, allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored.files)
    network = load_network(MODEL)
    assert all(np.isfinite(array).all() for array in network.weights.values())


def test_missing_model_file_is_a_user_error(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"not a model")
    for name in ("none.npz", "broken.npz"):
        with pytest.raises(UserError, match="model file"):
            make(model=tmp_path / name).select(CHAT, REPLIES[5], FRIEND)


def test_chunks_keep_the_order_and_stay_short():
    starts = [*range(100), 50_000, 50_001]
    parts = list(_chunks(starts, 40))
    assert [start for part in parts for start in part] == starts
    assert all(max(part) - min(part) < 20_000 for part in parts)
