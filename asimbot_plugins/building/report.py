"""What a dataset looks like before a cut is made: distributions, drops, ten random rows."""

from __future__ import annotations

import html
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from asimbot_plugins.dataset import DatasetFiles
from asimbot_plugins.paths import read_jsonl

_BAR = 30
_SAMPLE = 10
_BOUNDS = {
    "too long": (0, 2, 4, 8, 12, 20, 40, 80, 160),
    "forwarded": (0, 1, 2, 3),
    "same reply": (1, 2, 3, 5, 10, 20, 50),
    "messages": (1, 2, 3, 4, 6, 10),
    "prompt words": (0, 10, 20, 40, 80, 160, 320),
}
_SHARES = (0.0, 0.01, 0.25, 0.5, 0.75, 1.0)
_TITLES = {"too long": "words of the reply", "messages": "messages of the reply"}


@dataclass(frozen=True)
class Histogram:
    """``counts[i]`` values from ``bounds[i]`` up to, not including, the next bound."""

    title: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    def labels(self) -> list[str]:
        names = []
        for low, high in zip(self.bounds, (*self.bounds[1:], None), strict=True):
            whole = isinstance(low, int)
            if high is None:
                names.append(f"{low}+" if whole else f"{low:g}")
            elif whole:
                names.append(f"{low}" if high - low == 1 else f"{low}–{int(high) - 1}")
            else:
                names.append(f"{low:g}–{high:g}")
        return names


@dataclass(frozen=True)
class BuildReport:
    """All rows of a dataset counted; ``sample`` are kept training rows."""

    ledger: dict[str, int]
    histograms: list[Histogram]
    dropped: dict[str, list[str]]
    """Reason -> up to three replies that it dropped."""
    sample: list[dict[str, Any]]

    def lines(self) -> Iterable[str]:
        """The report for a terminal."""
        for reason, count in self.ledger.items():
            yield f"{count:8,}  {reason}"
        for histogram in self.histograms:
            yield ""
            yield histogram.title
            most = max(histogram.counts) or 1
            for label, count in zip(histogram.labels(), histogram.counts, strict=True):
                bar = "█" * round(_BAR * count / most) or ("▏" if count else "")
                yield f"  {label:>8}  {count:8,}  {bar}"
        if self.dropped:
            yield ""
            yield "dropped, for example:"
            for reason, replies in self.dropped.items():
                for reply in replies:
                    yield f"  {reason}: {_short(reply, 100)}"
        yield ""
        yield f"{len(self.sample)} random rows:"
        for row in self.sample:
            yield f"  {row['prompt']}"
            yield f"    → {row['reply']}"

    def html(self, title: str) -> str:
        """The same as one page that loads nothing."""
        parts = [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
            f"<h1>{html.escape(title)}</h1><h2>Ledger</h2><table>",
        ]
        for reason, count in self.ledger.items():
            parts.append(f"<tr><td class=n>{count:,}<td>{html.escape(reason)}")
        parts.append("</table><h2>Distributions</h2><div class=grid>")
        for histogram in self.histograms:
            most = max(histogram.counts) or 1
            parts.append(f"<section><h3>{html.escape(histogram.title)}</h3><table>")
            for label, count in zip(histogram.labels(), histogram.counts, strict=True):
                width = 100 * count / most
                parts.append(
                    f"<tr><td class=n>{label}<td class=n>{count:,}"
                    f"<td class=bar><i style='width:{width:.1f}%'></i>"
                )
            parts.append("</table></section>")
        parts.append("</div><h2>Dropped, for example</h2><table>")
        for reason, replies in self.dropped.items():
            for reply in replies:
                parts.append(f"<tr><td>{html.escape(reason)}<td>{html.escape(_short(reply, 300))}")
        parts.append("</table><h2>Random rows</h2>")
        for row in self.sample:
            parts.append(
                f"<p class=row>{html.escape(row['prompt'])} <b>{html.escape(row['reply'])}</b>"
            )
        return "\n".join(parts) + "\n"


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}table{border-collapse:collapse}td{padding:.1rem .6rem;"
    "vertical-align:top}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}"
    ".bar{width:12rem}.bar i{display:block;height:.8rem;margin-top:.35rem;background:#4a7ebb}"
    ".row{white-space:pre-wrap;border-left:3px solid #ccc;padding-left:.8rem}.row b{color:#146c2e}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.row b{color:#7fd18b}}"
)


def report(files: DatasetFiles, separator: str, seed: int = 42) -> BuildReport:
    """The report of a dataset on disk; the same seed shows the same rows."""
    values: dict[str, Counter[float]] = {}
    dropped: dict[str, list[str]] = {}
    sample: list[dict[str, Any]] = []
    numbers = random.Random(seed)
    kept = 0
    for row in read_jsonl(files.scored):
        if row["part"] != "train":
            continue
        shape = {"messages": row["reply"].count(separator) + 1}
        shape["prompt words"] = row["prompt"].count(" ")
        for name, value in {**shape, **row["scores"]}.items():
            values.setdefault(name, Counter())[value] += 1
        if row["dropped"]:
            some = dropped.setdefault(row["dropped"], [])
            if len(some) < 3:
                some.append(row["reply"])
            continue
        kept += 1
        # Reservoir sampling: every row has the same chance, one pass.
        if len(sample) < _SAMPLE:
            sample.append(row)
        elif (place := numbers.randrange(kept)) < _SAMPLE:
            sample[place] = row
    return BuildReport(
        files.ledger,
        [_histogram(name, counts) for name, counts in sorted(values.items())],
        dropped,
        sample,
    )


def _histogram(name: str, values: Counter[float]) -> Histogram:
    bounds: Sequence[float] = _BOUNDS.get(name, _SHARES)
    counts = [0] * len(bounds)
    for value, n in values.items():
        place = max((i for i, low in enumerate(bounds) if value >= low), default=0)
        counts[place] += n
    return Histogram(_TITLES.get(name, name), tuple(bounds), tuple(counts))


def _short(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
