"""Tells what a body is: text, media, deleted or a notice of WhatsApp's own.

Marks come first: on iOS whatever WhatsApp writes starts with U+200E or U+200F, and a media
placeholder also has one in front of the bracket. Then the words of ``strings``, always on a
whole body or a whole first line. What only repetition can tell is settled at the end of the
file (``Doubts``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import MutableSequence
from typing import NamedTuple

from asimbot_plugins.messages import Kind, Message
from asimbot_plugins.whatsapp import strings
from asimbot_plugins.whatsapp.strings import fold

EDGE = "\u200e\u200f"


class Body(NamedTuple):
    """What ``Kinds.classify`` makes of a body."""

    text: str
    kind: Kind = "text"
    edited: bool = False
    attachment: str | None = None
    doubt: str = ""
    """why the kind needs a second look at the end of the file; see ``Doubts``"""


_EDITED = re.compile(f"[ \n]?([{EDGE}]*)<[{EDGE}]*([^<>\n]{{2,60}})>$")
_OMITTED = re.compile(f"[{EDGE}]*<[{EDGE}]*([^<>\n:：]{{2,60}})>$")
_FILE = r"[^<>\n/\\]{1,200}\.\w{1,8}"
_ATTACHED_ANDROID = re.compile(f"([{EDGE}]*)({_FILE}) \\(([^()\n]{{2,40}})\\)$")
_ATTACHED_IOS = re.compile(
    f"([{EDGE}]*)<([{EDGE}]*)([^<>:：\n]{{2,30}}?)[ \u00a0\u202f]?[:：] ?[{EDGE}]*({_FILE})>"
)
_ATTACHED_OLD = re.compile(f"[{EDGE}]*({_FILE}) <[{EDGE}]*([^<>:\n]{{2,30}})>$")
_NAMED_BY_APP = re.compile(
    r"(?:IMG|VID|PTT|AUD|STK|DOC|GIF)-\d{8}-WA\d+|\d{8}-[A-Z]+[- ]|\d{4}-\d\d-\d\d-[A-Z]+-\d+"
)
_LOCATION = re.compile(r"(.{2,40}?) ?[:：]\s*https?://\S+$", re.DOTALL)
_DOCUMENT = re.compile(f"[{EDGE}]*({_FILE}) • ")

_NOTICE_STARTS = re.findall(r"[(|]([^\W\d_]{4,} ?\w*)", strings.NOTICE.pattern)
START = 6


def _starts() -> frozenset[str]:
    """First letters of everything that ``_plain_kind`` knows, as WhatsApp writes it."""
    found = {"null"}
    for text in [*strings.ORIGINALS, *(notice.capitalize() for notice in _NOTICE_STARTS)]:
        for shape in (text, text[:1].upper() + text[1:]):
            for tail in ("", ".", ",", ": http", " : http", "："):
                found.add((shape + tail)[:START])
                found.add((shape + tail).replace("'", "’")[:START])
    return frozenset(found)


STARTS = _starts()
"""If ``body[:START]`` is not here, no line's end is ``>`` or ``)`` and there is no mark, then
the body is text: the fast path of ``parse``."""


def classify(body: str, front: str, bracketed: bool) -> Body | None:
    """Kind of an authored body; None for text that needs no change.

    ``front``: the marks before the header's bracket; ``bracketed``: an iOS header.
    """
    edited = False
    if body[-1:] == ">":
        found = _EDITED.search(body)
        if found and found.start() > 0:
            known = fold(found[2]) in strings.EDITED
            if known or (found[1] and ":" not in found[2] and "：" not in found[2]):
                if known or fold(found[2]) not in strings.ATTACHED_IOS:
                    body, edited = body[: found.start()], True
            elif not bracketed and ":" not in found[2]:
                whole = Body(body, doubt=f"edited?{found[2]}")
                return _classify(body, front, bracketed) or whole
    result = _classify(body, front, bracketed)
    if edited:
        result = (result or Body(body))._replace(edited=True)
    return result


def _classify(body: str, front: str, bracketed: bool) -> Body | None:
    first, _, more = body.partition("\n")
    marked = first[:1] in EDGE if first else False
    if ")" in first[-1:]:
        found = _ATTACHED_ANDROID.match(first)
        if found and (
            found[1] or fold(found[3]) in strings.ATTACHED or _NAMED_BY_APP.match(found[2])
        ):
            return Body(body.lstrip(EDGE), "media", attachment=found[2])
    if "<" in body:
        result = _angled(body, first, more)
        if result is not None:
            return result
    if "\u200e" in body or marked:
        result = _marked(body, first, more, front, bracketed, marked)
        if result is not None:
            return result
    elif front and bracketed and not more and fold(body) in strings.OMITTED_IOS:
        return Body(body, "media", doubt="marked")
    return _plain_kind(body, first, more, bracketed)


def _angled(body: str, first: str, more: str) -> Body | None:
    """``<...>`` on the first line, or an attachment at the end of a caption."""
    found = _OMITTED.match(first)
    if found:
        inner = fold(found[1])
        if inner in strings.OMITTED or inner in strings.OMITTED_IOS:
            return Body(body.lstrip(EDGE), "media")
        if not more:
            return Body(body, doubt=f"omitted?{inner}")
    found = _ATTACHED_IOS.search(body)
    if found and (
        found[1]
        or found[2]
        or _NAMED_BY_APP.match(found[4])
        or fold(found[3]) in strings.ATTACHED_IOS
    ):
        alone = found.start() == 0 or found.end() == len(body)
        if alone or body[: found.start()].endswith("\n") or body[found.end() :][:1] == "\n":
            return Body(body.lstrip(EDGE), "media", attachment=found[4])
    found = _ATTACHED_OLD.match(first)
    if found and fold(found[2]) in strings.ATTACHED_IOS:
        return Body(body.lstrip(EDGE), "media", attachment=found[1])
    return None


def _marked(
    body: str, first: str, more: str, front: str, bracketed: bool, marked: bool
) -> Body | None:
    text = body.lstrip(EDGE)
    tail = fold(body[max(body.rfind("\u200e"), body.rfind("\u200f")) + 1 :])
    whole = fold(body)
    if tail in strings.OMITTED_IOS or whole in strings.OMITTED_IOS:
        document = _DOCUMENT.match(first)
        name = document[1] if document else None
        return Body(text, "media", attachment=name, doubt="marked")
    if whole in strings.DELETED or strings.DELETED_BY.match(whole):
        return Body(text, "deleted", doubt="marked")
    if _is_call(whole):
        return Body(text, "system", doubt="marked")
    if _is_location(text) or strings.VIEW_ONCE.match(whole):
        return Body(text, "media", doubt="marked")
    if not bracketed:
        return Body(text) if text != body else None
    short = len(tail) < 60 and not tail.endswith(">")
    if any(mark in front for mark in EDGE) and short and (not more or not marked):
        # A placeholder in a language that strings.py does not know.
        return Body(text, "media", doubt="marked")
    if marked and not more:
        return Body(text, "system", doubt="notice")
    return Body(text) if text != body else None


def _plain_kind(body: str, first: str, more: str, bracketed: bool) -> Body | None:
    if len(first) > 300:
        return None
    if body[:START] not in STARTS:
        return None
    whole = fold(body)
    if whole in strings.DELETED or strings.DELETED_BY.match(whole):
        return Body(body, "deleted")
    if _is_call(whole) or strings.NOTICE.match(whole):
        return Body(body, "system")
    if _is_location(body):
        return Body(body, "media")
    if not bracketed and body == "null":
        return Body(body, "media")
    if bracketed and whole in strings.OMITTED_IOS:
        return Body(body, "media", doubt="unmarked")
    return None


def _is_call(folded: str) -> bool:
    if folded in strings.CALLS:
        return True
    head, comma, tail = folded.partition(", ")
    return bool(comma) and head in strings.CALLS and len(tail) < 40


def _is_location(body: str) -> bool:
    if fold(body) in strings.LOCATION_WHOLE:
        return True
    found = _LOCATION.match(body)
    return found is not None and fold(found[1]) in strings.LOCATION


class Doubts:
    """Kinds that only the whole file can settle; holds places in the list of messages."""

    def __init__(self) -> None:
        self.marked = 0
        self.places: dict[str, list[int]] = defaultdict(list)

    def note(self, reason: str, place: int) -> None:
        """Remembers that the kind of message number ``place`` hangs on ``reason``."""
        if reason == "marked":
            self.marked += 1
        else:
            self.places[reason].append(place)

    def settle(self, messages: MutableSequence[Message]) -> None:
        """Applies what the whole file says to the messages in doubt, in place."""
        for reason, places in self.places.items():
            if reason == "unmarked":
                # Others carry WhatsApp's mark, so these were typed.
                if self.marked:
                    self._set(messages, places, "text")
            elif reason == "notice":
                # In some right-to-left chats people's own lines start with a mark as well.
                if len(places) > 5 and len(places) > 0.3 * len(messages):
                    self._set(messages, places, "text")
            elif reason.startswith("omitted?"):
                # The same <...> from several people is a placeholder in a language not listed.
                if len(places) > 1 and len({messages[place].sender for place in places}) > 1:
                    self._set(messages, places, "media")
            elif len(places) > 2 and len({messages[place].sender for place in places}) > 1:
                self._strip_edited(messages, places)

    @staticmethod
    def _set(messages: MutableSequence[Message], places: list[int], kind: Kind) -> None:
        for place in places:
            messages[place] = messages[place]._replace(kind=kind)

    @staticmethod
    def _strip_edited(messages: MutableSequence[Message], places: list[int]) -> None:
        for place in places:
            found = _EDITED.search(messages[place].text)
            if found and found.start() > 0:
                text = messages[place].text[: found.start()]
                messages[place] = messages[place]._replace(text=text, edited=True)
