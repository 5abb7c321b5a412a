"""Judges ``gemini`` and ``rag_gemini``: Google's Gemini API through its own SDK."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from asimbot_plugins.errors import UserError
from asimbot_plugins.judges.llm_client import Answer, Backend, Busy, Request, Send
from asimbot_plugins.judges.llm_judge import LLMJudge
from asimbot_plugins.judges.rubric import Model

KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
"""Environment variables the key is taken from; it is never in a recipe."""


def gemini_key() -> str:
    """The key of the Gemini API. Raises UserError where there is none."""
    key = next((os.environ[name] for name in KEYS if os.environ.get(name)), "")
    if not key:
        raise UserError(
            "there is no key for the Gemini API",
            f"set the environment variable {KEYS[0]}, or use something that needs no network",
        )
    return key


class GeminiBackend(Backend):
    """The Gemini API. Raises UserError where the key is missing."""

    name = "gemini"

    def __init__(self, endpoint: str | None, timeout: float) -> None:
        self.endpoint = endpoint or "https://generativelanguage.googleapis.com"
        self.timeout = timeout
        self.secret = gemini_key()

    @asynccontextmanager
    async def session(self, model: Model) -> AsyncIterator[Send]:
        from google import genai
        from google.genai import types

        client = genai.Client(
            api_key=self.secret,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=self.endpoint,
                api_version="v1beta",  # structured output by JSON schema is settled there
                timeout=int(self.timeout * 1000),
                # Waiting is ours: it counts against the cap and honours the server's delay.
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )
        thinking = (
            {"thinking_config": {"thinking_level": model.thinking_level}}
            if model.thinking_level
            else {}
        )

        async def send(request: Request) -> Answer:
            config: Any = {
                "system_instruction": request.system or None,
                "temperature": model.temperature,
                "max_output_tokens": model.max_output_tokens,
                "response_mime_type": "application/json",
                "response_json_schema": request.schema,
                **thinking,
            }
            # Raised outside the handler: the SDK's exceptions hold the request, key and all.
            problem: Busy | UserError
            try:
                response = await client.aio.models.generate_content(
                    model=model.name, contents=request.prompt, config=config
                )
                return _answer(response)
            except Exception as error:
                problem = self._translate(error)
            raise problem

        try:
            yield send
        finally:
            await client.aio.aclose()

    def _translate(self, error: Exception) -> Busy | UserError:
        from google.genai import errors

        if not isinstance(error, errors.APIError):
            # Lost connections, timeouts, an answer that is no JSON: all may pass.
            return Busy(self.scrub(f"{type(error).__name__}: {error}"[:200]))
        told = self.scrub(f"{error.code} {error.status}: {error.message}"[:300])
        if error.code in (408, 429) or error.code >= 500:
            return Busy(told, _delay(error))
        return UserError(f"{self.host} refused the request ({told})", "check the key and the model")


def _answer(response: Any) -> Answer:
    usage = response.usage_metadata
    spent = (usage.prompt_token_count or 0) if usage else 0
    made = 0
    if usage:
        made = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return Answer(response.text or "", spent, made)


def _delay(error: Any) -> float | None:
    """Seconds the server asks to wait: RetryInfo in the body, else the header Retry-After."""
    details = error.details if isinstance(error.details, dict) else {}
    inner = details.get("error", details)
    for detail in inner.get("details") or []:
        found = re.fullmatch(r"([\d.]+)s", str(detail.get("retryDelay", "")))
        if found:
            return float(found[1])
    headers = getattr(error.response, "headers", None) or {}
    after = str(headers.get("retry-after") or headers.get("Retry-After") or "")
    return float(after) if re.fullmatch(r"[\d.]+", after) else None


class GeminiJudge(LLMJudge):
    """Gemini Flash by a rubric. Sends prompts and replies to Google after asking."""

    name: ClassVar[str] = "gemini"

    def backend(self) -> Backend:
        return GeminiBackend(self.options.endpoint, self.options.timeout)


class RagGeminiJudge(GeminiJudge):
    """Gemini Flash with real replies of the friend as evidence. Sends those too."""

    name: ClassVar[str] = "rag_gemini"
