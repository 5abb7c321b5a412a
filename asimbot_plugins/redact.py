"""Takes personal data out of texts before anything is written.

``Redactor.find`` says what is personal, ``redact`` puts a placeholder in its place. Checks come
from phonenumbers (libphonenumber) and python-stdnum; the patterns are in ``redact_patterns``, the
members' names in ``redact_names``. Presidio was weighed and left out: its recognisers for these
kinds are the same patterns and checks, but it brings spaCy and cannot be used without it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from asimbot_plugins import redact_patterns as p
from asimbot_plugins.build_options import KINDS, Mode
from asimbot_plugins.redact_names import Names

REGIONS = (
    "GB", "US", "DE", "FR", "ES", "IT", "NL", "PT", "BR", "IN", "AT", "CH", "BE", "IE", "AU", "MX",
    "PL", "SE", "TR", "RU", "ZA",
)  # fmt: skip
"""Countries whose national way of writing a phone number is known; +NN works for all."""

ROLE = "ROLE"
"""Kind of the identity of a member, who may get a role in place of ``<NAME>``."""

_MAYBE = re.compile(r"[\d@:°]|\.[^\W\d_]{2}|///|www|\[at\]|\(at\)")
_LEARNT = ("PASSWORD", "CODE", "ID", "ACCOUNT", "BIRTHDAY", "CARD")
_WORD = re.compile(r"[^\W_]+")
_CUE_WINDOW = 60  # characters between a cue and what it makes personal
NEIGHBOURS = 3  # earlier messages whose cues still count
_TRIM = ".,;:!?)]}'\"»”’…*_~"
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u2009": " "})
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]")


class Finding(NamedTuple):
    """``text[start:end]`` of the text searched is personal data of a kind.

    ``identity`` is equal for two ways of writing the same thing (spaces, case).
    """

    kind: str
    start: int
    end: int
    text: str
    identity: str = ""


class RedactedText(str):
    """A redacted text whose placeholders are not numbered yet.

    ``starts`` says where each of them begins, ``identities`` what it stands for.
    """

    __slots__ = ("identities", "starts")
    identities: tuple[str, ...]
    starts: tuple[int, ...]


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
        self._allow = {_same(text) for text in allow}
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
        spans = _Spans(self, plain)
        self._collect(spans, " \n".join(before[-NEIGHBOURS:]))
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
        return f"{self._person_kind}:{person}" if person else f"NAME:{_same(name)}"

    def _collect(self, spans: _Spans, before: str) -> None:
        """Fills ``spans``; what is surest comes first."""
        text, strict = spans.text, self.mode == "strict"
        maybe = not text.isascii() or _MAYBE.search(text) is not None
        for found in p.MENTION.finditer(text):
            name = found[0].strip("@\u2068\u2069~ ")
            spans.add("NAME", found.start(), found.end(), self._identity(name))
        if maybe:
            _find_links(spans)
        for start, end, person in self.names.find(text):
            at = start > 0 and text[start - 1] == "@"
            spans.add("NAME", start - at, end, f"{self._person_kind}:{person}")
        for start, end, kind in self._learnt_in(text):
            spans.add(kind, start, end)
        if maybe:
            _find_shapes(spans, before, strict)
        _find_spoken_passwords(spans)
        if not text.islower():
            _find_named_people(spans, strict)


class _Spans:
    """Findings so far; what comes first wins, later ones must not touch it."""

    def __init__(self, redactor: Redactor, text: str) -> None:
        self.redactor = redactor
        self.text = text
        self.taken: list[tuple[int, int, str, str]] = []

    def free(self, start: int, end: int) -> bool:
        return all(end <= s or start >= e for s, e, _, _ in self.taken)

    def add(self, kind: str, start: int, end: int, identity: str | None = None) -> bool:
        value = self.text[start:end]
        if kind not in self.redactor.kinds or not value.strip() or not self.free(start, end):
            return False
        if _same(value) in self.redactor._allow:
            return False
        self.taken.append((start, end, kind, identity or f"{kind}:{_same(value)}"))
        return True

    def cue(self, pattern: re.Pattern[str], start: int, end: int, before: str) -> bool:
        """Whether a cue stands near, or in the messages before."""
        text = self.text
        near = text[max(0, start - _CUE_WINDOW) : start], text[end : end + _CUE_WINDOW]
        return any(pattern.search(part) for part in (*near, before))


def _find_links(spans: _Spans) -> None:
    text = spans.text
    if any(sign in text for sign in "@[("):
        for found in p.EMAIL.finditer(text):
            spans.add("EMAIL", found.start(), found.end())
    for found in p.LINK.finditer(text):
        end = found.end()
        while end > found.start() and text[end - 1] in _TRIM:
            end -= 1
        spans.add("LINK", found.start(), end)


def _find_shapes(spans: _Spans, before: str, strict: bool) -> None:
    text = spans.text
    for found in p.LOCATION.finditer(text):
        spans.add("LOCATION", found.start(), found.end())
    for found in p.IP.finditer(text):
        if strict or _is_public(found[0]):
            spans.add("IP", found.start(), found.end())
    if not any(c.isdigit() for c in text):
        return
    for found in p.IBAN.finditer(text):
        for end in _iban_ends(found[0]):
            if spans.add("IBAN", found.start(), found.start() + end):
                break
    _find_cued(spans, before)
    for found in p.ID_SHAPES.finditer(text):
        spans.add("ID", found.start(), found.end())
    for found in p.FULL_DATE.finditer(text):
        if strict or spans.cue(p.BIRTH_CUE, found.start(), found.end(), before):
            spans.add("BIRTHDAY", found.start(), found.end())
    patterns = [*p.ADDRESSES, *p.ADDRESSES_STRICT] if strict else p.ADDRESSES
    for pattern in patterns:
        for found in pattern.finditer(text):
            spans.add("ADDRESS", found.start(), found.end())
    for start, end, kind in _numbers(spans, before, strict):
        digits = "".join(c for c in text[start:end] if c.isdigit())
        spans.add(kind, start, end, f"{kind}:{digits[-9:] if kind == 'PHONE' else digits}")
    for found in p.PLATE_SHAPE.finditer(text):
        spans.add("ID", found.start(), found.end())
    if strict:
        for found in re.finditer(
            r"(?<![\w.,:/-])\d{5,}(?!\w)|(?<!\w)(?=\w*\d\w*\d)(?=\w*[A-Za-z])\w{6,}", text
        ):
            spans.add("ID", found.start(), found.end())


_TOKEN = re.compile(
    r"(?<![\w/.,:$€£-])[A-Za-z]{0,3}-?\d(?:[\d-]| (?=\d)){2,10}\d(?![\w/:]|[.,]\d|-\w|%)"
)
_REFERENCE = re.compile(
    r"(?<![\w/.:])(?=[\w/-]*\d[\w/-]*\d[\w/-]*\d)[A-Za-z\d]+(?:[-/ ](?=[A-Z\d]*\d)[A-Za-z\d]+){0,3}"
    r"(?![\w/:]|[.,]\d|%)"
)
_SECRET = re.compile(r"(?<![\w/.@-])(?=\S*\d)(?=\S*[^\W\d_])[\w!?#$%&*@-]{6,40}(?![\w/@])")
_PLATE = re.compile(
    r"(?<!\w)(?!(?:is|the|no|nr|of|was|ist|est|es|number|and|my|his|her|in|on)\b)"
    r"(?=[\w -]{0,6}\d)(?=[\w -]{0,6}[^\W\d_])"
    r"[^\W_]{1,4}[ -]?[^\W_]{1,4}(?:[ -]?[^\W_]{1,4})?(?!\w)"
)
_YEAR = re.compile(r"(?:19|20)\d\d$")


def _find_cued(spans: _Spans, before: str) -> None:
    """Short values that only a word beside them makes personal."""
    text = spans.text
    here = p.PASSWORD_CUE.search(text) is not None
    if here or (before and p.PASSWORD_CUE.search(before)):
        for found in _SECRET.finditer(text):
            alone = len(text) <= len(found[0]) + 12
            if (here or alone) and not _looks_ordinary(found[0]):
                spans.add("PASSWORD", found.start(), found.start() + len(found[0].rstrip(_TRIM)))
    if p.ACCOUNT_CUE.search(text) or (before and p.ACCOUNT_CUE.search(before)):
        for found in re.finditer(
            r"(?<![\w.,:/+-])(?:\d{2}-\d{2}-\d{2}|\d{6,12})(?![\w/:-]|[.,]\d)", text
        ):
            spans.add("ACCOUNT", found.start(), found.end())
    if _code_cue(text) or (before and _code_cue(before)):
        alone = len(text) <= _CUE_WINDOW
        for found in _TOKEN.finditer(text):
            digits = sum(c.isdigit() for c in found[0])
            near = _code_cue(text[max(0, found.start() - 40) : found.end() + 25])
            year = _YEAR.match(found[0])
            if (
                4 <= digits <= 8
                and (near or (alone and not year))
                and not re.match(r"\d+-\d+-", found[0])
            ):
                spans.add("CODE", found.start(), found.end())
    for found in re.finditer(r"(?<![\w.,:/+-])\d{2}-\d{2}-\d{2}(?= ?[/,]? ?\d{8}(?!\d))", text):
        spans.add("ACCOUNT", found.start(), found.end())
    if p.ID_CUE.search(text):
        for found in _REFERENCE.finditer(text):
            if sum(c.isdigit() for c in found[0]) >= 4 and _cued(p.ID_CUE, spans, found):
                spans.add("ID", found.start(), found.end())
    if p.PLATE_CUE.search(text):
        for found in _PLATE.finditer(text):
            digits = sum(c.isdigit() for c in found[0])
            shaped = 1 <= digits <= 4 and 5 <= len(found[0]) <= 10
            if shaped and _cued(p.PLATE_CUE, spans, found):
                spans.add("ID", found.start(), found.end())
    for found in re.finditer(
        r"(?<![\w/])[a-z]{2,4}/(?:19|20)\d\d/\d{3,7}(?![\w/])", text, re.IGNORECASE
    ):
        spans.add("ID", found.start(), found.end())


def _cued(cue: re.Pattern[str], spans: _Spans, found: re.Match[str]) -> bool:
    """Whether ``cue`` stands before a value that is no year, time or amount."""
    before = spans.text[max(0, found.start() - _CUE_WINDOW) : found.start()]
    return (
        cue.search(before) is not None
        and not _YEAR.match(found[0])
        and not _looks_ordinary(found[0])
    )


def _code_cue(text: str) -> bool:
    return any(
        not p.NOT_A_CODE.search(text[max(0, cue.start() - 12) : cue.start()])
        for cue in p.CODE_CUE.finditer(text)
    )


def _looks_ordinary(token: str) -> bool:
    """Times, ordinals, amounts, sizes, scores: digits with a unit."""
    return bool(
        re.fullmatch(
            r"[£$€]?\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s|[ap]m|h|hrs?|mins?|m|k|km|kg|gb|mb|tb|p|px|x\d*|er|ish|min)?[.,!?]*"
            r"|\d+[x:/-]\d+|\d{1,2}:\d\d\S*|v?\d+(?:\.\w+)+",
            token,
            re.IGNORECASE,
        )
    )


def _iban_ends(text: str) -> Iterable[int]:
    """Where a valid IBAN at the start of ``text`` may end, longest first."""
    from stdnum import iban

    ends = [m.end() for m in re.finditer(r"[A-Za-z0-9](?![A-Za-z0-9])|\d(?=[ -])", text)]
    for end in sorted({*ends, len(text)}, reverse=True):
        if end >= 15 and iban.is_valid(text[:end].replace("-", "")):
            yield end
    # A slip of the pen does not make it less of an account number.
    tight = re.match(
        r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])", text
    )
    if tight and sum(c.isdigit() for c in tight[0]) >= 12:
        yield tight.end()


_MOST_GROUPS = 24  # of digits in a run that is looked at: two telephone numbers and more


def _numbers(spans: _Spans, before: str, strict: bool) -> Iterator[tuple[int, int, str]]:
    """Telephone, card and other long numbers; of a run of several the longest that fit."""
    text = spans.text
    for run in p.DIGIT_GROUPS.finditer(text):
        ends = [run.start() + m.end() for m in re.finditer(r"\d+", run[0])][:_MOST_GROUPS]
        starts = [run.start() + m.start() for m in re.finditer(r"[+(]*\d+", run[0])][:_MOST_GROUPS]
        first = 0
        while first < len(starts):
            for last in range(len(ends) - 1, first - 1, -1):
                start, end = starts[first], ends[last]
                kind = _kind_of_number(spans, text[start:end], start, end, before, strict)
                if kind is not None:
                    yield start, end, kind
                    first = last
                    break
            first += 1


def _kind_of_number(
    spans: _Spans, value: str, start: int, end: int, before: str, strict: bool
) -> str | None:
    from stdnum import luhn

    digits = "".join(c for c in value if c.isdigit())
    n = len(digits)
    near = spans.text[max(0, start - _CUE_WINDOW) : end + 30]
    if not re.match(r"[+(0]", value) and 12 <= n <= 19 and not re.search(r"[./()]", value):
        grouped = re.fullmatch(
            r"\d{4}(?:[ -]\d{4}){2,3}(?:[ -]\d{1,3})?|3\d{3}[ -]\d{6}[ -]\d{5}", value
        )
        if luhn.is_valid(digits) and (grouped or 15 <= n <= 16):
            return "CARD"
        if p.CARD_CUE.search(near) or p.CARD_CUE.search(before) or (grouped and n >= 15):
            return "CARD"
    if re.search(r"(?:19|20)\d\d-\d\d-\d\d", value) or re.fullmatch(
        r"\d{4}[-./]\d{1,2}[-./]\d{1,2}(?: \d{1,2})?|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}(?: \d{1,2})?",
        value,
    ):
        return None  # a date
    if _is_phone(value, digits, near, spans.redactor.regions):
        return "PHONE"
    if strict and n >= 6 and not re.fullmatch(r"\d{1,3}(?:[ .]\d{3})+", value):
        return "ID"
    return None


def _is_phone(value: str, digits: str, near: str, regions: Sequence[str]) -> bool:
    import phonenumbers

    if len(digits) < 7 or re.search(r"\.{2}|/{2}|--|  ", value):
        return False
    international = value.lstrip("(").startswith("+") or (
        value.startswith("00") and len(digits) > 9
    )
    if international:
        number_ = "+" + digits.removeprefix("00")
        try:
            return phonenumbers.is_possible_number(phonenumbers.parse(number_))
        except phonenumbers.NumberParseException:
            return False
    cued = p.PHONE_CUE.search(near) is not None
    trunk = value.lstrip("(").startswith("0")
    if trunk and len(digits) >= 9 and not re.match(r"0[.,]", value):
        return len(digits) <= 12
    groups = re.split(r"[ ().\-/]+", value.strip("() "))
    # Without a leading zero: three to five groups as telephone numbers have, or a cue.
    shaped = (2 <= len(groups) <= 5 and all(2 <= len(g) <= 5 for g in groups)) and "." not in value
    shaped = shaped and len(digits) >= 9 and any(len(g) >= 3 for g in groups)
    shaped = shaped and not all(_YEAR.match(g) for g in groups)
    if re.fullmatch(r"\d{1,3}(?:[ .]\d{3})+", value) and not cued:
        shaped = len(digits) == 9 and " " in value and value[0] in "6789"
    if re.fullmatch(r"\d{3}\.\d{3}\.\d{4}", value):
        shaped = True
    if not (shaped or cued or (len(digits) == 10 and value == digits)):
        return False
    for region in regions:
        try:
            parsed = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number_for_region(parsed, region):
            return True
    return cued and 7 <= len(digits) <= 12


def _is_public(address: str) -> bool:
    """Whether an address says which machine it is; 2.6.15.1 is a version, 10.0.0.1 anybody's."""
    import ipaddress

    try:
        return ipaddress.ip_address(address).is_global and not re.match(r"\d\.", address)
    except ValueError:
        return True  # a hardware address


def _find_spoken_passwords(spans: _Spans) -> None:
    for found in p.SPOKEN_PASSWORD.finditer(spans.text):
        value = found["value"].rstrip(_TRIM)
        sure = re.search(r"[:=>]\s*\S*$", spans.text[found.start() : found.start("value")])
        if sure or re.search(r"[\d@#$%&*_]|[a-z][A-Z]", value):
            spans.add("PASSWORD", found.start("value"), found.start("value") + len(value))


_FULL_NAME = re.compile(r"(?<=[a-z,;] )[A-ZÀ-Þ][a-zà-ÿ'’-]+(?: [A-ZÀ-Þ][a-zà-ÿ'’-]+)+")
_INITIAL = re.compile(r"(?<!\w)[A-Z]\. ?[A-ZÀ-Þ][\w'’-]{2,}")
_INITIAL_CAPITALS = re.compile(r"(?<!\w)[A-Z]\. [A-ZÀ-Þ]{3,}(?!\w)")


def _find_named_people(spans: _Spans, strict: bool) -> None:
    """People who are no members: after a title, an introduction, an initial."""
    text = spans.text
    for found in p.TITLED.finditer(text):
        spans.add("NAME", found.start("value"), found.end("value"))
    for found in p.INTRODUCED.finditer(text):
        sure = not found[0].lower().startswith("this is") or " " in found["value"]
        if sure and not found["value"].isupper():
            spans.add("NAME", found.start("value"), found.end("value"))
    patterns = [p.HANDLE, _INITIAL, _FULL_NAME] if strict else [_INITIAL_CAPITALS]
    for pattern in patterns:
        if pattern is _INITIAL_CAPITALS and text.isupper():
            continue
        for found in pattern.finditer(text):
            spans.add("NAME", found.start(), found.end())


def replaced(text: str, findings: Sequence[Finding]) -> str:
    """``text`` with a placeholder for each finding; itself if there is none."""
    if not findings:
        return text
    parts: list[str] = []
    starts: list[int] = []
    last = length = 0
    for finding in findings:
        starts.append(length + finding.start - last)
        placeholder = f"<{finding.kind}>"
        parts += [text[last : finding.start], placeholder]
        length = starts[-1] + len(placeholder)
        last = finding.end
    made = RedactedText("".join([*parts, text[last:]]))
    made.starts = tuple(starts)
    made.identities = tuple(finding.identity for finding in findings)
    return made


class Numbering:
    """Numbers the placeholders of one example.

    ``<PHONE>`` where a kind stands for one thing, however often; ``<PHONE_1>`` … in order of
    appearance where it stands for several. What was placed once keeps its placeholder: a prompt
    reads the same whatever reply follows it. ``roles`` maps a member to what stands for them in
    this example, in place of ``<NAME>``.
    """

    def __init__(self, roles: Mapping[str, str] | None = None) -> None:
        self._placed = {f"{ROLE}:{person}": role for person, role in (roles or {}).items()}
        self._count: Counter[str] = Counter()

    def place(self, texts: Sequence[str]) -> list[str]:
        """``texts`` (of ``Redactor.mark``; others are returned as they are), numbered together."""
        new: dict[str, list[str]] = {}
        for text in texts:
            for identity in dict.fromkeys(getattr(text, "identities", ())):
                if identity not in self._placed:
                    kind = identity.partition(":")[0]
                    ids = new.setdefault("NAME" if kind == ROLE else kind, [])
                    if identity not in ids:
                        ids.append(identity)
        for kind, identities in new.items():
            alone = not self._count[kind] and len(identities) == 1
            for identity in identities:
                self._count[kind] += 1
                self._placed[identity] = f"<{kind}>" if alone else f"<{kind}_{self._count[kind]}>"
        return [self._fill(text) for text in texts]

    def _fill(self, text: str) -> str:
        identities = getattr(text, "identities", ())
        if not identities:
            return str(text)
        # A chat may hold "<NAME>" itself: the marks are known by their place, not their look.
        parts, last = [], 0
        for start, identity in zip(text.starts, identities, strict=True):  # type: ignore[attr-defined]
            end = text.index(">", start) + 1
            parts += [text[last:start], self._placed[identity]]
            last = end
        return "".join([*parts, text[last:]])


def _same(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold() or text


def _plain(text: str) -> tuple[str, list[int] | None]:
    """``text`` with ASCII digits, plain spaces and hyphens and no invisible marks.

    Also the position in ``text`` of each character, or None where they are the same.
    """
    if text.isascii():
        return text, None
    plain = text.translate(_SPACES).translate(_HYPHENS)
    plain = "".join(
        str(int(c))
        if not c.isascii() and c.isdecimal()
        else "@"
        if c == "@"
        else "+"
        if c == "+"
        else c
        for c in plain
    )
    if not _UNSEEN.search(plain):
        return plain, None
    positions = [i for i, c in enumerate(plain) if not _UNSEEN.match(c)]
    return "".join(plain[i] for i in positions), positions
