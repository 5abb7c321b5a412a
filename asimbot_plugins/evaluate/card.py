"""The model card: what a clone is, where it comes from, and how good it is. No names, no text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from asimbot_plugins.evaluate.report import FIGURES, figure, interval, number, summary_lines
from asimbot_plugins.paths import write_text

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe

_SHOWN = ("real", "clone", "few_shot", "base", "another")


def write_card(recipe: Recipe, report: dict[str, Any] | None = None) -> Path:
    """Writes ``README.md`` beside the adapter, in place of what the training library left there.

    Its own card prints the whole configuration, names and paths included. Without a report
    (right after training) the evaluation says that there is none yet.
    """
    path = recipe.output_dir / "README.md"
    write_text(path, card(recipe, report))
    return path


def card(recipe: Recipe, report: dict[str, Any] | None) -> str:
    """The text of the card."""
    base = recipe.base_model if not _is_local(recipe.base_model) else "a local model"
    licence, notice = _licence(recipe.base_model)
    lines = [
        "---",
        f"base_model: {base}",
        *([f"license: {licence}"] if licence else []),
        "library_name: peft",
        "pipeline_tag: text-generation",
        "tags: [asimbot, lora, style-imitation]",
        "---",
        "",
        "# A clone of one person's way of texting",
        "",
        "It imitates how one member of a private chat writes. It is not that person, knows nothing "
        "about them for sure, and makes things up.",
        "",
        "| | |",
        "|---|---|",
        f"| base | {base} |",
        f"| licence of the base | {notice} |",
        f"| method | {_method(recipe)} |",
        f"| recipe, SHA-256 | `{recipe.digest()}` |",
        *_counts(recipe, report),
        "",
        "## Intended use and consent",
        "",
        "- For private use by the people of the chat, with the consent of the person imitated. "
        "Whoever takes consent back has a right to have adapter and dataset deleted.",
        "- Say that it is a machine wherever it talks. Not for impersonation, deception, profiling "
        "or training other models.",
        "- Keep it private: weights can hold what was said in the chat, whatever the audit finds.",
        "",
        "## Evaluation",
        "",
        *(_evaluation(report) if report else ["Not evaluated yet: run `asimbot eval`."]),
        "",
    ]
    return "\n".join(lines)


def _is_local(base: str) -> bool:
    return base.startswith(("/", ".", "~")) or base.count("/") > 1 or Path(base).exists()


def _licence(base: str) -> tuple[str, str]:
    from asimbot_plugins import pocket

    if base in pocket.BASES:
        known = pocket.BASES[base]
        return known.license, f"{known.license}: {known.notice}"
    return "", "see the base's own page; it holds for this adapter, too"


def _method(recipe: Recipe) -> str:
    data = recipe.data
    if not data.get("adapter"):
        return f"stage {recipe.stage}, all weights"
    return f"stage {recipe.stage}, {data['adapter']} of rank {data.get('lora_r', '?')}"


def _counts(recipe: Recipe, report: dict[str, Any] | None) -> list[str]:
    if report:
        counts = report["counts"]
    else:
        from asimbot_plugins.dataset import DatasetFiles

        files = DatasetFiles(recipe.dataset_dir, "")
        if not files.train.is_file() or not files.heldout.is_file():
            return []
        counts = {
            "training replies": len(files.rows("train")),
            "held-out replies": len(files.rows("heldout")),
        }
    redaction = recipe.section.redaction.mode
    return [
        *(f"| {name} | {count:,} |" for name, count in counts.items()),
        f"| redaction of personal data | {redaction} |",
    ]


def _evaluation(report: dict[str, Any]) -> list[str]:
    systems = {name: report["systems"][name] for name in _SHOWN if name in report["systems"]}
    lines = [
        f"On {report['counts']['prompts evaluated']} held-out prompts, {report['date']}; "
        "95 % bootstrap intervals.",
        "",
        "| | " + " | ".join(system["label"] for system in systems.values()) + " |",
        "|---|" + "---|" * len(systems),
    ]
    for title, place, unit, _ in FIGURES:
        cells = []
        for system in systems.values():
            e = figure(system, place)
            cells.append(f"{number(e['value'], unit)} ({interval(e, unit)})" if e else "–")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- {line}" for line in summary_lines(report)), ""]
    lines += [f"- {title}: {meaning}" for title, _, _, meaning in FIGURES]
    lines += ["", "| memorisation audit | clone | limit | |", "|---|---|---|---|"]
    for check in report["audit"]["checks"]:
        verdict = "pass" if check["passed"] else "**fail**"
        lines.append(
            f"| {check['name']} | {check['value']:.4g} | {check['limit']:.4g} | {verdict} |"
        )
    return lines
