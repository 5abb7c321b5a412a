"""A conversation that is going on: the context is chosen as it was for training."""

from __future__ import annotations

from datetime import datetime, timedelta

from asimbot_plugins.builder import Threaded, choose_context, make_selector
from asimbot_plugins.components import Reply
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import Host
from asimbot_plugins.messages import Message
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.tokens import format_prompt


class LiveConversation:
    """Messages so far, and the prompt for the friend's next reply."""

    def __init__(self, recipe: Recipe, host: Host) -> None:
        self.recipe = recipe
        self.messages: list[Message] = []
        self._selector = make_selector(host, recipe)

    def add(self, sender: str, text: str, timestamp: datetime | None = None) -> None:
        """Adds a message; without a time it comes some seconds after the one before."""
        if timestamp is None:
            last = self.messages[-1].timestamp if self.messages else datetime(2026, 1, 1, 12)
            timestamp = last + timedelta(seconds=20)
        if sender.casefold() in {name.casefold() for name in self.recipe.names}:
            sender = self.recipe.friend
        self.messages.append(Message(timestamp, sender, text))

    def add_line(self, line: str) -> None:
        """Adds ``NAME: TEXT``. Raises UserError if it has no such form."""
        sender, colon, text = line.partition(":")
        if not colon or not sender.strip() or not text.strip():
            raise UserError(f"--message {line!r} is not of the form 'NAME: TEXT'")
        self.add(sender.strip(), text.strip())

    def prompt(self) -> str:
        """The prompt for a reply to the messages so far."""
        burst = timedelta(minutes=self.recipe.section.burst_minutes)
        threaded = Threaded(self.messages, self.recipe.friend, timedelta.max, burst)
        end = len(self.messages)
        context = choose_context(self._selector, threaded, [Reply(end, end)])[0]
        return format_prompt(context, self.recipe.section.tokens)
