"""The judge ``openai``: any endpoint that speaks the OpenAI chat-completions protocol."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pluggy

from asimbot_plugins.components import Judge
from asimbot_plugins.errors import UserError
from asimbot_plugins.judges.llm_client import Answer, Backend, Busy, Request, Send
from asimbot_plugins.judges.llm_judge import LLMJudge
from asimbot_plugins.judges.rubric import Model, Rubric, load_rubric

hookimpl = pluggy.HookimplMarker("asimbot")
OLLAMA = "http://127.0.0.1:11434/v1"


class OpenAIBackend(Backend):
    """``POST <endpoint>/chat/completions``; the key, if any, from ``OPENAI_API_KEY``."""

    name = "openai"

    def __init__(self, endpoint: str | None, timeout: float) -> None:
        self.endpoint = (endpoint or OLLAMA).rstrip("/")
        self.timeout = timeout
        self.secret = os.environ.get("OPENAI_API_KEY", "")

    @asynccontextmanager
    async def session(self, model: Model) -> AsyncIterator[Send]:
        import httpx

        headers = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        async with httpx.AsyncClient(headers=headers, timeout=self.timeout) as http:

            async def send(request: Request) -> Answer:
                # Raised outside the handler: httpx's exceptions hold the request, key and all.
                problem: Exception
                try:
                    response = await http.post(
                        f"{self.endpoint}/chat/completions", json=self._body(request, model)
                    )
                    if response.status_code == 200:
                        return _answer(response.json())
                    problem = self._problem(response)
                except (httpx.TransportError, ValueError, KeyError, IndexError) as error:
                    problem = Busy(self.scrub(f"{type(error).__name__}: {error}"[:200]))
                raise problem

            yield send

    def _body(self, request: Request, model: Model) -> dict[str, Any]:
        schema = {"name": "answer", "strict": True, "schema": request.schema}
        return {
            "model": model.name,
            "temperature": model.temperature,
            "max_tokens": model.max_output_tokens,
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.prompt},
            ],
            "response_format": {"type": "json_schema", "json_schema": schema},
        }

    def _problem(self, response: Any) -> Exception:
        told = self.scrub(f"{response.status_code}: {response.text}"[:300])
        if response.status_code in (408, 429) or response.status_code >= 500:
            after = response.headers.get("retry-after", "")
            return Busy(told, float(after) if re.fullmatch(r"[\d.]+", after) else None)
        return UserError(f"{self.host} refused the request ({told})", "check the key and the model")


def _answer(body: dict[str, Any]) -> Answer:
    usage = body.get("usage") or {}
    return Answer(
        body["choices"][0]["message"]["content"] or "",
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
    )


class OpenAIJudge(LLMJudge):
    """Any OpenAI-compatible endpoint by a rubric; by default Ollama on this machine."""

    name: ClassVar[str] = "openai"

    def backend(self) -> Backend:
        return OpenAIBackend(self.options.endpoint, self.options.timeout)

    def load_rubric(self) -> Rubric:
        """The file of ``rubric_path``, else gemini's words for a local model that costs nothing.

        Raises UserError where another machine would be asked without a rubric of its own: its
        prices are not ours to guess.
        """
        if self.options.rubric_path:
            return load_rubric(self.name, self.options.rubric_path)
        if not self.backend().on_this_machine:
            raise UserError(
                f"asimbot.judge.rubric_path: missing key for {self.backend().host}",
                "copy judges/gemini.yml and put the model and its prices there",
            )
        if self.options.llm is None:
            raise UserError("asimbot.judge.llm: missing key", "name a model the server has")
        ours = load_rubric("gemini")
        assert ours.model is not None
        changes = {"name": self.options.llm, "prices": None, "thinking_level": None}
        return ours.model_copy(
            update={"name": self.name, "model": ours.model.model_copy(update=changes)}
        )


@hookimpl
def register_judges() -> list[type[Judge]]:
    return [OpenAIJudge]
