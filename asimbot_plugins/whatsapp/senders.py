"""Who wrote a line: the text before the first ``: ``, unless WhatsApp wrote the line itself."""

from __future__ import annotations

import re
from collections import defaultdict

from asimbot_plugins.messages import Message
from asimbot_plugins.whatsapp.grammar import MARKS
from asimbot_plugins.whatsapp.kinds import classify
from asimbot_plugins.whatsapp.strings import LOCATION, SYSTEM_VERB, fold

MAX_LENGTH = 250
"""A longer "sender" is a notice with a colon in it; group names end at 100 characters."""

_EDGE = re.compile(f"^[{MARKS} ]+|[{MARKS} ]+$")
_PAIRS = (("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"), ("„", "“”"), ("‹", "›"))
# A straight quote between letters is a Hebrew abbreviation, not a quotation mark.
_STRAIGHT = re.compile(r'(?<![^\W\d_])"|"(?![^\W\d_])')


def clean(raw: str) -> str:
    """A sender without direction marks at its edges; the inside stays as it is."""
    return _EDGE.sub("", raw)


def quotes_balanced(text: str) -> bool:
    """False if ``text`` ends inside a quotation."""
    if len(_STRAIGHT.findall(text)) % 2:
        return False
    for begin, ends in _PAIRS:
        if begin in text and text.rfind(begin) > max(text.rfind(end) for end in ends):
            return begin == "“" and "„" in text and text.rfind("„") < text.rfind("“")
    return True


def split(line: str) -> tuple[str, str] | None:
    """Sender and body of the text after a header, or None if nobody wrote it."""
    first, newline, more = line.partition("\n")
    at = first.find(": ")
    while 0 < at <= MAX_LENGTH:
        name, body = clean(first[:at]), first[at + 2 :]
        if name and (quotes_balanced(name) or _never_closed(name, body)):
            return name, body + newline + more
        at = first.find(": ", at + 2)
    name = clean(first.removesuffix(":"))
    if name and first.endswith(":") and len(first) <= MAX_LENGTH and quotes_balanced(name):
        return name, newline + more
    return None


def _never_closed(before: str, after: str) -> bool:
    """True if the quote left open in ``before`` is never closed, so that it is part of a name."""
    if len(_STRAIGHT.findall(before)) % 2:
        return len(_STRAIGHT.findall(after)) % 2 == 0
    return not any(end in after for begin, ends in _PAIRS if begin in before for end in ends)


def _holds_verb(name: str) -> bool:
    return SYSTEM_VERB.search(name) is not None


class Names(dict["str | None", "str | None"]):
    """Raw sender (with its colon) -> clean one, or None where the line needs ``split``."""

    def __init__(self) -> None:
        super().__init__({None: None})
        self.known: set[str] = set()
        """clean senders that are beyond doubt"""

    def __missing__(self, raw: str | None) -> str | None:
        assert raw is not None  # preset in __init__
        core = raw[:-2] if raw.endswith(": ") else raw[:-1]
        name: str | None = clean(core)
        if not name or len(core) > MAX_LENGTH or not quotes_balanced(core) or _holds_verb(core):
            name = None
        else:
            self.known.add(name)
        self[raw] = name
        return name


_PREFIX = re.compile(r"([^\n:]{1,40}): (?!//)")


def rejoin_colons(messages: list[Message], names: Names, bracketed: bool) -> None:
    """``Dad: office: hi``: if whatever Dad writes starts with ``office: ``, it is his name.

    Only recurrence can tell, so a sender needs two messages, and all of them so.
    """
    suspects: dict[str, str] = {}
    unseen = set(names.known)
    for message in messages:
        if message.sender in unseen:
            unseen.discard(message.sender)
            found = _PREFIX.match(message.text)
            if found and fold(found[1]) not in LOCATION and found[1] not in ("POLL", "OPTION"):
                suspects[message.sender] = found[0]
            if not unseen:
                break
    if not suspects:
        return
    places: dict[str, list[int]] = defaultdict(list)
    for place, message in enumerate(messages):
        prefix = suspects.get(message.sender or "")
        if prefix is not None:
            if message.text.startswith(prefix):
                places[message.sender or ""].append(place)
            else:
                del suspects[message.sender or ""]
    for name, prefix in suspects.items():
        if len(places[name]) < 2:
            continue
        for place in places[name]:
            body = messages[place].text[len(prefix) :]
            kind = classify(body, "", bracketed)
            messages[place] = messages[place]._replace(sender=f"{name}: {prefix[:-2]}", text=body)
            if kind is not None:
                messages[place] = messages[place]._replace(
                    text=kind.text, kind=kind.kind, edited=kind.edited, attachment=kind.attachment
                )


def settle_verbs(messages: list[Message], verbs: dict[str, list[int]], names: Names) -> None:
    """``Iris changed the subject to: soup``: a "sender" with a verb that writes nothing else."""
    for name, places in verbs.items():
        found = SYSTEM_VERB.search(name)
        actor = name[: found.start()] if found else name
        if len(places) == 1 or actor in names.known:
            for place in places:
                text = f"{name}: {messages[place].text}"
                messages[place] = messages[place]._replace(
                    sender=None, text=text, kind="system", edited=False, attachment=None
                )


_TIGHT = re.compile(r"([^:\n]{1,40}):(?=\S)(?!//)")


def settle_tight_colons(messages: list[Message], bracketed: bool) -> None:
    """``Bob:Hi``: senders without a space after the colon, if most lines of the file are so."""
    places = [
        place
        for place, message in enumerate(messages)
        if message.sender is None and _TIGHT.match(message.text)
    ]
    if len(places) <= 0.6 * len(messages):
        return
    for place in places:
        found = _TIGHT.match(messages[place].text)
        if found:
            body = messages[place].text[found.end() :]
            kind = classify(body, "", bracketed)
            messages[place] = Message(messages[place].timestamp, clean(found[1]), body)
            if kind is not None:
                messages[place] = messages[place]._replace(
                    text=kind.text, kind=kind.kind, edited=kind.edited, attachment=kind.attachment
                )
