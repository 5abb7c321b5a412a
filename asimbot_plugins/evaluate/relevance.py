"""Does a reply fit its context? Similarity of embeddings, and next-utterance selection.

Both compare a reply with the same system's replies to other prompts, so neither style nor
length decides, and a reply that fits everywhere ("lol") wins nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from asimbot_plugins.evaluate.transcript import answered_text, whole_text

if TYPE_CHECKING:
    import numpy as np

    from asimbot_plugins.tokens import TokenNames

CANDIDATES = 10
"""Replies to choose from: the right one and nine others (Lowe et al., 2015: 1 in 10 R@1)."""

Embed = Callable[[Sequence[str]], "np.ndarray"]
"""Texts to rows of length 1: ``asimbot_plugins.embedding.Embedder(...).encode``."""


def fits(
    prompts: Sequence[str], replies: Sequence[str], embed: Embed, tokens: TokenNames
) -> np.ndarray:
    """How well reply j fits prompt i, for all pairs: float, shape (prompts, replies).

    Mean of two cosines: with what the reply answers and with the whole context. A reply is
    the text of a burst, its messages joined by newlines; empty replies get −1.
    """

    answered = embed([answered_text(prompt, tokens) for prompt in prompts])
    whole = embed([whole_text(prompt, tokens) for prompt in prompts])
    similarity: np.ndarray = (answered + whole) @ embed(list(replies)).T / 2
    similarity[:, [not reply.strip() for reply in replies]] = -1.0
    return similarity


def advantage(fit: np.ndarray) -> np.ndarray:
    """How much better each reply fits its own prompt than the other replies do, on average.

    ``fit`` is square with the true pairs on the diagonal; shape (n,). 0 is no better than
    shuffled.
    """
    n = len(fit)
    own = fit.diagonal()
    if n < 2:
        return own * 0.0
    others = (fit.sum(axis=1) - own) / (n - 1)
    result: np.ndarray = own - others
    return result


def selection(fit: np.ndarray, candidates: int = CANDIDATES) -> np.ndarray:
    """Probability that the own reply is chosen among ``candidates``, for each prompt.

    The others are drawn from the replies to the other prompts; instead of drawing, the
    expectation over all draws is computed exactly. Equal fits share the choice, so a system
    that always says the same gets 1 / candidates. Shape (n,); fewer prompts than candidates
    make the choice smaller.
    """
    import numpy as np

    n = len(fit)
    drawn = min(candidates, n) - 1
    result = np.ones(n)
    for i in range(n if drawn > 0 else 0):
        others = np.delete(fit[i], i)
        below = int((others < fit[i, i] - 1e-9).sum())
        ties = int((np.abs(others - fit[i, i]) <= 1e-9).sum())
        ways = sum(
            math.comb(ties, j) * math.comb(below, drawn - j) / (j + 1) for j in range(drawn + 1)
        )
        result[i] = ways / math.comb(n - 1, drawn)
    return result


def echo(prompts: Sequence[str], replies: Sequence[str], tokens: TokenNames) -> np.ndarray:
    """Share of each reply's words that stand in its prompt; shape (n,), 0 for an empty reply.

    Repeating what was said fits any context by the measures above: read them beside this.
    """
    import numpy as np

    from asimbot_plugins.evaluate.diversity import words_of

    shares = []
    for prompt, reply in zip(prompts, replies, strict=True):
        said = {word for word in words_of(whole_text(prompt, tokens)) if word[-1:].isalnum()}
        words = [word for word in words_of(reply) if word[-1:].isalnum()]
        shares.append(sum(word in said for word in words) / max(len(words), 1))
    return np.array(shares)
