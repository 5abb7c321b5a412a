"""Where every benchmark leaves its figures: a JSON file and its own section of README.md."""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def goal(value: float, bound: float, *, at_least: bool = True) -> dict[str, Any]:
    """One goal: what was measured, what was wanted, and whether it holds."""
    holds = value >= bound if at_least else value <= bound
    return {"value": value, "goal": f"{'>=' if at_least else '<='} {bound}", "holds": holds}


def write_results(
    name: str, goals: dict[str, dict[str, Any]], figures: dict[str, Any], versions: dict[str, str]
) -> None:
    """Writes ``results/<name>.json``. Figures must hold no path of the machine."""
    results = {
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), **versions},
        "goals": goals,
        "figures": figures,
    }
    target = HERE / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_section(name: str, text: str, target: Path = HERE / "README.md") -> None:
    """Replaces the section ``name`` of ``target``, or appends it."""
    begin, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = target.read_text(encoding="utf-8") if target.exists() else "# Benchmarks\n"
    if begin in old and end in old:
        new = old[: old.index(begin)] + section + old[old.index(end) + len(end) :]
    else:
        new = old.rstrip() + "\n\n" + section + "\n"
    target.write_text(new, encoding="utf-8")


def cell(estimate: dict[str, float] | None) -> str:
    """An estimate with its interval; a dash where there is none."""
    if estimate is None:
        return "–"
    return f"{estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def goals_table(goals: dict[str, dict[str, Any]]) -> str:
    """Goals with their verdicts; a miss is written as a miss."""
    rows = [
        [name, f"{one['value']:,}", one["goal"], "holds" if one["holds"] else "**missed**"]
        for name, one in goals.items()
    ]
    return table(["goal", "measured", "wanted", "verdict"], rows)
