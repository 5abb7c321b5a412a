"""Several exports of one chat made one, without duplicates."""

from __future__ import annotations

from asimbot_plugins.messages import Message
from asimbot_plugins.whatsapp.report import ChatSpan, FileReport


def merge_exports(
    read: list[tuple[list[Message], FileReport]],
) -> tuple[list[Message], list[ChatSpan]]:
    """All messages, chat after chat, and where each chat is."""
    messages: list[Message] = []
    spans: list[ChatSpan] = []
    if len(read) == 1:
        only, report = read[0]
        return only, [ChatSpan(report.file, [report.file], 0, len(only))]
    for one, report in read:
        start = len(messages)
        messages += one
        spans.append(ChatSpan(report.file, [report.file], start, len(messages)))
    return messages, spans
