"""What ``asimbot eval`` measures replies with, for benchmarks that draw the replies themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def make_yardstick(recipe: Any, prompts: list[str] | None = None) -> tuple[Any, list[Any]]:
    """The yardstick over the held-out cases of a recipe, and these cases.

    ``prompts``: only cases that these are the prompts of.
    """
    from asimbot_plugins.evaluate import run
    from asimbot_plugins.evaluate.material import collect
    from asimbot_plugins.evaluate.measure import Replies
    from asimbot_plugins.host import load_host

    material = collect(recipe, load_host())
    wanted = None if prompts is None else set(prompts)
    cases = [case for case in material.cases if wanted is None or case.prompt in wanted]
    real = Replies("real", "real", [c.prompt for c in cases], [c.reply for c in cases])
    # One seed for the intervals of all runs, whatever seed a run was trained with.
    return replace(run.make_yardstick(recipe, material, real), seed=0), cases
