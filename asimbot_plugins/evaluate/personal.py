"""Personal data in a text, in a form in which two ways of writing it are equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

_KINDS = ("EMAIL", "PHONE", "IBAN", "CARD", "ACCOUNT", "ID", "LOCATION", "PASSWORD", "CODE")
"""Kinds that identify somebody or open something; names are looked at on their own."""


@cache
def _redactor() -> Any:
    from asimbot_plugins.redaction.redactor import Redactor

    return Redactor("on", kinds=_KINDS)


def personal_data(text: str) -> set[str]:
    """Phones, e-mails, accounts and so on in ``text``: letters and digits only, case folded.

    Found by the redactor that cleans training data (``asimbot_plugins.redaction.redactor``).
    """
    found = set()
    for finding in _redactor().find(text):
        if finding.kind in _KINDS:
            value = re.sub(r"[\W_]+", "", finding.text).casefold()
            # +44 7700 … and 07700 … are one number: country and trunk codes lead it.
            found.add(value[-9:] if finding.kind == "PHONE" else value)
    return found


def names_in(text: str, members: Sequence[str]) -> set[str]:
    """Which of the members a text names, by full name or first name, case ignored."""
    words = set(re.findall(r"[^\W\d_]+", text.casefold()))
    found = set()
    for member in members:
        parts = re.findall(r"[^\W\d_]+", member.casefold())
        if parts and len(parts[0]) > 1 and parts[0] in words:
            found.add(member)
    return found
