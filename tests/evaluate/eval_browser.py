"""Debian's Chromium, headless and offline but for this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def page(profile: Path, width: int = 1100, height: int = 900, dark: bool = False) -> Iterator[Any]:
    """A page whose errors and requests are kept in ``page.complaints`` and ``page.asked``."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("these tests need Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            str(profile),
            executable_path=chromium,
            headless=True,
            args=_FLAGS,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )
        opened: Any = context.new_page()
        opened.complaints = []
        opened.asked = []
        opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.on(
            "console",
            lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        opened.on("request", lambda request: opened.asked.append(request.url))
        try:
            yield opened
        finally:
            context.close()
