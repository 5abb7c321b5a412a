"""The hooks a plugin can implement.

Every hook but the last takes nothing and returns a list of classes derived from the base
class named in its docstring (see ``asimbot_plugins.components``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from asimbot_plugins.components import (
        Collator,
        ContextSelector,
        DatasetBuilder,
        Judge,
        Reader,
        StoppingCriterion,
    )

hookspec = pluggy.HookspecMarker("asimbot")


@hookspec
def register_readers() -> list[type[Reader]]:  # type: ignore[empty-body]
    """Readers turn a chat export into messages (``Reader``)."""


@hookspec
def register_dataset_builders() -> list[type[DatasetBuilder]]:  # type: ignore[empty-body]
    """Dataset builders turn messages into training examples (``DatasetBuilder``)."""


@hookspec
def register_context_selectors() -> list[type[ContextSelector]]:  # type: ignore[empty-body]
    """Context selectors choose the earlier messages a reply is given (``ContextSelector``)."""


@hookspec
def register_collators() -> list[type[Collator]]:  # type: ignore[empty-body]
    """Collators batch tokenised examples for the trainer (``Collator``)."""


@hookspec
def register_judges() -> list[type[Judge]]:  # type: ignore[empty-body]
    """Judges rank candidate replies (``Judge``)."""


@hookspec
def register_stopping_criteria() -> list[type[StoppingCriterion]]:  # type: ignore[empty-body]
    """Stopping criteria say where a generated reply ends (``StoppingCriterion``)."""


@hookspec
def check_recipe(recipe: dict[str, Any], stage: str) -> list[str]:  # type: ignore[empty-body]
    """Problems of a recipe that only the plugin can know, one line each; [] if none.

    ``recipe`` is the flattened recipe as plain data, ``stage`` its stage (``"sft"``, …).
    Called by ``asimbot check``, so it must not load torch.
    """
