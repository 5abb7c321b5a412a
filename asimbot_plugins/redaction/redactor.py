"""Takes personal data out of texts before anything is written.

``Redactor.find`` says what is personal, ``redact`` puts a placeholder in its place. Checks come
from phonenumbers (libphonenumber) and python-stdnum; the patterns are in ``patterns``, the
members' names in ``names``. Presidio was weighed and left out: for these kinds it has
patterns and checks too, mostly for English and American formats, and it depends on spaCy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from asimbot_plugins.building.options import KINDS, Mode
from asimbot_plugins.redaction import patterns as p
from asimbot_plugins.redaction.names import Names
from asimbot_plugins.redaction.placeholders import ROLE, Finding, Numbering, RedactedText, replaced
from asimbot_plugins.redaction.recognisers import (
    Spans,
    find_links,
    find_named_people,
    find_shapes,
    find_spoken_passwords,
    same,
)

REGIONS = (
    "GB", "US", "DE", "FR", "ES", "IT", "NL", "PT", "BR", "IN", "AT", "CH", "BE", "IE", "AU", "MX",
    "PL", "SE", "TR", "RU", "ZA",
)  # fmt: skip
"""Countries whose national way of writing a phone number is known; +NN works for all."""

_MAYBE = re.compile(r"[\d@:°]|\.[^\W\d_]{2}|///|www|\[at\]|\(at\)")
_LEARNT = ("PASSWORD", "CODE", "ID", "ACCOUNT", "BIRTHDAY", "CARD")
_WORD = re.compile(r"[^\W_]+")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u2009": " "})
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
_FOREIGN = re.compile(r"[^\D0-9]|[\uff20\uff0b]")
"""Digits of other scripts, and the wide @ and +."""
_WIDE = {"\uff20": "@", "\uff0b": "+"}
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]")


class Redactor:
    """Finds and replaces personal data.

    ``mode``: ``on`` takes what a check, a shape or a word beside it makes sure; ``strict`` takes
    whatever looks like it (longer numbers, full dates, handles, names in capitals). ``names``
    are those of the members, or a mapping person -> other names. ``kinds`` are the ones to
    replace (default all), ``allow`` texts that stay whatever they are (case ignored). With
    ``roles`` a member's mention can take a role of the example (see ``Numbering``).
    """

    def __init__(
        self,
        mode: Mode = "on",
        names: Iterable[str] | Mapping[str, Iterable[str]] = (),
        *,
        kinds: Iterable[str] = KINDS,
        allow: Iterable[str] = (),
        regions: Sequence[str] = REGIONS,
        ordinary: Iterable[str] = (),
        roles: bool = False,
    ) -> None:
        self.mode = mode
        self.kinds = frozenset(kinds)
        self.regions = tuple(regions)
        self._person_kind = ROLE if roles else "NAME"
        self._allow = {same(text) for text in allow}
        people = names if isinstance(names, Mapping) else dict.fromkeys(names, ())
        self.names = Names(people, ordinary, allow)
        self._known: dict[str, dict[str, str]] = {}

    def learn(self, findings: Iterable[Finding]) -> None:
        """From now on these values are found wherever they are written again."""
        for finding in findings:
            value = _plain(finding.text)[0].casefold()
            word = _WORD.search(value)
            if finding.kind in _LEARNT and word and sum(c.isalnum() for c in value) >= 6:
                self._known.setdefault(word[0], {}).setdefault(value[word.start() :], finding.kind)

    def _learnt_in(self, text: str) -> Iterator[tuple[int, int, str]]:
        if not self._known:
            return
        folded = text.casefold()
        if len(folded) == len(text) and self._known.keys().isdisjoint(_WORD.findall(folded)):
            return  # nearly always, and quickly
        for word in _WORD.finditer(text):
            for value, kind in self._known.get(word[0].casefold(), {}).items():
                end = word.start() + len(value)
                if (
                    text[word.start() : end].casefold() == value
                    and not text[end : end + 1].isalnum()
                ):
                    yield word.start(), end, kind

    def find(self, text: str, before: Sequence[str] = ()) -> list[Finding]:
        """What is personal in ``text``, in order, no two overlapping.

        ``before`` holds the messages right before it: "what was the door code?" makes a bare
        "4471" a code.
        """
        if self.mode == "off" or not text:
            return []
        plain, positions = _plain(text)
        spans = Spans(plain, self.kinds, self._allow, self.regions)
        self._collect(spans, " \n".join(before))
        found = []
        for start, end, kind, identity in sorted(spans.taken):
            if positions is not None:
                start, end = positions[start], positions[end - 1] + 1
            found.append(Finding(kind, start, end, text[start:end], identity))
        return found

    def mark(self, text: str, before: Sequence[str] = ()) -> str:
        """``text`` with placeholders that are not numbered yet: see ``Numbering``."""
        if isinstance(text, RedactedText):
            return text
        return replaced(text, self.find(text, before))

    def knows(self, text: str) -> bool:
        """Whether a value that was learnt stands in ``text``."""
        return any(True for _ in self._learnt_in(_plain(text)[0]))

    def redact(self, text: str, before: Sequence[str] = ()) -> str:
        """``text`` with placeholders, numbered where several of a kind differ."""
        return Numbering().place([self.mark(text, before)])[0]

    def _identity(self, name: str) -> str:
        person = self.names.person(name)
        return f"{self._person_kind}:{person}" if person else f"NAME:{same(name)}"

    def _collect(self, spans: Spans, before: str) -> None:
        """Fills ``spans``; what is surest comes first."""
        text, strict = spans.text, self.mode == "strict"
        maybe = not text.isascii() or _MAYBE.search(text) is not None
        for found in p.MENTION.finditer(text) if "@" in text else ():
            name = found[0].strip("@\u2068\u2069~ ")
            spans.add("NAME", found.start(), found.end(), self._identity(name))
        if maybe:
            find_links(spans)
        for start, end, person in self.names.find(text):
            at = start > 0 and text[start - 1] == "@"
            spans.add("NAME", start - at, end, f"{self._person_kind}:{person}")
        for start, end, kind in self._learnt_in(text):
            spans.add(kind, start, end)
        if maybe:
            find_shapes(spans, before, strict)
        find_spoken_passwords(spans)
        if strict or not text.islower():
            find_named_people(spans, strict)


def _plain(text: str) -> tuple[str, list[int] | None]:
    """``text`` with ASCII digits, plain spaces and hyphens and no invisible marks.

    Also the position in ``text`` of each character, or None where they are the same.
    """
    if text.isascii():
        return text, None
    plain = text.translate(_SPACES).translate(_HYPHENS)
    plain = _FOREIGN.sub(lambda found: _WIDE.get(found[0]) or str(int(found[0])), plain)
    if not _UNSEEN.search(plain):
        return plain, None
    positions = [i for i, c in enumerate(plain) if not _UNSEEN.match(c)]
    return "".join(plain[i] for i in positions), positions
