"""Finds personal data by shape, by check digit and by the words beside it.

Each function adds to a ``Spans``; what comes first wins, so the surest kinds are looked for
first. The patterns are in ``patterns``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence

from asimbot_plugins.redaction import patterns as p

_CUE_WINDOW = 60  # characters between a cue and what it makes personal
_TRIM = ".,;:!?)]}'\"»”’…*_~"


class Spans:
    """Findings so far; what comes first wins, later ones must not touch it."""

    def __init__(
        self, text: str, kinds: Container[str], allow: Container[str], regions: Sequence[str]
    ) -> None:
        self.text = text
        self.kinds = kinds
        self.allow = allow
        self.regions = regions
        self.taken: list[tuple[int, int, str, str]] = []

    def free(self, start: int, end: int) -> bool:
        return all(end <= s or start >= e for s, e, _, _ in self.taken)

    def add(self, kind: str, start: int, end: int, identity: str | None = None) -> bool:
        value = self.text[start:end]
        if kind not in self.kinds or not value.strip() or not self.free(start, end):
            return False
        if same(value) in self.allow:
            return False
        self.taken.append((start, end, kind, identity or f"{kind}:{same(value)}"))
        return True

    def cue(self, pattern: re.Pattern[str], start: int, end: int, before: str) -> bool:
        """Whether a cue stands near, or in the messages before."""
        text = self.text
        near = text[max(0, start - _CUE_WINDOW) : start], text[end : end + _CUE_WINDOW]
        return any(pattern.search(part) for part in (*near, before))


def find_links(spans: Spans) -> None:
    text = spans.text
    if any(sign in text for sign in "@[("):
        for found in p.EMAIL.finditer(text):
            spans.add("EMAIL", found.start(), found.end())
    for found in p.LINK.finditer(text):
        end = found.end()
        while end > found.start() and text[end - 1] in _TRIM:
            end -= 1
        spans.add("LINK", found.start(), end)


def find_shapes(spans: Spans, before: str, strict: bool) -> None:
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
    for found in p.ID_SHAPES.finditer(text):
        spans.add("ID", found.start(), found.end())
    _find_cued(spans, before)
    for found in p.FULL_DATE.finditer(text):
        if strict or spans.cue(p.BIRTH_CUE, found.start(), found.end(), before):
            spans.add("BIRTHDAY", found.start(), found.end())
    patterns = [*p.ADDRESSES, *p.ADDRESSES_STRICT] if strict else p.ADDRESSES
    matches = [found.span() for pattern in patterns for found in pattern.finditer(text)]
    for start, end in sorted(matches, key=lambda span: (span[0] - span[1], span)):
        spans.add("ADDRESS", start, end)  # the longest first
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


def _find_cued(spans: Spans, before: str) -> None:
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


def _cued(cue: re.Pattern[str], spans: Spans, found: re.Match[str]) -> bool:
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
    if token.isdecimal():
        return len(token) < 6
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


def _numbers(spans: Spans, before: str, strict: bool) -> Iterator[tuple[int, int, str]]:
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
    spans: Spans, value: str, start: int, end: int, before: str, strict: bool
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
    if _is_phone(value, digits, near, spans.regions):
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
    if len(digits) == 11 and groups[0] in ("1", "8"):
        groups = groups[1:]  # the long-distance prefix of America and Russia
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
        ip = ipaddress.ip_address(address)
    except ValueError:
        return True  # a hardware address
    return not (
        re.match(r"\d\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|f[cd]", address)
        or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified
        or ip.is_reserved
    )  # fmt: skip


def find_spoken_passwords(spans: Spans) -> None:
    for found in p.SPOKEN_PASSWORD.finditer(spans.text):
        value = found["value"].rstrip(_TRIM)
        sure = re.search(r"[:=>]\s*\S*$", spans.text[found.start() : found.start("value")])
        if sure or re.search(r"[\d@#$%&*_]|[a-z][A-Z]", value):
            spans.add("PASSWORD", found.start("value"), found.start("value") + len(value))


_FULL_NAME = re.compile(r"(?<=[a-z,;] )[A-ZÀ-Þ][a-zà-ÿ'’-]+(?: [A-ZÀ-Þ][a-zà-ÿ'’-]+)+")
_INITIAL = re.compile(r"(?<!\w)[A-Z]\. ?[A-ZÀ-Þ][\w'’-]{2,}")
_INITIAL_CAPITALS = re.compile(r"(?<!\w)[A-Z]\. [A-ZÀ-Þ]{3,}(?!\w)")


def find_named_people(spans: Spans, strict: bool) -> None:
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


def same(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold() or text
