"""How far the default judge is to be trusted: the table of `asimbot judge` for several chats.

    python benchmarks/judge.py [--chat EXPORT=FRIEND ...]

Each chat gets a model-free measurement on its whole held-out part: the true reply against
one of the friend's replies to another prompt, and against somebody else's words. The example
chat is always measured; further exports are given on the command line and only their figures
are written. Embeddings by all-MiniLM-L6-v2 (pocket).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _report import goal, goals_table, table, write_results, write_section

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / "examples" / "WhatsApp Chat - Gerald Support Group.zip", "Asim")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chat", action="append", default=[], metavar="EXPORT=FRIEND")
    given = [argument.rpartition("=") for argument in parser.parse_args().chat]
    chats = [("the example chat", *EXAMPLE)]
    chats += [(f"chat {n}", Path(path), name) for n, (path, _, name) in enumerate(given, 1)]
    figures: dict[str, Any] = {}
    for label, path, friend in chats:
        print(f"{label} …", flush=True)
        figures[label] = measured(path, friend)
        print(figures[label], flush=True)
    goals = {}
    for label, found in figures.items():
        wins = found["wins"]
        other, own = wins["another friend's"], wins["his own, shuffled"]
        goals[f"{label}: above another speaker's"] = goal(other["value"], 0.75)
        goals[f"{label}: above a shuffled own, low end of interval"] = goal(own["low"], 0.5)
    names = ("scikit-learn", "sentence-transformers")
    write_results("judge", goals, figures, {name: version(name) for name in names})
    write_section("judge", text(figures, goals))


def measured(path: Path, friend: str) -> dict[str, Any]:
    """Wins, hygiene and cost of the style judge on one chat."""
    from asimbot_plugins.host import load_host
    from asimbot_plugins.judges.evidence import read_evidence
    from asimbot_plugins.judges.measure import measure, trials_of
    from asimbot_plugins.recipe import recipe_from

    with tempfile.TemporaryDirectory(prefix="asimbot-") as folder:
        block = {
            "chat_path": str(path),
            "friend_path": friend,
            "context": {"name": "window", "k": 8},
            "embedder": "pocket/all-MiniLM-L6-v2",
        }
        data = {"asimbot": block, "base_model": "none", "output_dir": folder}
        recipe = recipe_from(data, ROOT / "recipes" / "benchmark.yml")
        training, heldout = read_evidence(recipe)
        judge = load_host().make("judge", "style")
        started = time.process_time()
        judge.fit(training, recipe)
        fitted = time.process_time()
        trials = trials_of(heldout, len(heldout.exchanges), seed=0)
        result = measure(judge, trials, seed=0, confirm=lambda statement: False)
        judged = time.process_time()
        return {
            **result.to_dict(),
            "training replies": len(training.exchanges),
            "weights": [round(float(weight), 3) for weight in judge.weights],
            "seconds to fit": round(fitted - started, 1),
            "seconds to judge 100 prompts": round((judged - fitted) / len(trials) * 100, 2),
            "peak memory in MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def text(figures: dict[str, Any], goals: dict[str, Any]) -> str:
    rows = []
    for label, found in figures.items():
        wins = found["wins"]
        cells = [
            f"{rate['value']:.1%} ({rate['low']:.1%} … {rate['high']:.1%})"
            for rate in (
                wins["another friend's"],
                wins["what another said next"],
                wins["his own, shuffled"],
            )
        ]
        calibration = found["calibration"]
        rows.append(
            [
                label,
                str(wins["another friend's"]["n"]),
                *cells,
                f"{found['hygiene']['agreement']:.1%}",
                f"{calibration['passed']} of {calibration['cases']}",
                f"{found['seconds to fit']} s",
                f"{found['seconds to judge 100 prompts']} s",
            ]
        )
    head = ["chat", "prompts", "true reply above another speaker's"]
    head += ["above what another said next", "above his own, shuffled"]
    head += ["same in both orders", "calibration", "fit (CPU)", "100 prompts (CPU)"]
    return f"""## The judge `style`

`python benchmarks/judge.py`: the default judge on held-out replies (95 % bootstrap intervals
over prompts; ties count half). Chats 1 to 3 are IRC (Kummerfeld et al., 2019, CC-BY 4.0).

{table(head, rows)}

{goals_table(goals)}"""


if __name__ == "__main__":
    main()
