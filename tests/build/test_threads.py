"""Where conversations end, what a late reply answers, and bursts."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from build_chat import START, build, recipe, sentence, talk

from asimbot_plugins.building.builder import thread_chat
from asimbot_plugins.building.threads import Threaded, Visible, conversations, learn_gap, replies_of
from asimbot_plugins.components import Reply
from asimbot_plugins.messages import Chat, Message

MINUTE = timedelta(minutes=1)


def _synthetic(pause: float, silence: float, senders: str, size: int) -> tuple[list[Message], set]:
    """A chat with log-normal pauses within talks and between them, and where the talks start."""
    numbers = random.Random(5)
    at, messages, starts = START, [], set()
    for _ in range(120):
        at += timedelta(minutes=numbers.lognormvariate(0, 0.5) * silence)
        starts.add(len(messages))
        for _ in range(numbers.randint(max(2, size // 2), size * 2)):
            messages.append(Message(at.replace(second=0), numbers.choice(senders), "x"))
            at += timedelta(minutes=numbers.lognormvariate(0, 0.8) * pause)
    return messages, starts


@pytest.mark.parametrize(
    ("pause", "silence", "senders", "size"),
    [
        (4.0, 600, "AB", 8),  # two people, a talk now and then
        (8.0, 1500, "AB", 4),  # quiet: a few messages a day
        (0.7, 300, "ABCDEF", 60),  # a busy group
        (2.0, 900, "ABC", 15),
    ],
)
def test_the_gap_is_learnt_from_the_chat(pause, silence, senders, size):
    messages, starts = _synthetic(pause, silence, senders, size)
    found = {c.start for c in conversations(messages, learn_gap(messages))}
    assert len(found & starts) >= 0.95 * len(starts)
    assert len(found - starts) <= 0.05 * len(starts)


def test_a_chat_too_short_to_learn_from_gets_four_hours():
    assert learn_gap(talk([(1, "A", "x")] * 5)) == timedelta(hours=4)


def test_the_gap_stays_within_half_an_hour_and_half_a_day():
    quick = talk([(1 + i % 3, "A", "x") for i in range(200)])
    slow = talk([(60 * 30 + i, "A", "x") for i in range(200)])
    assert learn_gap(quick) == timedelta(minutes=30)
    assert learn_gap(slow) == timedelta(hours=12)


def test_conversations_are_cut_only_where_the_pause_is_longer_than_the_gap():
    messages = talk([(0, "A", "1"), (60, "B", "2"), (61, "A", "3"), (-90, "A", "4")])
    cut = [(c.start, c.end) for c in conversations(messages, timedelta(minutes=60))]
    assert cut == [(0, 2), (2, 4)]
    assert conversations([], MINUTE) == []


def _visible(lines: list[tuple[float, str, str]], reply: int, late_hours: float = 36) -> int:
    threaded = Threaded(talk(lines), "Asim", 60 * MINUTE, 10 * MINUTE, timedelta(hours=late_hours))
    return Visible(threaded).first(Reply(reply, reply + 1))


EARLIER = [(0, "B", "old"), (100, "B", "coming on sunday?"), (1, "C", "and bring cake")]


def test_a_reply_within_a_talk_sees_that_talk_only():
    assert _visible([*EARLIER, (2, "Asim", "yes")], 3) == 1


def test_a_reply_that_comes_a_day_later_sees_the_talk_before_it_alone():
    lines = [*EARLIER, (24 * 60, "Asim", "yes sorry")]
    assert _visible(lines, 3) == 1
    assert _visible(lines, 3, late_hours=12) == 3


def test_opening_a_talk_answers_nothing():
    assert _visible([*EARLIER, (1, "Asim", "ok"), (24 * 60, "Asim", "guys")], 4) == 4
    assert _visible([*EARLIER, (37 * 60, "Asim", "guys")], 3) == 3


def test_a_late_reply_becomes_a_row_and_an_opening_does_not(tmp_path):
    lines = []
    for day in range(12):
        lines += [
            (1440, "B", sentence(4 * day)),
            (300, "Asim", f"late {sentence(4 * day + 1)}"),
            (300, "Asim", f"opening {sentence(4 * day + 2)}"),
        ]
    dataset = build(talk(lines), tmp_path)
    rows = [*dataset.train, *dataset.heldout]
    assert len(rows) == 12
    assert all(row["reply"].startswith("late ") for row in rows)
    assert {row["prompt"].count("<USR_A>") for row in rows} == {1}
    counts = dataset.ledger.counts
    assert counts["dropped, train: no context"] + counts["dropped, heldout: no context"] == 12


def test_the_friends_burst_is_one_reply_and_the_others_messages_stay_apart(tmp_path):
    lines = []
    for day in range(10):
        lines += [
            (1440, "B", f"one {sentence(day)}"),
            (1, "B", "two"),
            (1, "Asim", f"first {sentence(1000 + day)}"),
            (9, "Asim", "second"),
            (11, "Asim", f"later {sentence(2000 + day)}"),
        ]
    row, after = build(talk(lines), tmp_path).train[:2]
    assert row["text"] == (
        f"<USR_A> one {sentence(0)} <USR_A> two <SYS> first {sentence(1000)} <SEP> second"
    )
    assert after["prompt"].endswith(f"<SYS> first {sentence(1000)} <SEP> second <SYS>")
    assert after["reply"] == f"later {sentence(2000)}"


def test_replies_are_runs_without_anybody_between():
    lines = [(0, "A", "1"), (1, "A", "2"), (1, "B", "3"), (1, "A", "4"), (11, "A", "5")]
    found = replies_of(talk(lines), "A", 10 * MINUTE)
    assert found == [Reply(0, 2), Reply(3, 4), Reply(4, 5)]


def test_the_learnt_gap_is_used_unless_the_recipe_names_one(tmp_path):
    messages, _ = _synthetic(2.0, 900, "AB", 15)
    chat = Chat([m._replace(sender="Asim") if m.sender == "A" else m for m in messages])
    learnt = thread_chat(chat, recipe(tmp_path, conversation_gap_minutes="auto"))
    fixed = thread_chat(chat, recipe(tmp_path, conversation_gap_minutes=77))
    assert learnt.gap == learn_gap(chat.messages) != fixed.gap == 77 * MINUTE
