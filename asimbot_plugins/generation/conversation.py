"""A conversation that is going on: the context is chosen as it was for training."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from asimbot_plugins.building.builder import choose_context, make_selector, present
from asimbot_plugins.building.threads import Threaded
from asimbot_plugins.components import Reply
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import Host
from asimbot_plugins.messages import Chat, Message
from asimbot_plugins.readers import read_chat
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.redaction.chat import redact_messages, redactor_for
from asimbot_plugins.redaction.placeholders import roles_in


class LiveConversation:
    """Messages so far, and the prompt for the friend's next reply."""

    def __init__(self, recipe: Recipe, host: Host) -> None:
        self.recipe = recipe
        self.messages: list[Message] = []
        self._host = host
        self._selector = make_selector(host, recipe)
        self._members: list[Message] | None = None
        self._roles: dict[str, str] = {}

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
        """The prompt for a reply to the messages so far, redacted as the training rows are."""
        section = self.recipe.section
        redactor = redactor_for(
            self.recipe, [*self._chat_members(), *self.messages], self.recipe.friend
        )
        messages = redact_messages(self.messages, redactor)
        burst = timedelta(minutes=section.burst_minutes)
        threaded = Threaded(messages, self.recipe.friend, timedelta.max, burst)
        end = len(messages)
        context = choose_context(self._selector, threaded, [Reply(end, end)])[0]
        roles = roles_in(context, self.recipe.friend, section.tokens)
        self._roles = {role: person for person, role in roles.items()}
        return present(context, section.tokens, self.recipe.friend)[0]

    def readable(self, reply: str) -> str:
        """A reply to the last prompt with the names of people in place of their roles."""
        if not self._roles:
            return reply
        any_role = "|".join(map(re.escape, self._roles))
        return re.sub(rf"(?<!\w)(?:{any_role})(?!\w)", lambda m: self._roles[m[0]], reply)

    def _chat_members(self) -> list[Message]:
        """One message of each member of the chat: their names were taken out in training."""
        if self._members is None:
            try:
                chat = read_chat(self.recipe, self._host)
            except UserError:
                chat = Chat([])  # the export is gone: only those who talk now are known
            by_sender = {
                message.sender: message
                for message in reversed(chat.messages)
                if message.sender is not None and message.kind != "system"
            }
            ours = {name.casefold() for name in self.recipe.names}
            self._members = [
                m._replace(sender=self.recipe.friend) if str(m.sender).casefold() in ours else m
                for m in by_sender.values()
            ]
        return self._members
