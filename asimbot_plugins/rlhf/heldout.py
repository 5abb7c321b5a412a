"""The held-out judge, and a look at a policy through its eyes.

It shares nothing with the judge that the reward was learnt from: it reads words where ``style``
reads characters, and it knows the friend's real reply to each of its prompts, which no policy
and no reward has seen. So a policy that merely pleases its reward does not please this judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from asimbot_plugins.evaluate.relevance import advantage, fits
from asimbot_plugins.evaluate.transcript import joined
from asimbot_plugins.rlhf.guards import Look
from asimbot_plugins.rlhf.pairs import spread
from asimbot_plugins.tokens import split_reply

if TYPE_CHECKING:
    import numpy as np

    from asimbot_plugins.generation.sampler import Clone
    from asimbot_plugins.recipe import Recipe
    from asimbot_plugins.tokens import TokenNames

Embed = Callable[[Sequence[str]], "np.ndarray"]
CUES = ("words", "like the real reply", "fits its prompt")
_FEWEST = 10  # bursts of a side that the word classifier needs


class HeldOutJudge:
    """Scores replies to prompts whose real reply is known.

    A score is the sum of three cues, each in standard deviations of the SFT clone's replies:
    the log-odds of a word classifier friend/others, the similarity to the real reply minus the
    mean similarity to the other real ones, and how much better the reply fits its own prompt
    than the other prompts.
    """

    def __init__(
        self,
        prompts: Sequence[str],
        true_replies: Sequence[str],
        own: Sequence[str],
        others: Sequence[str],
        embed: Embed,
        tokens: TokenNames,
    ) -> None:
        """``own`` and ``others`` are bursts, messages one a line, that the cue "words" learns
        from. With fewer than ten of a side that cue is 0 for all."""
        self.prompts = list(prompts)
        self.tokens = tokens
        self._embed = embed
        self._true = embed(list(true_replies))
        self._words = _word_classifier(own, others)
        self._scale: tuple[np.ndarray, np.ndarray] | None = None

    def cues(self, replies: Sequence[str]) -> np.ndarray:
        """float64, shape (len(prompts), len(CUES)); reply i answers prompt i."""
        import numpy as np

        n = len(self.prompts)
        words = np.zeros(n)
        if self._words is not None:
            words = self._words.decision_function(list(replies))
        near = self._embed(list(replies)) @ self._true.T
        own = near.diagonal()
        to_true = own - (near.sum(axis=1) - own) / max(n - 1, 1)
        fitting = advantage(fits(self.prompts, replies, self._embed, self.tokens))
        return np.column_stack([words, to_true, fitting])

    def calibrate(self, rounds: Sequence[Sequence[str]]) -> None:
        """Takes the unit of each cue from rounds of the SFT clone's replies."""
        import numpy as np

        said = [[bool(reply.strip()) for reply in replies] for replies in rounds]
        cues = np.vstack([self.cues(r)[s] for r, s in zip(rounds, said, strict=True)])
        if not len(cues):
            cues = np.zeros((1, len(CUES)))
        self._scale = cues.mean(axis=0), cues.std(axis=0) + 1e-6

    def score(self, replies: Sequence[str]) -> np.ndarray:
        """float64, shape (len(prompts),); 0 is the SFT clone's mean. No reply loses to any."""
        if self._scale is None:
            raise ValueError("calibrate first")
        mean, deviation = self._scale
        total: np.ndarray = ((self.cues(replies) - mean) / deviation).sum(axis=1)
        total[[not reply.strip() for reply in replies]] = -1e3
        return total

    def style(self, replies: Sequence[str]) -> np.ndarray:
        """Probability that each reply is the friend's, by words; 0.5 without a classifier."""
        import numpy as np

        if self._words is None:
            return np.full(len(replies), 0.5)
        shares: np.ndarray = self._words.predict_proba(list(replies))[:, 1]
        return shares


def _word_classifier(own: Sequence[str], others: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if min(len(own), len(others)) < _FEWEST:
        return None
    words = TfidfVectorizer(
        token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), lowercase=False, sublinear_tf=True
    )
    model = make_pipeline(words, LogisticRegression(C=4.0, class_weight="balanced", max_iter=1000))
    return model.fit([*own, *others], [1] * len(own) + [0] * len(others))


class HeldOut:
    """Looks at a policy: draws its replies to held-out prompts, compares them with SFT's.

    Made once a run, with the adapter off or still at its start, so that the policy is the SFT
    clone: its replies are the opponents of every later look.
    """

    def __init__(
        self, judge: HeldOutJudge, clone: Clone, replies: int, seed: int, batch_size: int = 64
    ) -> None:
        self.judge = judge
        self.replies = replies
        self.seed = seed
        self.batch_size = batch_size
        with clone.as_base():
            self._reference = self._draw(clone, seed)
        judge.calibrate(self._reference)
        self._scores = [judge.score(texts) for texts in self._reference]
        self.reference = self._look(0, self._reference, 0.0)

    def look(self, clone: Clone, step: int) -> Look:
        """The policy now. The model is in evaluation mode meanwhile; random state is kept."""
        # The same random numbers as SFT's: an unchanged policy says the same and ties.
        drawn = self._draw(clone, self.seed)
        return self._look(step, drawn, log_ratio(clone, self.judge.prompts, drawn[0]))

    def _draw(self, clone: Clone, seed: int) -> list[list[str]]:
        """``self.replies`` rounds of one reply a prompt, as text with a message a line."""
        import torch

        with torch.random.fork_rng():
            made = clone.replies(
                self.judge.prompts, self.replies, seed=seed, batch_size=self.batch_size
            )
        return [[joined(of_prompt[k]) for of_prompt in made] for k in range(self.replies)]

    def _look(self, step: int, drawn: list[list[str]], kl: float) -> Look:
        import numpy as np

        scores = [self.judge.score(texts) for texts in drawn]
        wins = np.mean([_wins(a, b) for a in scores for b in self._scores], axis=0)
        flat = [text for texts in drawn for text in texts]
        cues = [self.judge.cues(texts)[:, 2] for texts in drawn]
        # A reply without words fits nothing, which is 0: no better than shuffled.
        said = [[bool(text.strip()) for text in texts] for texts in drawn]
        relevance = np.mean([np.where(s, c, 0.0) for s, c in zip(said, cues, strict=True)], axis=0)
        if step == 0:
            wins = np.full(len(wins), 0.5)
        low, high = bootstrap(wins)
        return Look(
            step=step,
            win=float(wins.mean()),
            low=low,
            high=high,
            style=float(self.judge.style(flat).mean()),
            relevance=float(relevance.mean()),
            relevance_error=float(relevance.std(ddof=1) / np.sqrt(len(relevance))),
            diversity=distinct_2(flat),
            length=float(np.mean([len(text) for text in flat])),
            kl=kl,
        )


def make_judge(recipe: Recipe, part: str, n: int) -> HeldOutJudge:
    """The held-out judge of a recipe over at most ``n`` prompts.

    ``part="watch"``: prompts of the training part that no stage trains on, for looking at a
    run and choosing its checkpoint. ``part="test"``: prompts of the held-out part of the chat,
    judged by a classifier that learnt from that part: for the final figures.
    """
    from asimbot_plugins.embedding import Embedder
    from asimbot_plugins.host import load_host
    from asimbot_plugins.judges.evidence import read_evidence
    from asimbot_plugins.rlhf.pairs import is_held_out

    training, heldout = read_evidence(recipe.sft, load_host())
    evidence = heldout if part == "test" else training
    exchanges = list({e.prompt: e for e in evidence.exchanges}.values())
    if part == "watch":
        share = recipe.section.rlhf.pairs_heldout
        exchanges = [e for e in exchanges if is_held_out(e.prompt, share)]
    chosen = spread(exchanges, n)
    embedder = Embedder(recipe.section.embedder, recipe.dataset_dir / "embeddings")
    return HeldOutJudge(
        [e.prompt for e in chosen],
        [e.reply for e in chosen],
        [e.reply for e in evidence.exchanges],
        [burst.text for burst in evidence.others],
        embedder.encode,
        recipe.section.tokens,
    )


def log_ratio(clone: Clone, prompts: Sequence[str], replies: Sequence[str]) -> float:
    """Mean log π(reply) − log π_SFT(reply) in nats; empty replies are left out."""
    from asimbot_plugins.tokens import format_reply

    total, count = 0.0, 0
    for prompt, reply in zip(prompts, replies, strict=True):
        if not reply.strip():
            continue
        text = format_reply(reply.split("\n"), clone.tokens)
        with_adapter, _ = clone.reply_loss(prompt, text)
        with clone.as_base():
            without, _ = clone.reply_loss(prompt, text)
        total += without - with_adapter
        count += 1
    return total / count if count else 0.0


def distinct_2(texts: Sequence[str]) -> float:
    """Different pairs of neighbouring words over all such pairs (Li et al., 2016); 1.0 of none."""
    pairs = [pair for text in texts for pair in _bigrams(text)]
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def bootstrap(values: Any, rounds: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` (one a prompt), by resampling them."""
    import numpy as np

    values = np.asarray(values, dtype=float)
    random = np.random.default_rng(seed)
    means = values[random.integers(len(values), size=(rounds, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def as_text(reply: str, tokens: TokenNames) -> str:
    """A reply as in a training row, as the judge reads it: messages one a line."""
    return joined(split_reply(reply, tokens))


def _wins(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    import numpy as np

    difference = a - b
    result: np.ndarray = np.where(np.abs(difference) < 1e-9, 0.5, difference > 0)
    return result


def _bigrams(text: str) -> list[tuple[str, str]]:
    words = text.casefold().split()
    return list(pairwise(words))
