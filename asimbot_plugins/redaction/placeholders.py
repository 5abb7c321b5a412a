"""Placeholders in redacted texts, and their numbers within one example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from asimbot_plugins.tokens import ContextMessage, TokenNames, speaker_tokens

ROLE = "ROLE"
"""Kind of the identity of a member, who may get a role in place of ``<NAME>``."""


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


def roles_in(
    context: Sequence[ContextMessage], friend: str, tokens: TokenNames
) -> Mapping[str, str]:
    """What stands for each member in the texts of an example: its role token without brackets.

    Not the token itself: a speaker token inside a text would read as the start of a message,
    end a generated reply, and be a place to cut a long row.
    """
    roles = {sender: plain_role(token) for sender, token in speaker_tokens(context, tokens).items()}
    return {**roles, friend: plain_role(tokens.reply)}


def plain_role(token: str) -> str:
    """``<USR_A>`` → ``USR_A``."""
    return token.strip("<>|") or token
