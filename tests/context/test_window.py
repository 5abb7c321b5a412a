import pytest
from context_chat import chat

from asimbot_plugins.components import Reply
from asimbot_plugins.context.base import estimate_tokens
from asimbot_plugins.context.window import Turns, Window
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import validate_options

CHAT = chat("Ann: a0", "Bob: b1", "Me: m2", "Ann: a3", "Bob: b4", "Me: m5", "Me: m6", "Ann: a7")


def test_window_is_the_last_k_in_order_with_the_friends_own():
    window = Window(Window.Options(k=3))
    assert window.select(CHAT, Reply(5, 6), "Me") == [2, 3, 4]


def test_window_at_generation_time_ends_with_the_last_message():
    assert Window(Window.Options(k=2)).select(CHAT, Reply(8, 8), "Me") == [6, 7]


def test_window_of_a_short_chat_and_of_none():
    assert Window().select(CHAT, Reply(2, 3), "Me") == [0, 1]
    assert Window().select(CHAT, Reply(0, 1), "Me") == []
    assert Window(Window.Options(k=None)).select(CHAT, Reply(8, 8), "Me") == list(range(8))
    assert Window(Window.Options(k=0)).select(CHAT, Reply(8, 8), "Me") == []


def test_window_ranks_newest_first():
    assert Window().rank(CHAT, Reply(5, 6), "Me", 3) == [4, 3, 2]


def test_turns_are_everything_since_the_friends_last_message():
    assert Turns().select(CHAT, Reply(5, 6), "Me") == [3, 4]
    assert Turns().select(CHAT, Reply(2, 3), "Me") == [0, 1]
    assert Turns().select(CHAT, Reply(8, 8), "Me") == [7]


def test_a_second_message_in_a_row_has_no_turn():
    assert Turns().select(CHAT, Reply(6, 7), "Me") == []


def test_budget_passes_what_is_too_long_and_is_never_exceeded():
    messages = chat("Ann: ab", "Bob: " + "x" * 300, "Ann: cd")
    budget = 2 * estimate_tokens("ab")
    window = Window(Window.Options(max_tokens=budget))
    assert window.select(messages, Reply(3, 3), "Me") == [0, 2]
    window = Window(Window.Options(max_tokens=budget - 1))
    assert window.select(messages, Reply(3, 3), "Me") == [2]


def test_budget_counts_with_the_given_function():
    window = Window(Window.Options(max_tokens=2))
    window.count_tokens = lambda text: 1
    assert window.select(CHAT, Reply(8, 8), "Me") == [6, 7]


def test_many_replies_equal_single_ones():
    replies = [Reply(2, 3), Reply(5, 7), Reply(8, 8)]
    for selector in (Window(), Turns()):
        assert list(selector.select_many(CHAT, replies, "Me")) == [
            selector.select(CHAT, reply, "Me") for reply in replies
        ]


def test_unknown_option_is_refused():
    with pytest.raises(UserError, match="kk"):
        validate_options(Window, {"kk": 3}, "context selector 'window'")
