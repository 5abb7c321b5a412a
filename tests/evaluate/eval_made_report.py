"""A whole report from invented replies: real figures, no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from asimbot_plugins.evaluate import audit
from asimbot_plugins.evaluate.habits import Habits
from asimbot_plugins.evaluate.measure import Replies, Yardstick, grams_to_compare, measure
from asimbot_plugins.evaluate.options import Gates
from asimbot_plugins.evaluate.run import summary
from asimbot_plugins.evaluate.style import StyleClassifier
from asimbot_plugins.tokens import TokenNames

TOKENS = TokenNames()
WORDS = "gerald tent rain bus lake soup drum gull petrol train castle sunday bread card".split()


def embed(texts: Sequence[str]) -> np.ndarray:
    """One axis a word."""
    vectors = np.array([[float(w in t.lower().split()) for w in WORDS] + [0.1] for t in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def said(n: int, style: str, seed: int, topics: Sequence[str]) -> list[tuple[str, ...]]:
    """Bursts about the topics; ``friend`` writes small with an emoji, ``other`` sentences."""
    r = np.random.default_rng(seed)
    bursts: list[tuple[str, ...]] = []
    for i in range(n):
        words = [topics[i % len(topics)], *r.choice(WORDS, 3)]
        if style == "friend":
            bursts.append((" ".join(words[:2]) + " 💀", " ".join(words[2:])))
        else:
            bursts.append((" ".join(words).capitalize() + "; indeed.",))
    return bursts


def systems() -> dict[str, Replies]:
    """Forty prompts, one a topic; the clone writes like the friend, but off the topic."""
    topics = [WORDS[i % len(WORDS)] for i in range(40)]
    prompts = [f"<USR_A> the {topic} {i} <SYS>" for i, topic in enumerate(topics)]
    off = topics[1:] + topics[:1]
    half = [t if i % 2 else o for i, (t, o) in enumerate(zip(topics, off, strict=True))]
    losses = [float(10 + i % 3) for i in range(40)]
    real = Replies("real", "the friend's real replies", prompts, said(40, "friend", 1, topics))
    return {
        "real": real,
        "another": Replies(
            "another", "another member's real replies", prompts[:30],
            said(30, "other", 2, topics), same_prompts=False,
        ),
        "base": Replies("base", "the base", prompts, said(40, "other", 3, off), losses=losses),
        "clone": Replies(
            "clone", "the clone", prompts, said(40, "friend", 4, half),
            losses=[loss / 2 for loss in losses],
        ),
    }  # fmt: skip


def made_report() -> dict[str, Any]:
    """As ``evaluate`` makes it, with a failed audit."""
    friend = ["\n".join(b) for b in said(80, "friend", 8, WORDS)]
    others = ["\n".join(b) for b in said(120, "other", 9, WORDS)]
    replies = systems()
    classifier = StyleClassifier().fit(friend, others, 0)
    habits = Habits(friend, others)
    yardstick = Yardstick(replies["real"], friend, classifier, habits, embed, TOKENS, 100, 0)
    grams = grams_to_compare(list(replies.values()), TOKENS)
    measured = {name: measure(r, yardstick, grams) for name, r in replies.items()}
    real = replies["real"].texts(TOKENS)
    checks = audit.copy_checks(friend, real, audit.Copies(friend), Gates(copied_words=0))
    return {
        "format": 1,
        "date": "2026-11-22",
        "seed": 0,
        "base_model": "pocket/gemma-3-270m",
        "recipe_sha256": "0" * 64,
        "sampling": {"temperature": 0.7, "top_p": 0.9},
        "counts": {"training replies": 80, "held-out replies": 40, "prompts evaluated": 40},
        "classifier": {"auc": classifier.auc, "texts": 200},
        "candidates": 10,
        "ngrams_compared": grams,
        "systems": {name: m.figures for name, m in measured.items()},
        "habit_labels": {h: habits.labels(h) for h in habits.names()},
        "summary": summary(measured, 100, 0),
        "audit": {
            "passed": False,
            "checks": [{**c.to_dict(), "passed": False} for c in checks],
            "control_fails": True,
            "control": [c.to_dict() for c in checks],
        },
        "training": {
            "train": [(i, 5 - i / 10) for i in range(1, 30)],
            "heldout": [(0, 5), (29, 3)],
        },
        "seconds": {},
    }


def made_samples() -> list[dict[str, Any]]:
    replies = systems()
    samples = [
        {
            "prompt": prompt,
            "few_shot": [],
            **{name: list(replies[name].bursts[i]) for name in ("real", "base", "clone")},
        }
        for i, prompt in enumerate(replies["real"].prompts)
    ]
    samples[0]["clone"] = ["<script>alert(1)</script>"]
    return samples
