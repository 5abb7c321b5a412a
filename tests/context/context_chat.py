"""Small chats for tests: one ``"Sender: text"`` a message, a minute apart."""

from datetime import datetime, timedelta

from asimbot_plugins.messages import Message


def chat(*lines: str, minutes: float = 1) -> list[Message]:
    start = datetime(2024, 1, 1, 12)
    parts = [line.split(": ", 1) for line in lines]
    return [
        Message(start + timedelta(minutes=minutes * i), sender, text)
        for i, (sender, text) in enumerate(parts)
    ]
