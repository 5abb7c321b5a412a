"""What a reader produces and everything after it consumes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

Kind = Literal["text", "system", "media", "deleted"]


class Message(NamedTuple):
    """One message, as exported.

    ``timestamp`` is naive local time. ``sender`` is None for a line that nobody wrote
    (``kind == "system"``); a system notice that the export labels with a contact or group
    keeps that label. ``text`` is untouched apart from marks at its edges: no Unicode
    folding, newlines kept. ``attachment`` is a file name or None.
    """

    timestamp: datetime
    sender: str | None
    text: str
    kind: Kind = "text"
    edited: bool = False
    attachment: str | None = None


@dataclass
class Chat:
    """Messages in the order of the file, and the reader's account of how it got them."""

    messages: list[Message]
    report: Any = field(default=None)
    """A reader's own report; has ``to_dict()`` for machines and ``lines()`` for people."""
