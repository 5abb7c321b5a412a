"""Training and held-out part, and nothing of the one in the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from asimbot_plugins.building.near import NearIndex, count_words
from asimbot_plugins.building.threads import Conversation, Threaded, conversations
from asimbot_plugins.errors import UserError

_NEAR = 0.6
_EVERY = 2000  # messages between two reports of progress
_LEAK_WORDS = 4
_TEXT_WORDS = 8
"""From here on it is a text that was copied; below, a phrase that people say again."""


def split_by_time(threaded: Threaded, heldout_share: float) -> tuple[Threaded, Threaded]:
    """Training and held-out part: the border lies between two conversations.

    It is the border after which the share of the friend's messages comes nearest to
    ``heldout_share``. Raises UserError if the chat is a single conversation.
    """
    messages, friend = threaded.messages, threaded.friend
    talks: list[Conversation] = conversations(messages, threaded.gap)
    own = [sum(m.sender == friend for m in messages[c.start : c.end]) for c in talks]
    wanted = sum(own) * heldout_share
    best, border, after = float("inf"), 0, 0
    for talk, n in zip(reversed(talks[1:]), reversed(own[1:]), strict=True):
        after += n
        if after and abs(after - wanted) < best:
            best, border = abs(after - wanted), talk.start
    if border == 0:
        raise UserError(
            f"the chat holds {len(talks)} conversation(s) with {sum(own)} message(s) of {friend}: "
            "too few to hold some out",
            "give it a longer chat",
        )
    return (
        replace(threaded, messages=messages[:border]),
        replace(threaded, messages=messages[border:]),
    )


class Leaks:
    """Held-out replies that the training part holds too, or nearly (Jaccard of trigrams ≥ .6).

    A text of eight words or more goes from training, wherever it stands there, in a reply or in
    a context. A phrase of four to seven words ("see you at the station") is how people talk: it
    stays in training, and the held-out reply is not measured on.
    """

    def __init__(self, heldout: Sequence[Sequence[str]]) -> None:
        """``heldout`` holds the messages of each held-out reply."""
        self._index = NearIndex(_NEAR)
        self._replies: dict[int, list[int]] = {}
        self._is_text: dict[int, bool] = {}
        self.said_in_training: set[int] = set()
        """Numbers of the held-out replies that are phrases said in training."""
        for i, messages in enumerate(heldout):
            for text in _texts(messages):
                number = self._index.add(text)
                self._replies.setdefault(number, []).append(i)
                self._is_text[number] = count_words(text) >= _TEXT_WORDS

    def check(self, messages: Sequence[str]) -> bool:
        """Whether a training message (or reply of several) must go; notes the phrases."""
        leaks = False
        for text in _texts(messages):
            for number in self._index.near(text):
                if self._is_text[number]:
                    leaks = True
                else:
                    self.said_in_training.update(self._replies[number])
        return leaks

    def scan(
        self,
        messages: Sequence[str],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> set[int]:
        """Numbers of the training messages that must go, like ``check`` of each alone."""
        leaking = set()
        for i, message in enumerate(messages):
            if i % _EVERY == 0:
                progress(i, len(messages))
            if self.check([message]):
                leaking.add(i)
        progress(len(messages), len(messages))
        return leaking


def _texts(messages: Sequence[str]) -> Iterable[str]:
    """Each message of four words or more, and all of them as one text if there are several."""
    joined = " ".join(messages)
    if count_words(joined) >= _LEAK_WORDS:
        yield joined
        if len(messages) > 1:
            yield from (m for m in messages if count_words(m) >= _LEAK_WORDS)
