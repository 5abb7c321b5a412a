"""What ``asimbot eval`` measures replies with, for benchmarks that draw the replies themselves."""

from __future__ import annotations

from typing import Any


def make_yardstick(recipe: Any, prompts: list[str] | None = None) -> tuple[Any, list[Any]]:
    """The yardstick over the held-out cases of a recipe, and these cases.

    ``prompts``: only cases that these are the prompts of.
    """
    from asimbot_plugins.embedding import Embedder
    from asimbot_plugins.evaluate.habits import Habits
    from asimbot_plugins.evaluate.material import collect
    from asimbot_plugins.evaluate.measure import Replies, Yardstick
    from asimbot_plugins.evaluate.style import StyleClassifier
    from asimbot_plugins.host import load_host

    material = collect(recipe, load_host())
    wanted = None if prompts is None else set(prompts)
    cases = [case for case in material.cases if wanted is None or case.prompt in wanted]
    real = Replies("real", "real", [c.prompt for c in cases], [c.reply for c in cases])
    classifier = StyleClassifier().fit(material.friend_texts, material.other_texts, recipe.seed)
    embed = Embedder(recipe.section.embedder, recipe.dataset_dir / "embeddings").encode
    habits = Habits(material.friend_texts, material.other_texts)
    made = Yardstick(
        real, material.friend_texts, classifier, habits, embed, recipe.section.tokens, 1000, 0
    )
    return made, cases
