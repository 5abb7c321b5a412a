"""Small SVG drawings for the report. Colours are CSS classes, so light and dark both work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

_WIDTH = 640


def dots(
    systems: dict[str, dict[str, Any]],
    estimates: dict[str, dict[str, float]],
    low: float,
    high: float,
    unit: str,
) -> Markup:
    """One row a system: a dot for the figure and a line for its interval, on [low, high]."""
    from asimbot_plugins.evaluate.report import number

    row, top = 58, 4
    height = top + row * len(estimates) + 30

    def x(value: float) -> float:
        share = (value - low) / (high - low)
        return 10 + min(max(share, 0.0), 1.0) * (_WIDTH - 130)

    parts = []
    for tick in (low, (low + high) / 2, high):
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" '
            f'y2="{height - 28}"/><text class="tick" x="{x(tick):.1f}" y="{height - 6}" '
            f'text-anchor="{"start" if tick == low else "middle"}">{number(tick, unit)}</text>'
        )
    for i, (name, e) in enumerate(estimates.items()):
        y = top + row * i
        parts.append(
            f'<text class="label" x="4" y="{y + 22}">{escape(systems[name]["label"])}</text>'
            f'<line class="range {escape(name)}" x1="{x(e["low"]):.1f}" x2="{x(e["high"]):.1f}" '
            f'y1="{y + 40}" y2="{y + 40}"/>'
            f'<circle class="dot {escape(name)}" cx="{x(e["value"]):.1f}" cy="{y + 40}" r="6"/>'
            f'<text class="value" x="{_WIDTH - 4}" y="{y + 47}" text-anchor="end">'
            f"{number(e['value'], unit)}</text>"
        )
    return _svg(height, parts, "figures with intervals")


def bars(labels: Sequence[str], histograms: dict[str, Sequence[float]]) -> Markup:
    """Distributions side by side: a group of columns a label, one column a system."""
    height, base, top = 200, 172, 12
    highest = max((max(h) for h in histograms.values()), default=0.0) or 1.0
    group = _WIDTH / max(len(labels), 1)
    width = min(22.0, (group - 8) / max(len(histograms), 1))
    parts = [f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{base}" y2="{base}"/>']
    for i, label in enumerate(labels):
        start = i * group + (group - width * len(histograms)) / 2
        for j, (name, values) in enumerate(histograms.items()):
            tall = values[i] / highest * (base - top)
            parts.append(
                f'<rect class="bar {escape(name)}" x="{start + j * width:.1f}" '
                f'y="{base - tall:.1f}" width="{width - 1:.1f}" height="{tall:.1f}">'
                f"<title>{escape(label)}: {100 * values[i]:.0f} %</title></rect>"
            )
        middle = (i + 0.5) * group
        crowded = len(labels) > 7 and max(len(label) for label in labels) > 5
        turn = f' transform="rotate(-28 {middle:.1f} {base + 16})"' if crowded else ""
        anchor = "end" if crowded else "middle"
        parts.append(
            f'<text class="tick" x="{middle:.1f}" y="{base + 18}" text-anchor="{anchor}"{turn}>'
            f"{escape(label)}</text>"
        )
    tilted = len(labels) > 7 and max(len(label) for label in labels) > 5
    return _svg(height + (50 if tilted else 0), parts, "distributions side by side")


def curves(series: dict[str, Sequence[Sequence[float]]]) -> Markup:
    """Lines through (step, value) points."""
    points = [p for line in series.values() for p in line]
    if not points:
        return Markup("")
    height, left, base, top = 220, 44, 190, 10
    last = max(p[0] for p in points) or 1
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    span = (high - low) or 1.0
    parts = []
    for value in (low, (low + high) / 2, high):
        y = base - (value - low) / span * (base - top)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" '
            f'text-anchor="end">{value:.1f}</text>'
        )
    parts.append(
        f'<text class="tick" x="{_WIDTH - 4}" y="{base + 20}" text-anchor="end">'
        f"step {last:.0f}</text>"
    )
    for name, line in series.items():
        placed = [
            (
                left + step / last * (_WIDTH - left - 8),
                base - (value - low) / span * (base - top),
            )
            for step, value in line
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline class="curve {escape(name)}" points="{path}"/>')
        if len(placed) < 20:
            parts += [
                f'<circle class="dot {escape(name)}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
                for x, y in placed
            ]
    return _svg(height, parts, "training curves")


def _svg(height: float, parts: Sequence[str], title: str) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{title}">'
        + "".join(parts)
        + "</svg>"
    )
