"""Reader of WhatsApp exports: any platform, locale, calendar and container."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from asimbot_plugins.errors import UserError
from asimbot_plugins.messages import Chat, Message
from asimbot_plugins.whatsapp.merge import merge_exports
from asimbot_plugins.whatsapp.parse import parse_source
from asimbot_plugins.whatsapp.report import FileReport, Report
from asimbot_plugins.whatsapp.source import sources

DATE_ORDERS = ("dmy", "mdy", "ymd")


@contextmanager
def _without_gc() -> Iterator[None]:
    """Millions of tuples and no cycles: collecting meanwhile only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_export(
    path: Path | str | Sequence[Path | str],
    *,
    date_order: Literal["dmy", "mdy", "ymd"] | None = None,
) -> Chat:
    """Reads a ``.txt`` or ``.zip`` export, a folder of them, or several paths.

    Exports of the same chat are merged without duplicates; different chats follow each other
    (``report.chats`` says where each begins). ``date_order`` overrides what the dates say.
    Raises UserError for anything that is not a readable export.
    """
    if date_order is not None and date_order not in DATE_ORDERS:
        raise UserError(f"date order {date_order!r} is not known", f"use {', '.join(DATE_ORDERS)}")
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    if not paths:
        raise UserError("no export given")
    report = Report()
    read: list[tuple[list[Message], FileReport]] = []
    with _without_gc():
        for one in paths:
            found, others = sources(Path(one))
            report.skipped += others
            for source in found:
                read.append(parse_source(source, date_order))
        messages, report.chats = merge_exports(read)
        report.files = [file_report for _, file_report in read]
        report.count(messages)
    return Chat(messages, report)
