"""Judges that ask a language model: what they send, and how an answer is read.

Derive from ``LLMJudge`` and give it a backend: see ``gemini.py``, and
``plugins/asimbot-openai`` for one that lives in a distribution of its own.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from asimbot_plugins import components
from asimbot_plugins.components import Judge, JudgeCase, Verdict
from asimbot_plugins.errors import UserError
from asimbot_plugins.judges.evidence import Evidence, ReplyIndex, redactor_of
from asimbot_plugins.judges.llm_client import Backend, LLMClient, Malformed, Request
from asimbot_plugins.judges.rubric import Model, Rubric, load_rubric

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe
    from asimbot_plugins.tokens import TokenNames

CACHE = "llm_cache"
"""Folder beside the dataset; judges and the ``llm`` context selector share it."""


class LLMOptions(components.Component.Options):
    """Options of whatever asks a language model."""

    rubric_path: str | None = None
    """Another rubric file than the one that comes with the judge."""
    llm: str | None = None
    """Another model than the rubric's."""
    endpoint: str | None = None
    """Another address than the provider's own (a gateway, a test server)."""
    max_dollars: float = Field(default=1.0, ge=0)
    """What one run may spend."""
    concurrency: int = Field(default=8, ge=1, le=64)
    """Requests on their way at a time."""
    attempts: int = Field(default=6, ge=1)
    """Tries of one request that meets a busy server."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds until a request counts as lost."""


class LLMJudge(Judge):
    """Scores replies by a rubric that a language model applies."""

    Options: type[components.Component.Options] = LLMOptions
    options: LLMOptions
    sends_data: ClassVar[bool] = True

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.backend()  # a missing key must not show after an hour of drawing replies

    @abstractmethod
    def backend(self) -> Backend:
        """The service to ask. Raises UserError where a key is missing."""

    def load_rubric(self) -> Rubric:
        """The rubric; override where it does not come with asimbot."""
        return load_rubric(self.name, self.options.rubric_path)

    def prepare(self, recipe: Recipe) -> None:
        self.rubric = self.load_rubric()
        model = model_of(self.rubric, self.options)
        self.version = f"{self.rubric.version}/{model.name}"
        self._tokens = recipe.section.tokens
        self._redact = redactor_of(recipe).redact
        self.client = client_for(recipe, self.backend(), model, self.options)
        self._index: ReplyIndex | None = None
        if self.rubric.retrieval.k:
            self._index = ReplyIndex(Evidence.of_training(recipe), recipe)

    def announce(self, cases: Sequence[JudgeCase], confirm: Callable[[str], bool]) -> None:
        most = max((len(case.replies) for case in cases), default=0)
        what = f"the rubric, the messages of one prompt and up to {most} candidate replies"
        if self._index is not None:
            what += f", and {self.rubric.retrieval.k} real exchanges of the chat as examples"
        self.client.agree(self.requests(cases), what, confirm)

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        def read(index: int, text: str) -> Verdict:
            return read_verdict(text, ids_of(cases[index]), self.rubric)

        verdicts = self.client.ask(self.requests(cases), read)
        malformed = Verdict(None, "no well-formed answer")
        return [verdict or malformed for verdict in verdicts]

    def requests(self, cases: Sequence[JudgeCase]) -> list[Request]:
        """What is sent for each case."""
        examples: list[list[dict[str, Any]]] = [[] for _ in cases]
        if self._index is not None:
            found = self._index.nearest([c.prompt for c in cases], self.rubric.retrieval.k)
            examples = [[self._exchange(p, r) for p, r, _ in near] for near in found]
        return [self._request(c, e) for c, e in zip(cases, examples, strict=True)]

    def _request(self, case: JudgeCase, examples: list[dict[str, Any]]) -> Request:
        rubric = self.rubric
        ids = ids_of(case)
        replies = [
            {"id": id_, "messages": self._lines(reply)}
            for id_, reply in zip(ids, case.replies, strict=True)
        ]
        values = {
            "context": as_data(speakers_of(case.prompt, self._tokens, self._redact)),
            "replies": as_data(replies),
            "examples": as_data(examples),
            "low": str(rubric.scale.low),
            "high": str(rubric.scale.high),
        }
        return Request(
            rubric.fill(rubric.system, **values),
            rubric.fill(rubric.prompt, **values),
            verdict_schema(ids, rubric),
        )

    def _exchange(self, prompt: str, reply: str) -> dict[str, Any]:
        context = speakers_of(prompt, self._tokens, self._redact)
        return {"context": context, "friend": self._lines(reply)}

    def _lines(self, reply: str) -> list[str]:
        return [self._redact(line) for line in reply.split("\n") if line.strip()]


def model_of(rubric: Rubric, options: LLMOptions) -> Model:
    """The rubric's model, or the one the options name: without a price, unless it is the same.

    Raises UserError if the rubric has no model.
    """
    if rubric.model is None:
        raise UserError(f"the rubric {rubric.name!r} names no model", "add a block 'model:'")
    if options.llm is None or options.llm == rubric.model.name:
        return rubric.model
    if rubric.model.prices is not None:
        raise UserError(
            f"asimbot.judge.llm: the rubric {rubric.name!r} has no price for {options.llm}",
            "copy the rubric, put the model and its prices there and set rubric_path",
        )
    return rubric.model.model_copy(update={"name": options.llm})


def client_for(recipe: Recipe, backend: Backend, model: Model, options: LLMOptions) -> LLMClient:
    """The client with the one cache of this friend's recipes."""
    return LLMClient(
        backend,
        model,
        recipe.dataset_dir / CACHE,
        max_dollars=options.max_dollars,
        concurrency=options.concurrency,
        attempts=options.attempts,
    )


def speakers_of(
    prompt: str, tokens: TokenNames, redact: Callable[[str], str]
) -> list[dict[str, Any]]:
    """A prompt as data: turns of ``{"from": letter or "FRIEND", "messages": […]}``."""
    from asimbot_plugins.evaluate.transcript import turns

    return [
        {"from": turn.speaker or "FRIEND", "messages": [redact(text) for text in turn.messages]}
        for turn in turns(prompt, tokens)
    ]


def as_data(value: Any) -> str:
    """JSON that cannot close the tag it stands in: a chat message is data, whatever it says."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


def ids_of(case: JudgeCase) -> list[str]:
    """An id a reply, four letters that say nothing of the order and that no message can guess.

    The same case always gets the same ids, so that its answer can be cached.
    """
    ids: list[str] = []
    seed = json.dumps([case.prompt, sorted(case.replies)], ensure_ascii=False)
    for reply in case.replies:
        n = 0
        while True:
            data = f"{seed}\0{reply}\0{n}".encode("utf-8", "surrogatepass")
            digest = hashlib.sha256(data).digest()
            id_ = "".join("bcdfghjkmnpqrstvwxyz"[byte % 20] for byte in digest[:4])
            if id_ not in ids:
                break
            n += 1
        ids.append(id_)
    return ids


def verdict_schema(ids: Sequence[str], rubric: Rubric) -> dict[str, Any]:
    """The JSON schema of an answer: a reason first, then one score an id, or an abstention."""
    score = {"type": "integer", "minimum": rubric.scale.low, "maximum": rubric.scale.high}
    verdict = {
        "type": "object",
        "properties": {"id": {"type": "string", "enum": list(ids)}, "score": score},
        "required": ["id", "score"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "abstain": {"type": "boolean"},
            "verdicts": {"type": "array", "items": verdict},
        },
        "required": ["reason", "abstain", "verdicts"],
        "additionalProperties": False,
    }


def read_verdict(text: str, ids: Sequence[str], rubric: Rubric) -> Verdict:
    """The verdict in an answer. Raises Malformed unless every id has one score in the scale."""
    try:
        answer = json.loads(text)
    except ValueError:
        raise Malformed("not JSON") from None
    if not isinstance(answer, dict):
        raise Malformed("not an object")
    reason = str(answer.get("reason", ""))
    if answer.get("abstain") is True:
        return Verdict(None, reason)
    scores: dict[str, float] = {}
    verdicts = answer.get("verdicts")
    for item in verdicts if isinstance(verdicts, list) else []:
        if not isinstance(item, dict):
            raise Malformed("a verdict is no object")
        id_, score = item.get("id"), item.get("score")
        if not isinstance(id_, str) or id_ not in ids or id_ in scores:
            raise Malformed("an id twice, or unknown")
        if not isinstance(score, int) or isinstance(score, bool):
            raise Malformed("a score that is no whole number")
        if not rubric.scale.low <= score <= rubric.scale.high:
            raise Malformed("a score outside the scale")
        scores[id_] = float(score)
    if len(scores) != len(ids):
        raise Malformed("an id has no score")
    return Verdict(tuple(scores[id_] for id_ in ids), reason)
