"""Whose words are these? Stylometric features and a classifier friend/others.

A text is one burst: its messages joined by newlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import regex

if TYPE_CHECKING:
    import numpy as np

EMOJI = regex.compile(
    r"\p{Regional_Indicator}{2}|"
    r"\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]*"
    r"(?:\u200d\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]*)*"
)
"""One emoji as a reader sees it: skin tones, joined people and flags count once."""

FEATURES = (
    "log words",
    "messages",
    "words a message",
    "letters a word",
    "capital letters",
    "messages that start small",
    "words in capitals",
    "messages that end in a full stop",
    "messages that end in ! or ?",
    "messages without an end mark",
    "commas and semicolons a word",
    "doubled marks (?? !! ...)",
    "emoji a message",
    "digits",
    "stretched letters (sooo)",
    "apostrophes a word",
    "letters beyond ASCII",
)
"""Names of the columns of ``stylometry``."""

_MOST = 20_000
"""Texts of a class that a classifier learns from; more don't change it, they cost time."""
_FOLDS = 5


def stylometry(texts: Sequence[str]) -> np.ndarray:
    """How texts are written, whatever they are about: float64, shape (n, len(FEATURES)).

    Shares lie between 0 and 1; an empty text gives zeros.
    """
    import numpy as np

    return np.array([_measures(text) for text in texts], dtype=float).reshape(-1, len(FEATURES))


def _measures(text: str) -> list[float]:
    import math

    messages = [line for line in text.split("\n") if line.strip()]
    words = text.split()
    letters = [c for c in text if c.isalpha()]
    n_messages, n_words = max(len(messages), 1), max(len(words), 1)
    n_letters, n_chars = max(len(letters), 1), max(len(text), 1)
    firsts = [next((c for c in m if c.isalpha()), "") for m in messages]
    # The end mark may stand before a closing emoji.
    ends = [EMOJI.sub("", m).rstrip()[-1:] for m in messages]
    capitals = [w for w in words if len(w) > 1 and w.isupper()]
    return [
        math.log1p(len(words)),
        float(len(messages)),
        len(words) / n_messages,
        len(letters) / n_words,
        sum(c.isupper() for c in letters) / n_letters,
        sum(c.islower() for c in firsts) / n_messages,
        len(capitals) / n_words,
        sum(e in {".", "。"} for e in ends) / n_messages,
        sum(e in {"!", "?", "！", "？"} for e in ends) / n_messages,
        sum(e.isalnum() or e == "" for e in ends) / n_messages if messages else 0.0,
        sum(c in ",;，；" for c in text) / n_words,
        len(regex.findall(r"([!?.…])\1+|…", text)) / n_messages,
        len(EMOJI.findall(text)) / n_messages,
        sum(c.isdigit() for c in text) / n_chars,
        len(regex.findall(r"(\p{L})\1{2,}", text)) / n_words,
        sum(c in "'’" for c in text) / n_words,
        sum(ord(c) > 127 for c in letters) / n_letters,
    ]


def new_pipeline() -> Any:
    """An unfitted scikit-learn pipeline from texts to a decision, n-grams and stylometry.

    Character n-grams are the strongest single cue to who wrote a short text (Stamatatos, "A
    survey of modern authorship attribution methods", 2009). Classes count alike, however many
    texts each has.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    grams = TfidfVectorizer(
        analyzer="char",
        ngram_range=(1, 4),
        min_df=2,
        max_features=50_000,
        sublinear_tf=True,
        lowercase=False,
        preprocessor=_with_edges,
    )
    habits = make_pipeline(FunctionTransformer(stylometry), StandardScaler(), _clipper())
    return make_pipeline(
        make_union(grams, habits),
        LogisticRegression(C=2.0, class_weight="balanced", max_iter=2000),
    )


def _clipper() -> Any:
    from sklearn.preprocessing import FunctionTransformer

    # A wild outlier (a pasted article) must not decide alone; n-grams have length 1 as well.
    return FunctionTransformer(_clip)


def _clip(x: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.clip(x, -3, 3) / 4


def _with_edges(text: str) -> str:
    return f"\n{text}\n"


class StyleClassifier:
    """Tells the friend's bursts from other people's.

    After ``fit``: ``auc`` is the area under the ROC curve on texts the classifier had not
    seen: five folds, each a contiguous stretch of the texts as given (so give them in the
    order of time: neighbours share topics).
    """

    auc: float

    def fit(
        self, friend_texts: Sequence[str], other_texts: Sequence[str], seed: int = 0
    ) -> StyleClassifier:
        """Learns from the two lists; ``seed`` chooses among texts where there are too many.

        Raises UserError where one side has fewer than ten texts.
        """
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold

        from asimbot_plugins.errors import UserError

        random = np.random.default_rng(seed)
        texts: list[str] = []
        labels: list[int] = []
        for label, side in ((1, friend_texts), (0, other_texts)):
            kept = [text for text in side if text.strip()]
            if len(kept) < 2 * _FOLDS:
                whose = "the friend" if label else "other people"
                raise UserError(
                    f"{len(kept)} message(s) by {whose} are too few to learn a style from",
                    f"it takes {2 * _FOLDS}; give a longer chat",
                )
            if len(kept) > _MOST:
                chosen = np.sort(random.choice(len(kept), _MOST, replace=False))
                kept = [kept[i] for i in chosen]
            texts += kept
            labels += [label] * len(kept)
        y, unseen = np.array(labels), np.zeros(len(texts))
        for fit, test in StratifiedKFold(_FOLDS).split(texts, y):
            model = new_pipeline().fit([texts[i] for i in fit], y[fit])
            unseen[test] = model.decision_function([texts[i] for i in test])
        self.auc = float(roc_auc_score(y, unseen))
        # Platt (1999): probabilities from decisions about texts not seen, so that they hold
        # for new texts too.
        self._calibration = LogisticRegression(class_weight="balanced").fit(unseen[:, None], y)
        self._model = new_pipeline().fit(texts, y)
        return self

    def probability(self, texts: Sequence[str]) -> np.ndarray:
        """Probability that each text is the friend's, both sides equally likely before reading.

        float64, shape (n,). An empty text gets 0.
        """
        import numpy as np

        if not len(texts):
            return np.zeros(0)
        decisions = self._model.decision_function(list(texts))
        probabilities: np.ndarray = self._calibration.predict_proba(decisions[:, None])[:, 1]
        probabilities[[not text.strip() for text in texts]] = 0.0
        return probabilities
