"""The report for people (``report.html`` and the terminal) and for machines (``report.json``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asimbot_plugins.evaluate import charts
from asimbot_plugins.evaluate.transcript import turns
from asimbot_plugins.paths import write_json, write_jsonl, write_text

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe
    from asimbot_plugins.tokens import TokenNames

_SAMPLES = 12

FIGURES: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "taken for the friend",
        ("style", "share"),
        "%",
        "share of replies that the style classifier takes for the friend's",
    ),
    (
        "style probability",
        ("style", "probability"),
        "%",
        "mean probability of being the friend's",
    ),
    (
        "told from real",
        ("distinguish",),
        "",
        "AUC of a fresh classifier, real against this; .5 is perfect, 1 is told every time",
    ),
    (
        "fits its prompt",
        ("relevance", "selection"),
        "%",
        "chosen among ten replies of the same system; chance is 10 %",
    ),
    (
        "better than shuffled",
        ("relevance", "advantage"),
        "",
        "how much nearer (cosine) to its own prompt than the system's other replies are",
    ),
    (
        "words from the prompt",
        ("relevance", "echo"),
        "%",
        "share of a reply's words that stand in its prompt; parrots fit, too",
    ),
    (
        "bits a character",
        ("likelihood", "bits_per_character"),
        "",
        "surprise at the real replies; lower is better",
    ),
    ("bits a reply", ("likelihood", "bits_per_reply"), "", "the same for whole replies"),
    (
        "distinct words",
        ("diversity", "distinct_1"),
        "%",
        "different words among equally many",
    ),
    (
        "distinct pairs",
        ("diversity", "distinct_2"),
        "%",
        "different pairs of words among equally many",
    ),
    (
        "repeated replies",
        ("diversity", "repeated"),
        "%",
        "replies given more than once, or empty",
    ),
)
"""Title, place in a system's figures, unit and meaning of every figure."""

_SHORT = ("taken for the friend", "told from real", "fits its prompt", "words from the prompt",
          "bits a character")  # fmt: skip


def figure(system: dict[str, Any], place: Sequence[str]) -> dict[str, float] | None:
    """The estimate at a place, or None where the system has no such figure."""
    found: Any = system
    for key in place:
        if key not in found:
            return None
        found = found[key]
    return dict(found)


def number(value: float, unit: str) -> str:
    """``0.667`` as ``67 %``, or as ``.67`` without a unit (``17.2`` from ten on)."""
    if unit == "%":
        return f"{100 * value:.0f} %"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def interval(estimate: dict[str, float], unit: str) -> str:
    return f"{number(estimate['low'], unit)} to {number(estimate['high'], unit)}"


def _short(estimate: dict[str, float], unit: str) -> str:
    """An interval without units, for the terminal: ``48–78``."""
    ends = (number(estimate[end], unit).removesuffix(" %") for end in ("low", "high"))
    return "–".join(ends)


def write_report(recipe: Recipe, report: dict[str, Any], samples: list[dict[str, Any]]) -> Path:
    """Writes ``report.json`` (figures), ``report-replies.jsonl`` and ``report.html``.

    The page holds samples of the chat; the JSON holds no text. Returns the page's path.
    """
    folder = recipe.output_dir
    write_json(folder / "report.json", report)
    write_jsonl(folder / "report-replies.jsonl", samples)
    page = folder / "report.html"
    write_text(page, render(report, samples, recipe.friend, recipe.section.tokens))
    return page


def render(
    report: dict[str, Any], samples: list[dict[str, Any]], friend: str, tokens: TokenNames
) -> str:
    """The page: one file, no script, nothing loaded from anywhere."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("asimbot_plugins.evaluate", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        figure=figure,
        number=number,
        interval=interval,
        figures=FIGURES,
        charts=charts,
        estimates=_estimates,
        top=_top,
        histograms=_histograms,
    )
    step = max(1, len(samples) // _SAMPLES)
    shown = [
        {**sample, "turns": turns(sample["prompt"], tokens)[-4:]} for sample in samples[::step]
    ]
    return environment.get_template("report.html.j2").render(
        report=report, samples=shown[:_SAMPLES], friend=friend
    )


def _estimates(systems: dict[str, Any], place: Sequence[str]) -> dict[str, dict[str, float]]:
    return {name: e for name, system in systems.items() if (e := figure(system, place))}


def _top(systems: dict[str, Any], place: Sequence[str]) -> float:
    """A round upper end for a drawing."""
    highest = max(e["high"] for e in _estimates(systems, place).values())
    return float(min(1.0, -(-highest * 10 // 1) / 10))


def _histograms(systems: dict[str, Any], names: Sequence[str], habit: str) -> dict[str, Any]:
    return {name: systems[name]["habits"][habit]["histogram"] for name in names}


def show(report: dict[str, Any]) -> None:
    """The summary for the terminal, one screen."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("", no_wrap=True)
    shown = [f for f in FIGURES if f[0] in _SHORT]
    for title, *_ in shown:
        table.add_column(title, justify="right")
    for name, system in report["systems"].items():
        cells = []
        for _, place, unit, _ in shown:
            estimate = figure(system, place)
            cells.append(
                f"{number(estimate['value'], unit)}\n[dim]{_short(estimate, unit)}[/dim]"
                if estimate
                else "–"
            )
        table.add_row(f"{name}\n[dim]{system['n']} replies[/dim]", *cells)
    console.print(table)
    console.print(
        f"style classifier: AUC {number(report['classifier']['auc'], '')} on texts it had not seen;"
        " intervals are 95 % bootstrap"
    )
    for line in summary_lines(report):
        console.print(line)
    for check in report["audit"]["checks"]:
        word = "[green]pass[/green]" if check["passed"] else "[red]FAIL[/red]"
        console.print(
            f"  {word}  {check['name']}: {check['value']:.4g} (limit {check['limit']:.4g})"
        )
    verdict = "[green]passed[/green]" if report["audit"]["passed"] else "[red]failed[/red]"
    control = "fails it, as it must" if report["audit"]["control_fails"] else "PASSES IT"
    console.print(f"memorisation audit: {verdict}; a copier {control}")


def summary_lines(report: dict[str, Any]) -> list[str]:
    """The clone's way from the floor to the friend, in words."""
    titles = {
        "style_way": "style: {} of the way from another member to the friend",
        "relevance_way": "relevance: {} of the real replies' advantage over shuffled ones",
    }
    return [
        text.format(number(e["value"], "%")) + f" ({interval(e, '%')})"
        for key, text in titles.items()
        if (e := report["summary"].get(key))
    ]
