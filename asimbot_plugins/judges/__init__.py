"""The built-in judges, and how they are registered. docs/judges.md says which to trust."""

from __future__ import annotations

from asimbot_plugins import hookimpl
from asimbot_plugins.components import Judge


@hookimpl
def register_judges() -> list[type[Judge]]:
    from asimbot_plugins.judges.gemini import GeminiJudge, RagGeminiJudge
    from asimbot_plugins.judges.human import HumanJudge
    from asimbot_plugins.judges.style import StyleJudge

    return [StyleJudge, GeminiJudge, RagGeminiJudge, HumanJudge]
