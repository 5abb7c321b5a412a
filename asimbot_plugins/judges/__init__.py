"""The built-in judges and the context selector that asks a language model.

This module is the plugin that registers them. docs/judges.md says which judge to trust.
"""

from __future__ import annotations

from typing import Any

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


@hookimpl
def check_recipe(recipe: dict[str, Any], stage: str) -> list[str]:
    """A recipe that asks Gemini needs a key."""
    from asimbot_plugins.errors import UserError
    from asimbot_plugins.judges.gemini import gemini_key

    block = recipe.get("asimbot")
    block = block if isinstance(block, dict) else {}
    used = {
        "judge": ("gemini", "rag_gemini") if stage == "preferences" else (),
        "context": ("llm",),
    }
    problems = []
    for key, names in used.items():
        spec = block.get(key)
        if isinstance(spec, dict) and spec.get("name") in names:
            try:
                gemini_key()
            except UserError as error:
                problems.append(f"asimbot.{key}: {error}")
    return problems
