"""Registers the built-in context selectors."""

from __future__ import annotations

import pluggy

from asimbot_plugins.components import ContextSelector

hookimpl = pluggy.HookimplMarker("asimbot")


@hookimpl
def register_context_selectors() -> list[type[ContextSelector]]:
    from asimbot_plugins.context.ranked import Ranked
    from asimbot_plugins.context.semantic import Semantic, SemanticLive
    from asimbot_plugins.context.window import Turns, Window

    return [Ranked, Window, Turns, Semantic, SemanticLive]
