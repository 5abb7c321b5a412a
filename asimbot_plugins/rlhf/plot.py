"""The log of a run as pictures: one SVG with a small panel for each number."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from asimbot_plugins.paths import write_text
from asimbot_plugins.rlhf.log import read_log

PLOT = "rlhf.svg"
_WIDTH, _HEIGHT, _COLUMNS = 300, 150, 3
_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 24, 10, 20
_SKIPPED = {"step", "kind", "seconds", "epoch", "low", "high", "prompts"}


def plot_log(folder: Path) -> Path | None:
    """Writes ``<folder>/rlhf.svg`` from its log; None if the log holds no numbers."""
    series: dict[str, list[tuple[float, float]]] = {}
    bands: dict[str, list[tuple[float, float, float]]] = {}
    notes: list[tuple[float, str]] = []
    for row in read_log(folder):
        if row["kind"] == "note":
            notes.append((row["step"], str(row.get("text"))))
            continue
        prefix = "held-out " if row["kind"] == "look" else ""
        for key, value in row.items():
            if key not in _SKIPPED and isinstance(value, int | float):
                series.setdefault(f"{prefix}{key}", []).append((row["step"], float(value)))
        if row["kind"] == "look" and row.get("low") is not None:
            band = (row["step"], row["low"], row["high"])
            bands.setdefault("held-out win", []).append(band)
    if not series:
        return None
    # What a run is judged by comes first.
    names = sorted(series, key=lambda name: (not name.startswith("held-out"), name))
    panels = [
        _panel(i, name, series[name], bands.get(name, []), notes) for i, name in enumerate(names)
    ]
    rows = -(-len(names) // _COLUMNS)
    size = f'width="{_WIDTH * _COLUMNS}" height="{_HEIGHT * rows}"'
    style = "font: 10px sans-serif; fill: #333"
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="white"/>'
        f'<g style="{style}">{"".join(panels)}</g></svg>\n'
    )
    write_text(folder / PLOT, text)
    return folder / PLOT


def _panel(
    place: int,
    name: str,
    points: Sequence[tuple[float, float]],
    band: Sequence[tuple[float, float, float]],
    notes: Sequence[tuple[float, str]],
) -> str:
    x0, y0 = place % _COLUMNS * _WIDTH, place // _COLUMNS * _HEIGHT
    values = [y for _, y in points] + [y for _, low, high in band for y in (low, high)]
    steps = [x for x, _ in points]
    low, high = min(values), max(values)
    first, last = min(steps), max(steps)

    def at(x: float, y: float) -> str:
        across = (x - first) / (last - first or 1) * (_WIDTH - _LEFT - _RIGHT)
        up = (y - low) / (high - low or 1) * (_HEIGHT - _TOP - _BOTTOM)
        return f"{x0 + _LEFT + across:.1f},{y0 + _HEIGHT - _BOTTOM - up:.1f}"

    def text(x: float, y: float, words: Any, anchor: str = "start") -> str:
        place = f'x="{x0 + x}" y="{y0 + y}"'
        return f'<text {place} text-anchor="{anchor}">{escape(str(words))}</text>'

    made = [text(_LEFT, 14, name)]
    made.append(text(_LEFT - 4, _TOP + 6, f"{high:.4g}", "end"))
    made.append(text(_LEFT - 4, _HEIGHT - _BOTTOM, f"{low:.4g}", "end"))
    made.append(text(_LEFT, _HEIGHT - 6, f"{first:g}"))
    made.append(text(_WIDTH - _RIGHT, _HEIGHT - 6, f"step {last:g}", "end"))
    for step, note in notes:
        if first <= step <= last:
            line = f"{at(step, low)} {at(step, high)}"
            title = f"<title>{escape(note)}</title>"
            made.append(f'<polyline points="{line}" stroke="#c66" fill="none">{title}</polyline>')
    if band:
        around = [at(x, y) for x, y, _ in band] + [at(x, y) for x, _, y in reversed(band)]
        made.append(f'<polygon points="{" ".join(around)}" fill="#dce6f5"/>')
    line = " ".join(at(x, y) for x, y in points)
    made.append(f'<polyline points="{line}" stroke="#2457a6" fill="none"/>')
    made += [
        f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="1.5" fill="#2457a6"/>'
        for p in (at(x, y) for x, y in points)
        if len(points) < 40
    ]
    return "".join(made)
