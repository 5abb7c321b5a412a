"""Every known variant of an export, read exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from asimbot_plugins.messages import Message
from asimbot_plugins.whatsapp import read_export

from .variants import ALL, ANDROID, IOS, Row, Variant


def rows(messages: list[Message]) -> list[Row]:
    """Messages as the variants spell them: seconds are left out where they are zero."""
    found = []
    for message in messages:
        when = message.timestamp.isoformat()
        found.append((when, message.sender, message.text, message.kind))
    return found


def full(expected: list[Row]) -> list[Row]:
    return [(when if len(when) > 16 else when + ":00", *rest) for when, *rest in expected]


@pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)
def test_variant(variant: Variant, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(variant.text.encode())
    assert rows(read_export(path).messages) == full(variant.expected)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("variant", [*ANDROID[:4], *IOS[:4]], ids=lambda variant: variant.name)
def test_encodings(variant: Variant, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(variant.text.encode(encoding))
    assert rows(read_export(path).messages) == full(variant.expected)


def test_names_are_unique() -> None:
    names = [variant.name for variant in ALL]
    assert len(names) == len(set(names))
    assert len(names) >= 112
