"""The built-in judges and the context selector that asks a language model.

This module is the plugin that registers them. docs/judges.md says which judge to trust.
"""

from __future__ import annotations

from asimbot_plugins import hookimpl
from asimbot_plugins.components import ContextSelector, Judge


@hookimpl
def register_judges() -> list[type[Judge]]:
    from asimbot_plugins.judges.gemini import GeminiJudge, RagGeminiJudge
    from asimbot_plugins.judges.human import HumanJudge
    from asimbot_plugins.judges.style import StyleJudge

    return [StyleJudge, GeminiJudge, RagGeminiJudge, HumanJudge]


@hookimpl
def register_context_selectors() -> list[type[ContextSelector]]:
    from asimbot_plugins.judges.llm_context import LLMContext

    return [LLMContext]
