"""The default judge: local, no key, no network.

Three things are asked of a reply: is it written as the friend writes (a classifier against
the others of the chat), does it fit what it answers, and does it resemble what the friend
really said in like places. How much each counts is learnt: by Bradley and Terry (1952), the
probability that the true reply beats another is the logistic function of the weighted
difference of their features. So scores are log-odds: one that is higher by 1 is e times as
likely to be the friend's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from asimbot_plugins import components
from asimbot_plugins.components import Judge, JudgeCase, Verdict
from asimbot_plugins.errors import UserError
from asimbot_plugins.judges.evidence import (
    Burst,
    Evidence,
    ReplyIndex,
    embedder_of,
)
from asimbot_plugins.judges.rubric import load_rubric

if TYPE_CHECKING:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    from asimbot_plugins.evaluate.style import StyleClassifier
    from asimbot_plugins.recipe import Recipe

FEATURES = ("style", "answers", "fits", "shared words", "like real replies", "like the nearest")
"""Names of the columns of ``StyleJudge.features``."""
FIT_SHARE = 0.75  # of the training part; the rest, later in time, decides the weights
ROUNDS = 3  # wrong replies of each sort that a true one is compared with
MOST_OTHERS = 4000  # bursts of other people that the classifier learns from
_MIN_EXCHANGES = 40


class StyleJudge(Judge):
    """Local: likes replies that are written as the friend writes and fit what they answer."""

    name: ClassVar[str] = "style"

    class Options(components.Options):
        rubric_path: str | None = None
        """Another rubric file than ``judges/style.yml``."""
        seed: int = 0
        decimals: int = Field(default=1, ge=0)
        """Scores are rounded to so many decimals: what is nearer is a tie."""

    def prepare(self, recipe: Recipe) -> None:
        """Fits on the training part. Raises UserError if that is too short."""
        self.fit(Evidence.of_training(recipe), recipe)

    def fit(self, training: Evidence, recipe: Recipe) -> None:
        """Learns weights on the later part of ``training``, then the rest anew on all of it."""
        import numpy as np

        if len(training.exchanges) < _MIN_EXCHANGES:
            raise UserError(
                f"{len(training.exchanges)} replies of the friend are too few for the style judge",
                f"it takes {_MIN_EXCHANGES}; give a longer chat",
            )
        self.rubric = load_rubric(self.name, self.options.rubric_path)
        self._k = self.rubric.retrieval.k
        self._embed = embedder_of(recipe)
        earlier, later = training.before(FIT_SHARE)
        self._learn(earlier, recipe)
        self.weights = self._weigh(later, np.random.default_rng(self.options.seed))
        self._learn(training, recipe)
        self.version = self.rubric.version

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Scores are log-odds, rounded; only their differences within a case mean something."""
        if not hasattr(self, "weights"):
            raise UserError("the style judge was asked before it was prepared")
        prompts = [case.prompt for case in cases for _ in case.replies]
        replies = [reply for case in cases for reply in case.replies]
        if not replies:
            return [Verdict(()) for _ in cases]
        features = self.features(prompts, replies)
        scores = (features @ self.weights).round(self.options.decimals).tolist()
        verdicts, start = [], 0
        for case in cases:
            end = start + len(case.replies)
            verdicts.append(Verdict(tuple(scores[start:end]), self._why(features[start:end])))
            start = end
        return verdicts

    def features(self, prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray:
        """What the score is made of: float64, shape (n, len(FEATURES)); reply i to prompt i.

        ``style`` is in log-odds, between −7 and 7; the others are cosines.
        """
        import numpy as np

        from asimbot_plugins.evaluate.transcript import whole_text

        index = self._index
        known = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        of = [known[prompt] for prompt in prompts]
        unique = list(known)
        contexts = index.contexts(unique)
        answered, whole = np.hsplit(contexts, 2)
        said = index.embed(list(replies))
        probability = self._style.probability(list(replies)).clip(1e-3, 1 - 1e-3)
        words_of_reply = self._words.transform(replies)
        words_of_prompt = self._words.transform([whole_text(p, index.tokens) for p in unique])
        shared = words_of_prompt[of].multiply(words_of_reply).sum(axis=1)
        real = np.zeros((len(replies), 2))
        near = index.nearest(unique, self._k)
        for i, j in enumerate(of):
            if near[j]:
                alike = self._replies[[n for _, _, n in near[j]]] @ said[i]
                real[i] = alike.mean() - self._usual @ said[i], alike.max()
        return np.column_stack(
            [
                np.log(probability / (1 - probability)),
                (answered[of] * said).sum(axis=1),
                (whole[of] * said).sum(axis=1),
                np.asarray(shared).ravel(),
                real,
            ]
        )

    def _learn(self, evidence: Evidence, recipe: Recipe) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        from asimbot_plugins.evaluate.style import StyleClassifier
        from asimbot_plugins.evaluate.transcript import whole_text

        own = [exchange.reply for exchange in evidence.exchanges]
        others = [burst.text for burst in _thinned(evidence.others)]
        self._style: StyleClassifier = StyleClassifier().fit(own, others, self.options.seed)
        self._index = ReplyIndex(evidence, recipe, self._embed)
        self._replies = self._index.embed(own)
        self._usual = self._replies.mean(axis=0)
        prompts = [whole_text(e.prompt, self._index.tokens) for e in evidence.exchanges]
        self._words: TfidfVectorizer = TfidfVectorizer(sublinear_tf=True).fit([*prompts, *own])

    def _weigh(self, later: Evidence, random: np.random.Generator) -> np.ndarray:
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        differences = np.vstack(
            [
                self.features(prompts, true) - self.features(prompts, wrong)
                for prompts, true, wrong in _contests(later, random)
            ]
        )
        scale = differences.std(axis=0) + 1e-9
        # Each contest is told from both sides, so that no side is favoured; no intercept.
        sides = np.vstack([differences, -differences]) / scale
        won = np.repeat([1, 0], len(differences))
        model = LogisticRegression(fit_intercept=False).fit(sides, won)
        # A weight below zero is noise of a small sample: none of these can speak against.
        weights: np.ndarray = np.clip(model.coef_[0], 0, None) / scale
        return weights

    def _why(self, features: np.ndarray) -> str:
        parts = []
        for row in features:
            shares = ", ".join(
                f"{name} {value:+.1f}"
                for name, value in zip(FEATURES, row * self.weights, strict=True)
            )
            parts.append(f"[{shares}]")
        return " ".join(parts)


def _contests(
    later: Evidence, random: np.random.Generator
) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """(prompts, true replies, wrong replies), three sorts of wrong ones in equal number.

    The friend's own from elsewhere part by fit alone, what somebody said right after by voice
    alone, anybody's words by both: so neither can stand in for the other.
    """
    exchanges = later.exchanges
    prompts, true = [e.prompt for e in exchanges], [e.reply for e in exchanges]
    for n in range(ROUNDS):
        yield prompts, true, shuffled(true, random)
        if later.others:
            picks = random.integers(len(later.others), size=len(true))
            yield prompts, true, [later.others[i].text for i in picks]
        nexts = [(e, text) for e in exchanges if (text := later.said_next(e, n)) is not None]
        if nexts:
            yield [e.prompt for e, _ in nexts], [e.reply for e, _ in nexts], [t for _, t in nexts]


def shuffled(replies: Sequence[str], random: np.random.Generator) -> list[str]:
    """Each reply moved to another place, none left where it was (n ≥ 2)."""
    order = random.permutation(len(replies))
    moved = [""] * len(replies)
    # Along a random cycle through all places nothing stays put.
    for i, place in enumerate(order):
        moved[place] = replies[order[i - 1]]
    return moved


def _thinned(others: Sequence[Burst]) -> Sequence[Burst]:
    step = max(1, -(-len(others) // MOST_OTHERS))
    return others[::step]
