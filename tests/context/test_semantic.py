import numpy as np
import pytest
from context_chat import chat

from asimbot_plugins.components import Reply
from asimbot_plugins.context.semantic import Semantic, SemanticLive

TOPICS = ["pizza", "football", "rain"]


class TopicEmbedder:
    """One dimension a topic word; remembers what it was asked to embed."""

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        texts = list(texts)
        self.asked += texts
        rows = np.array([[float(topic in text) for topic in TOPICS] for text in texts])
        return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)).astype("f4")


def make(selector, **options):
    made = selector(selector.Options(**options))
    made.embedder = TopicEmbedder()
    return made


CHAT = chat(
    "Ann: pizza tonight?",
    "Bob: football was good",
    "Ann: pizza with olives",
    "Bob: rain again",
    "Ann: football at nine",
    "Me: pizza, yes",
)


def test_seed_takes_the_top_by_cosine_with_the_reply_in_order():
    assert make(Semantic, select_k=2).select(CHAT, Reply(5, 6), "Me") == [0, 2]


def test_seed_looks_at_the_prior_top_k_only_and_takes_newest_on_ties():
    selector = make(Semantic, select_k=2, top_k=4)
    assert selector.select(CHAT, Reply(5, 6), "Me") == [2, 4]
    assert selector.rank(CHAT, Reply(5, 6), "Me", 3) == [2, 4, 3]


def test_seed_leaks_and_falls_back_to_the_last_messages_without_a_reply():
    assert Semantic.leaks
    selector = make(Semantic, select_k=2)
    assert selector.select(CHAT[:5], Reply(5, 5), "Me") == [3, 4]
    assert selector.embedder.asked == []


def test_live_uses_the_last_messages():
    assert not SemanticLive.leaks
    selector = make(SemanticLive, select_k=2, query_messages=1)
    assert selector.select(CHAT, Reply(5, 6), "Me") == [1, 4]


@pytest.mark.parametrize("junk", ["", "football football", "rain"])
def test_live_does_not_read_the_reply(junk):
    changed = [*CHAT[:5], CHAT[5]._replace(text=junk)]
    selector = make(SemanticLive, select_k=2)
    expected = selector.select(CHAT, Reply(5, 6), "Me")
    assert selector.select(changed, Reply(5, 6), "Me") == expected
    assert selector.select(CHAT[:5], Reply(5, 5), "Me") == expected


def test_each_text_is_asked_for_once():
    selector = make(SemanticLive)
    list(selector.select_many(CHAT, [Reply(4, 5), Reply(5, 6)], "Me"))
    assert sorted(selector.embedder.asked) == sorted({message.text for message in CHAT[:5]})


def test_start_of_a_chat_has_no_context():
    assert make(Semantic).select(CHAT, Reply(0, 1), "Ann") == []
    assert make(SemanticLive).select(CHAT, Reply(0, 0), "Ann") == []
