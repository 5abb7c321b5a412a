"""A big invented chat: words by Zipf's law, talks, bursts, numbers, repeated phrases."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

PHRASES = ("ok", "lol", "yes", "no", "haha", "on my way", "what time", "😂", "same", "omg no")


def vocabulary(size: int, numbers: random.Random) -> list[str]:
    """Pronounceable words, all different."""
    parts = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
    words: dict[str, None] = {}
    while len(words) < size:
        words["".join(numbers.choices(parts, k=numbers.randint(1, 4)))] = None
    return list(words)


def write_chat(path: Path, messages: int, members: int = 4, seed: int = 7) -> Path:
    """An Android export of ``messages`` messages over as many talks as it takes.

    Member 1 is ``Asim`` and writes a third of them; messages are 7 words long on average, one in
    twelve holds a number, one in two hundred personal data.
    """
    numbers = random.Random(seed)
    words = vocabulary(30_000, numbers)
    weights = [1 / (rank + 2.7) for rank in range(len(words))]
    # One long draw is far quicker than many short ones.
    drawn = iter(numbers.choices(words, weights, k=messages * 9))
    names = ["Asim", *(f"Friend{n}" for n in range(1, members))]
    at = datetime(2015, 1, 1, 8)
    with path.open("w", encoding="utf-8") as file:
        left = 0
        who = names[0]
        for i in range(messages):
            if left == 0:
                left = max(2, round(numbers.lognormvariate(2.7, 0.8)))
                at += timedelta(minutes=numbers.lognormvariate(5.5, 0.6))
            left -= 1
            if numbers.random() > 0.35:
                who = names[0] if numbers.random() < 1 / 3 else numbers.choice(names[1:])
            at += timedelta(seconds=numbers.lognormvariate(3.3, 1.0))
            file.write(f"{at:%d/%m/%Y, %H:%M} - {who}: {_text(numbers, drawn, i)}\n")
    return path


def _text(numbers: random.Random, drawn, i: int) -> str:
    if numbers.random() < 0.12:
        return numbers.choice(PHRASES)
    some = [next(drawn) for _ in range(min(8, max(1, round(numbers.lognormvariate(1.8, 0.6)))))]
    if numbers.random() < 1 / 12:
        some.insert(1, numbers.choice((f"{i % 12 + 1}:30", str(i % 97), f"£{i % 50}", "2019")))
    if numbers.random() < 1 / 200:
        some.append(numbers.choice((f"07700 900{i % 1000:03}", f"p{i}@example.com")))
    if numbers.random() < 0.03:
        some.insert(0, "Friend1")
    return " ".join(some) + numbers.choice(("", "", "", " 😂", "!", "?"))
