"""Base classes of everything a plugin can supply.

A component is a class with a ``name``, a docstring whose first line ``asimbot plugins``
shows, and ``Options``: the keys a recipe may set for it, unknown ones refused. The host
makes an instance with the validated options. No module here loads torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from asimbot_plugins.messages import Chat, Message

if TYPE_CHECKING:
    from asimbot_plugins.recipe import Recipe
    from asimbot_plugins.tokens import TokenNames


class Options(BaseModel):
    """Options of a component: typed, and strict about keys nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Component(ABC):
    """Something a recipe can name. ``name`` is unique among components of its kind."""

    name: ClassVar[str]
    kind: ClassVar[str]

    class Options(Options):
        pass

    def __init__(self, options: Any = None) -> None:
        self.options: Any = self.Options() if options is None else options


class Reader(Component):
    """Turns a chat export into messages."""

    kind = "reader"

    @abstractmethod
    def read(self, paths: list[Path]) -> Chat:
        """Reads one chat from the files or folders at ``paths``. Raises UserError if it can't."""


@dataclass(frozen=True)
class Reply:
    """One reply of the friend: the run ``messages[start:end]`` of the list it came from.

    At generation time there is no reply yet: ``start == end == len(messages)``.
    """

    start: int
    end: int


class ContextSelector(Component):
    """Chooses, for each reply of the friend, the earlier messages it is given.

    ``leaks`` is True for a selector that looks at the reply's own text, which does not
    exist when the clone talks.
    """

    kind = "context selector"
    leaks: ClassVar[bool] = False

    @abstractmethod
    def select(self, messages: Sequence[Message], reply: Reply, friend: str) -> list[int]:
        """Indices into ``messages``, each < ``reply.start``, in chronological order.

        ``messages`` holds text messages only. A selector with ``leaks = False`` must not read
        ``messages[reply.start:]``.
        """

    def select_many(
        self, messages: Sequence[Message], replies: Sequence[Reply], friend: str
    ) -> Iterator[list[int]]:
        """One selection a reply, in order. Override where a batch is cheaper."""
        for reply in replies:
            yield self.select(messages, reply, friend)


@dataclass
class Ledger:
    """How many items each stage kept and dropped, and why; written beside its output."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, n: int = 1) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + n


@dataclass
class Dataset:
    """Rows of a training and a held-out file; every row has at least a key ``"text"``."""

    train: list[dict[str, Any]]
    heldout: list[dict[str, Any]]
    ledger: Ledger
    scored: list[dict[str, Any]] = field(default_factory=list)
    """Every row made, the dropped ones too, with ``part``, ``dropped`` and ``scores``."""


class DatasetBuilder(Component):
    """Turns the messages of a chat into training and held-out rows."""

    kind = "dataset builder"

    @abstractmethod
    def build(self, chat: Chat, recipe: Recipe) -> Dataset:
        """Raises UserError where no row is left."""


class Collator(Component):
    """Makes the batch collator that the trainer calls."""

    kind = "collator"

    @abstractmethod
    def make(self, tokenizer: Any, model_type: str) -> Any:
        """A callable from a list of ``{"input_ids", "labels"}`` rows to a batch of tensors.

        ``model_type`` is the base's ``config.model_type``; labels are −100 where not supervised.
        """


@dataclass(frozen=True)
class Verdict:
    """A judge's opinion of K replies to one context.

    ``scores`` holds one float a reply (higher is better), or None where the judge abstains.
    Equal scores are a tie. ``reason`` is free text for people.
    """

    scores: tuple[float, ...] | None
    reason: str = ""


@dataclass(frozen=True)
class JudgeCase:
    """The prompt (``… <SYS>``) and K replies, each a burst with its messages one a line."""

    prompt: str
    replies: tuple[str, ...]


class Judge(Component):
    """Ranks candidate replies to a prompt.

    Called in this order: ``prepare`` once, ``announce`` once with every case, ``judge`` for a
    batch of cases at a time.
    """

    kind = "judge"
    sends_data: ClassVar[bool] = False
    """True if judging sends text to another machine."""
    version: str = "1"
    """Of what the verdicts depend on (a rubric, say); stored with every ranking."""

    def prepare(self, recipe: Recipe) -> None:
        """Gets ready; whatever is fitted is fitted on the training part, never on held-out."""

    def announce(self, cases: Sequence[JudgeCase], confirm: Callable[[str], bool]) -> None:
        """Says what judging these cases would send elsewhere and what it costs.

        A judge that sends data puts that into words for ``confirm`` and raises UserError if
        the answer is no. Others have nothing to say.
        """

    @abstractmethod
    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """One verdict a case, in order."""


class StoppingCriterion(Component):
    """Says where a generated reply ends."""

    kind = "stopping criterion"

    def stop_ids(self, tokenizer: Any, tokens: TokenNames) -> list[int]:
        """Token ids that end a reply (they are not part of it); [] if it needs none."""
        return []

    def keep(self, new_ids: Sequence[int], tokenizer: Any, tokens: TokenNames) -> int | None:
        """How many of the ids made so far belong to the reply, or None if it goes on.

        ``new_ids`` are those after the prompt, up to the first stop id.
        """
        return None


KINDS: dict[str, tuple[str, type[Component]]] = {
    "reader": ("register_readers", Reader),
    "dataset builder": ("register_dataset_builders", DatasetBuilder),
    "context selector": ("register_context_selectors", ContextSelector),
    "collator": ("register_collators", Collator),
    "judge": ("register_judges", Judge),
    "stopping criterion": ("register_stopping_criteria", StoppingCriterion),
}
"""Kind of component -> (hook that registers it, its base class)."""
