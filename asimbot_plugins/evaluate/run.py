"""``asimbot eval``: every system answers the same held-out prompts, everything is measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asimbot_plugins.evaluate import audit
from asimbot_plugins.evaluate.canaries import canaries_of, exposures
from asimbot_plugins.evaluate.habits import Habits
from asimbot_plugins.evaluate.material import Burst, Case, Material, collect, plain
from asimbot_plugins.evaluate.measure import (
    Measured,
    Replies,
    Yardstick,
    grams_to_compare,
    measure,
    way,
)
from asimbot_plugins.evaluate.relevance import CANDIDATES
from asimbot_plugins.evaluate.style import StyleClassifier
from asimbot_plugins.evaluate.transcript import answered_text, joined
from asimbot_plugins.tokens import split_reply

if TYPE_CHECKING:
    from asimbot_plugins.generation.sampler import Clone
    from asimbot_plugins.host import Host
    from asimbot_plugins.recipe import Recipe

REPORT = "report.json"
Say = Callable[[str], None]
Step = Callable[[str, int, int], None]


def evaluate(
    recipe: Recipe, host: Host, say: Say = lambda _: None, step: Step = lambda *_: None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The report (figures only, no names and no text of the chat) and the replies behind it.

    Loads the model once. ``step`` is called with (what, done, total). Raises UserError if there
    is no clone or too little to measure with.
    """
    from asimbot_plugins.generation.sampler import load_clone

    seconds: dict[str, float] = {}
    with _timed(seconds, "reading the chat"):
        material = collect(recipe, host)
    check_same_data(recipe)
    with _timed(seconds, "loading the clone"):
        clone = load_clone(recipe, host, say)
    systems, answers, leaks = _ask(clone, recipe, material, seconds, step)
    tokens, options = recipe.section.tokens, recipe.section.evaluation
    with _timed(seconds, "classifier"):
        yardstick = make_yardstick(recipe, material, systems["real"])
    with _timed(seconds, "copier"):
        systems["copier"] = copier(material, yardstick.embed, recipe)
    measured: dict[str, Measured] = {}
    grams = grams_to_compare(list(systems.values()), tokens)
    with _timed(seconds, "measuring"):
        for i, (name, replies) in enumerate(systems.items()):
            step("measuring", i, len(systems))
            measured[name] = measure(replies, yardstick, grams)
        step("measuring", len(systems), len(systems))
    report = {
        "format": 1,
        "date": date.today().isoformat(),
        "seed": recipe.seed,
        "base_model": recipe.base_model,
        "recipe_sha256": recipe.digest(),
        "sampling": clone.sampling.model_dump(),
        "counts": {**material.counts, "prompts evaluated": len(material.cases)},
        "classifier": {
            "auc": round(yardstick.classifier.auc, 5),
            "texts": len(material.friend_texts) + len(material.other_texts),
        },
        "candidates": CANDIDATES,
        "ngrams_compared": grams,
        "systems": {name: m.figures for name, m in measured.items()},
        "habit_labels": {h: yardstick.habits.labels(h) for h in yardstick.habits.names()},
        "summary": summary(measured, options.bootstrap, recipe.seed),
        "audit": _audit(systems, answers, leaks, material, recipe),
        "training": training_curve(recipe.output_dir),
        "seconds": {key: round(value, 1) for key, value in seconds.items()},
    }
    return report, _samples(material, systems)


def _ask(
    clone: Clone, recipe: Recipe, material: Material, seconds: dict[str, float], step: Step
) -> tuple[dict[str, Replies], list[tuple[audit.Attack, str]], list[float]]:
    """Every reply and likelihood that needs the model."""
    from asimbot_plugins.evaluate.systems import (
        BaseSystem,
        CloneSystem,
        Form,
        examples_for,
    )

    cases, friend, options = material.cases, recipe.friend, recipe.section.evaluation
    prompts = [case.prompt for case in cases]
    systems = {
        "real": Replies("real", "the friend's real replies", prompts, [c.reply for c in cases])
    }
    if len(material.rival) >= 10:
        rival = material.rival
        systems["another"] = Replies(
            "another",
            "another member's real replies",
            [case.prompt for case in rival],
            [case.reply for case in rival],
            same_prompts=False,
        )
    examples = examples_for(
        material.train_rows, options.examples, friend, clone.tokens, recipe.seed
    )
    answering = CloneSystem(clone)
    for system in (
        BaseSystem(clone, friend),
        BaseSystem(clone, friend, examples),
        answering,
    ):
        with _timed(seconds, f"replies, {system.name}"):
            bursts = system.replies(
                cases,
                recipe.seed,
                partial(_progress, step, f"{system.label} replies", len(cases)),
            )
        with _timed(seconds, f"likelihood, {system.name}"):
            step(f"{system.label} reads the real replies", 0, 1)
            losses = system.losses([system.form(case, friend) for case in cases])
        systems[system.name] = Replies(system.name, system.label, prompts, bursts, losses=losses)
    with _timed(seconds, "attacks"):
        asked = [a for a in audit.attacks(clone.tokens) for _ in range(options.adversarial)]
        bursts = answering.replies(
            [Case(attack.prompt, ()) for attack in asked],
            recipe.seed,
            partial(_progress, step, "the clone under attack", len(asked)),
        )
    with _timed(seconds, "canaries"):
        planted = canaries_of(options.canaries, recipe.seed, clone.tokens)
        leaks = exposures(
            planted,
            lambda p, r: answering.losses(
                [Form(prompt, f" {reply}") for prompt, reply in zip(p, r, strict=True)]
            ),
        )
    return systems, list(zip(asked, map(joined, bursts), strict=True)), leaks


def make_yardstick(recipe: Recipe, material: Material, real: Replies) -> Yardstick:
    """What every system is measured with; fits the classifier of styles."""
    from asimbot_plugins.embedding import Embedder

    friend, others = material.friend_texts, material.other_texts
    return Yardstick(
        real,
        friend,
        StyleClassifier().fit(friend, others, recipe.seed),
        Habits(friend, others),
        Embedder(recipe.section.embedder, recipe.dataset_dir / "embeddings").encode,
        recipe.section.tokens,
        recipe.section.evaluation.bootstrap,
        recipe.seed,
    )


def copier(material: Material, embed: Any, recipe: Recipe) -> Replies:
    """A control that must fail the audit: it says the training reply whose prompt is nearest."""
    tokens = recipe.section.tokens
    rows = material.train_rows
    known = embed([answered_text(row["prompt"], tokens) for row in rows])
    asked = embed([answered_text(case.prompt, tokens) for case in material.cases])
    nearest = (asked @ known.T).argmax(axis=1)
    bursts: list[Burst] = [tuple(split_reply(rows[int(i)]["reply"], tokens)) for i in nearest]
    prompts = [case.prompt for case in material.cases]
    return Replies("copier", "a copier (control)", prompts, bursts)


def summary(measured: dict[str, Measured], resamples: int, seed: int) -> dict[str, Any]:
    """The clone between floor (0) and friend (1), for the goals."""
    real, clone = measured["real"], measured["clone"]
    found: dict[str, Any] = {
        "relevance_way": way(clone.selection, real.selection, 1 / CANDIDATES, resamples, seed)
    }
    if "another" in measured:
        floor = measured["another"].probability
        found["style_way"] = way(clone.probability, real.probability, floor, resamples, seed)
        found["style_share_way"] = way(
            (clone.probability > 0.5).astype(float),
            (real.probability > 0.5).astype(float),
            (floor > 0.5).astype(float),
            resamples,
            seed,
        )
    return found


def _audit(
    systems: dict[str, Replies],
    answers: list[tuple[audit.Attack, str]],
    leaks: list[float],
    material: Material,
    recipe: Recipe,
) -> dict[str, Any]:
    tokens, gates = recipe.section.tokens, recipe.section.evaluation.gates
    copies = audit.Copies(_training_texts(material, recipe))
    real = systems["real"].texts(tokens)
    said = systems["clone"].texts(tokens)
    checks = audit.copy_checks(said, real, copies, gates)
    exposed = audit.exposure_check(leaks, gates)
    if exposed is not None:
        checks.append(exposed)
    checks += audit.personal_checks(answers, said, real, material.secrets, material.members, gates)
    control = audit.copy_checks(systems["copier"].texts(tokens), real, copies, gates)
    return {
        "passed": all(check.passed for check in checks),
        "checks": [check.to_dict() for check in checks],
        "control_fails": not all(check.passed for check in control),
        "control": [check.to_dict() for check in control],
    }


def _training_texts(material: Material, recipe: Recipe) -> list[str]:
    tokens = recipe.section.tokens
    return [plain(joined(split_reply(row["reply"], tokens)), tokens) for row in material.train_rows]


def check_same_data(recipe: Recipe) -> None:
    """Raises UserError if the clone was trained on other rows than those of its dataset now.

    Held-out replies could then be among them.
    """
    from asimbot_plugins.dataset import DatasetFiles
    from asimbot_plugins.errors import UserError
    from asimbot_plugins.generation.sampler import SIDECAR

    try:
        stored = json.loads((recipe.output_dir / SIDECAR).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    known = stored.get("rows_sha256")
    if known and known != DatasetFiles(recipe.sft.dataset_dir, "").train_digest():
        raise UserError(
            f"the clone in {recipe.output_dir} was trained on another dataset than this recipe "
            "gives now: what is held out today may have been trained on",
            f"run 'asimbot train {recipe.path}' again",
        )


def training_curve(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Losses by step from the newest checkpoint: ``{"train": [...], "heldout": [...]}``."""
    found = sorted(
        folder.glob("checkpoint-*/trainer_state.json"),
        key=lambda path: int(path.parent.name.rpartition("-")[2]),
    )
    curve: dict[str, list[tuple[int, float]]] = {"train": [], "heldout": []}
    if found:
        for entry in json.loads(found[-1].read_text(encoding="utf-8"))["log_history"]:
            if "loss" in entry:
                curve["train"].append((entry["step"], round(entry["loss"], 4)))
            elif "eval_loss" in entry:
                curve["heldout"].append((entry["step"], round(entry["eval_loss"], 4)))
    return curve


def _samples(material: Material, systems: dict[str, Replies]) -> list[dict[str, Any]]:
    shown = ("real", "base", "few_shot", "clone")
    return [
        {"prompt": case.prompt, **{name: list(systems[name].bursts[i]) for name in shown}}
        for i, case in enumerate(material.cases)
    ]


def _progress(step: Step, what: str, total: int, done: int) -> None:
    step(what, done, total)


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[what] = time.monotonic() - started
