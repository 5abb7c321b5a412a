"""The pocket chain: SFT, preferences, reward model, then DPO, PPO and GRPO over several seeds.

    OMP_NUM_THREADS=1 nice -n 5 python benchmarks/rlhf.py                 # everything, resumable
    OMP_NUM_THREADS=1 nice -n 5 python benchmarks/rlhf.py --methods dpo --seeds 1

Every finished step is kept in ``runs/rlhf`` (``--folder``) and not done again; a killed one goes
on from its checkpoint. ``--sft FOLDER`` takes an SFT clone that is there already.

Final figures are of the held-out part of the chat, which nothing was trained or chosen on. The
judge of wins is the one of ``asimbot_plugins/rlhf/heldout.py``, fitted on that part: it shares
neither texts nor features with the training judge ``style``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from _report import goal, goals_table, table, write_results, write_section
from _yardstick import make_yardstick

ROOT = Path(__file__).parent.parent
METHODS = ("dpo", "ppo", "grpo")
PLUGIN = "asimbot_plugins.axolotl_adapter.AsimbotPlugin"
REPLIES = 2  # to each test prompt
TEST_PROMPTS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "rlhf")
    parser.add_argument("--sft", type=Path, help="folder of a trained pocket SFT clone")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--until", choices=["preferences", "reward"], help="stop after this stage")
    parser.add_argument("--set", nargs="*", default=[], help="METHOD.key=value, for tuning")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)

    recipes = write_recipes(folder, arguments.methods, arguments.seeds, arguments.set)
    if arguments.sft and not (folder / "sft" / "adapter_config.json").is_file():
        (folder / "sft").mkdir(exist_ok=True)
        for name in ("adapter_config.json", "adapter_model.safetensors", "asimbot.json"):
            shutil.copyfile(arguments.sft / name, folder / "sft" / name)
    do(folder, "sft", "train", recipes["sft"], "adapter_config.json")
    do(folder, "preferences", "preferences", recipes["preferences"], "ranked.json")
    if arguments.until == "preferences":
        return
    do(folder, "reward", "train", recipes["reward"], "reward_report.json")
    if arguments.until == "reward":
        return
    policies = [f"{m}_{s}" for m in arguments.methods for s in arguments.seeds]
    for name in policies:
        do(folder, name, "train", recipes[name], "result.json")
    measure(folder, recipes, policies)
    write(folder, arguments.methods, arguments.seeds)


def write_recipes(
    folder: Path, methods: list[str], seeds: list[int], changes: list[str]
) -> dict[str, Path]:
    """Children of the pocket recipes whose outputs lie in ``folder``."""
    made: dict[str, Path] = {}

    def child(name: str, parent: str, links: dict[str, str], **keys: Any) -> None:
        parent_path = os.path.relpath(ROOT / "recipes" / f"pocket_{parent}.yml", folder)
        block = {"extends": parent_path, **links}
        data = {"asimbot": block, "output_dir": str(folder / name), **keys}
        if parent == "sft":
            data["plugins"] = [PLUGIN]
        made[name] = folder / f"{name}.yml"
        made[name].write_text(yaml.safe_dump(data), encoding="utf-8")

    sft, ranked = {"sft_recipe_path": "sft.yml"}, {"preferences_recipe_path": "preferences.yml"}
    child("sft", "sft", {})
    child("preferences", "preferences", sft)
    child("reward", "reward", {**sft, **ranked})
    for method in methods:
        links = {**sft, **(ranked if method == "dpo" else {"reward_recipe_path": "reward.yml"})}
        more = {}
        for change in changes:
            key, _, value = change.partition("=")
            if key.startswith(f"{method}."):
                more[key.removeprefix(f"{method}.")] = yaml.safe_load(value)
        for seed in seeds:
            child(f"{method}_{seed}", method, links, seed=seed, **more)
    return made


def do(folder: Path, name: str, command: str, recipe: Path, product: str) -> None:
    """Runs a stage unless its product is there; an earlier, killed run goes on."""
    if (folder / name / product).is_file():
        return
    line = [sys.executable, "-m", "asimbot_plugins.cli", command, str(recipe)]
    if command == "train" and list((folder / name).glob("checkpoint-*")):
        line.append("--resume")
    print(f"{name} …", flush=True)
    log = folder / f"{name}.time"
    # GNU time: seconds and the peak of the largest process, ours and its children's.
    timed = ["/usr/bin/time", "-f", "%e %U %M", "-o", str(log)] if has_time() else []
    done = subprocess.run([*timed, *line], check=False)
    if done.returncode:
        sys.exit(f"{name} failed with status {done.returncode}")


def has_time() -> bool:
    return Path("/usr/bin/time").is_file()


def measure(folder: Path, recipes: dict[str, Path], policies: list[str]) -> None:
    """Replies of SFT and each policy to the test prompts, their wins and figures; kept as JSON."""
    from asimbot_plugins.generation.sampler import load_clone
    from asimbot_plugins.host import load_host
    from asimbot_plugins.recipe import load_recipe
    from asimbot_plugins.rlhf.heldout import make_judge

    host = load_host()
    judge = make_judge(load_recipe(recipes["sft"]), "test", TEST_PROMPTS)
    replies: dict[str, list[list[str]]] = {}
    kl: dict[str, float] = {}
    for name in ("sft", *policies):
        kept = folder / name / "test_replies.json"
        adapter = folder / name / "adapter_model.safetensors"
        if not kept.is_file() or kept.stat().st_mtime < adapter.stat().st_mtime:
            print(f"replies of {name} …", flush=True)
            clone = load_clone(load_recipe(recipes[name]), host)
            made = clone.replies(judge.prompts, REPLIES, seed=0 if name == "sft" else 1)
            rounds = [["\n".join(of[k]) for of in made] for k in range(REPLIES)]
            value = 0.0 if name == "sft" else sampled_kl(clone, judge.prompts)
            kept.write_text(json.dumps({"rounds": rounds, "kl": value}), encoding="utf-8")
            del clone
        stored = json.loads(kept.read_text(encoding="utf-8"))
        replies[name], kl[name] = stored["rounds"], stored["kl"]
    judge.calibrate(replies["sft"])
    yardstick = test_yardstick(load_recipe(recipes["sft"]), judge.prompts)
    for name in ("sft", *policies):
        found = figures(judge, replies[name], replies["sft"], yardstick, same=name == "sft")
        found["kl"] = kl[name]
        target = folder / name / "test_figures.json"
        target.write_text(json.dumps(found, indent=1), encoding="utf-8")


def sampled_kl(clone: Any, prompts: list[str]) -> float:
    """KL(π ‖ π_SFT) in nats a reply, by replies drawn from the whole distribution."""
    from asimbot_plugins.rlhf.heldout import log_ratio

    plain = clone.sampling.model_copy(update={"temperature": 1.0, "top_p": 1.0, "top_k": 0})
    made = clone.replies(prompts, sampling=plain, seed=2)
    return log_ratio(clone, prompts, ["\n".join(of[0]) for of in made])


def test_yardstick(recipe: Any, prompts: list[str]) -> tuple[Any, list[int]]:
    """What ``asimbot eval`` measures with, and which of its cases the test prompts are."""
    made, cases = make_yardstick(recipe, prompts)
    place = {prompt: i for i, prompt in enumerate(prompts)}
    return made, [place[case.prompt] for case in cases]


def figures(
    judge: Any, mine: list[list[str]], sft: list[list[str]], yard: tuple[Any, list[int]], same: bool
) -> dict[str, Any]:
    """Wins against SFT (all pairs of replies of a prompt) and the figures of ``asimbot eval``."""
    from asimbot_plugins.evaluate.measure import Replies
    from asimbot_plugins.evaluate.measure import measure as evaluation
    from asimbot_plugins.rlhf.heldout import bootstrap

    own = [judge.score(texts) for texts in mine]
    other = [judge.score(texts) for texts in sft]
    wins, gaps = [], []
    for a, texts_a in zip(own, mine, strict=True):
        for b, texts_b in zip(other, sft, strict=True):
            wins.append(np.where(np.abs(a - b) < 1e-9, 0.5, a > b))
            gaps.append([len(x) - len(y) for x, y in zip(texts_a, texts_b, strict=True)])
    by_prompt = np.mean(wins, axis=0)
    low, high = bootstrap(by_prompt)
    yardstick, places = yard
    prompts = yardstick.real.prompts
    bursts = [tuple(mine[0][i].split("\n")) for i in places]
    measured = evaluation(Replies("x", "x", prompts, bursts), yardstick, 200).figures
    return {
        "win": 0.5 if same else float(by_prompt.mean()),
        "low": low,
        "high": high,
        "wins": by_prompt.tolist(),
        "length controlled": 0.5 if same else length_controlled(np.array(wins), np.array(gaps)),
        "length": float(np.mean([len(text) for texts in mine for text in texts])),
        "eval": {key: measured[key] for key in ("style", "distinguish", "relevance", "diversity")},
    }


def length_controlled(wins: np.ndarray, gaps: np.ndarray) -> float:
    """Win rate at equal length, by a logistic model with the length difference as a cause.

    Dubois et al. (2024), "Length-Controlled AlpacaEval".
    """
    from sklearn.linear_model import LogisticRegression

    y, x = wins.ravel(), np.tanh(gaps.ravel() / max(float(gaps.std()), 1.0))[:, None]
    model = LogisticRegression(C=100.0)
    model.fit(
        np.vstack([x, x]), np.repeat([1, 0], len(y)), sample_weight=np.concatenate([y, 1 - y])
    )
    return float(1 / (1 + np.exp(-model.intercept_[0])))


def write(folder: Path, methods: list[str], seeds: list[int]) -> None:
    """The section of README.md and the JSON file."""
    from asimbot_plugins.rlhf.heldout import bootstrap

    def of(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((folder / name / "test_figures.json").read_text("utf-8"))
        found.pop("wins") if name == "sft" else None
        return found

    runs = {f"{m}_{s}": of(f"{m}_{s}") for m in methods for s in seeds}
    sft = of("sft")
    report = json.loads((folder / "reward" / "reward_report.json").read_text("utf-8"))
    rows = [line("SFT", sft, "", 1)]
    goals: dict[str, Any] = {}
    pooled: dict[str, Any] = {}
    for method in methods:
        of_method = [runs[f"{method}_{s}"] for s in seeds]
        wins = np.mean([run["wins"] for run in of_method], axis=0)
        low, high = bootstrap(wins)
        pooled[method] = {
            "win": float(wins.mean()),
            "low": low,
            "high": high,
            "length controlled": float(np.mean([r["length controlled"] for r in of_method])),
            "per seed": [round(r["win"], 3) for r in of_method],
        }
        for seed in seeds:
            rows.append(line(f"{method}, seed {seed}", runs[f"{method}_{seed}"],
                             cost(folder, f"{method}_{seed}"), 1))  # fmt: skip
    best = max(pooled, key=lambda m: pooled[m]["win"])
    goals[f"win rate of the best method ({best})"] = goal(round(pooled[best]["win"], 3), 0.6)
    goals[f"lower end of its interval ({best})"] = goal(round(pooled[best]["low"], 3), 0.5)
    for method in methods:
        goals[f"{method}: upper end of its win rate (no harm)"] = goal(
            round(pooled[method]["high"], 3), 0.5
        )
    # Not worse beyond the intervals: in no seed does a run's interval lie wholly below SFT's.
    for method in methods:
        for key, inner in (("relevance", "advantage"), ("diversity", "distinct_2")):
            of_seeds = [runs[f"{method}_{seed}"]["eval"][key][inner]["high"] for seed in seeds]
            goals[f"{method}: {key}, least upper end, against the lower end of SFT's"] = goal(
                round(min(of_seeds), 3), round(sft["eval"][key][inner]["low"], 3)
            )
    for run in runs.values():
        run.pop("wins")
    figures_ = {"sft": sft, "runs": runs, "pooled": pooled, "reward model": report}
    names = ("trl", "transformers", "peft", "torch")
    write_results("rlhf", goals, figures_, {name: version(name) for name in names})
    head = ["", "wins against SFT", "length-controlled", "style", "told from real (AUC)",
            "relevance", "distinct-2", "characters", "KL", "s/step", "peak GB"]  # fmt: skip
    text = [
        "## RLHF on the pocket chain",
        "",
        "`OMP_NUM_THREADS=1 python benchmarks/rlhf.py`: example chat, Gemma 3 270M, CPU. The "
        "judge of wins is not the training judge and reads the held-out part only.",
        "",
        goals_table(goals),
        "",
        table(head, rows),
        "",
        "Pooled over seeds (interval over prompts): "
        + "; ".join(
            f"{m} {p['win']:.1%} ({p['low']:.1%} to {p['high']:.1%}), length-controlled "
            f"{p['length controlled']:.1%}"
            for m, p in pooled.items()
        )
        + ".",
        "",
        "Reward model: "
        f"pair accuracy {report['accuracy']['value']:.1%} ({report['accuracy']['low']:.1%} to "
        f"{report['accuracy']['high']:.1%}), length alone "
        f"{report['length heuristic']['value']:.1%}, calibration error "
        f"{report['calibration']['error']:.3f}.",
    ]
    write_section("rlhf", "\n".join(text))
    print("\n".join(text))


def line(name: str, run: dict[str, Any], cost_: Any, _: int) -> list[str]:
    def interval(one: dict[str, float]) -> str:
        return f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})"

    e = run["eval"]
    seconds, memory = cost_ or ("", "")
    win = "" if name == "SFT" else f"{run['win']:.1%} ({run['low']:.1%}–{run['high']:.1%})"
    return [
        name, win, "" if name == "SFT" else f"{run['length controlled']:.1%}",
        interval(e["style"]["probability"]), interval(e["distinguish"]),
        interval(e["relevance"]["advantage"]),
        interval(e["diversity"]["distinct_2"]), f"{run['length']:.0f}", f"{run['kl']:.2f}",
        seconds, memory,
    ]  # fmt: skip


def cost(folder: Path, name: str) -> tuple[str, str]:
    """(seconds a step without the looks, peak memory in GB of the whole run)."""
    lines = (folder / name / "rlhf.jsonl").read_text("utf-8").splitlines()
    steps = [r for r in map(json.loads, lines) if r["kind"] == "train" and "seconds" in r]
    gaps = np.diff([row["seconds"] for row in steps if "eval_loss" not in row])
    gaps = gaps[gaps > 0]
    seconds = f"{np.median(gaps):.1f}" if len(gaps) else ""
    try:
        memory = f"{int((folder / f'{name}.time').read_text().split()[-1]) / 1e6:.1f}"
    except (OSError, ValueError, IndexError):
        memory = ""
    return seconds, memory


if __name__ == "__main__":
    main()
