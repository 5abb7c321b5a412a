"""Training examples of the ranker from chats with gold reply links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from asimbot_plugins.context.features import BUCKETS, ChatTable, WindowReader, make_table
from asimbot_plugins.context.network import LEXICAL_BITS, signs, word_codes
from benchmarks.context import Chat, Links

UNKNOWN = -1


@dataclass
class Examples:
    """Replies of many chats; arrays of R replies, W candidates each (newest first).

    at: int64 (R, W), rows of the candidates' texts, −1 for none; own: int64 (R,), the reply's.
    gold, same: bool and int8 (R, W), is answered and is of the same conversation (−1 unknown).
    link: int16 (R, W), place of the message that a candidate answers (its own if none, −1 if
    unknown). start: bool (R,), answers nothing. judged: bool (R,), has gold. query: bool (R,),
    counts for recall. named: bool (R, W), the reply names the candidate's sender. chat: int64 (R,).
    """

    at: np.ndarray
    own: np.ndarray
    features: np.ndarray
    friend: np.ndarray
    relation: np.ndarray
    gold: np.ndarray
    same: np.ndarray
    link: np.ndarray
    start: np.ndarray
    judged: np.ndarray
    query: np.ndarray
    named: np.ndarray
    chat: np.ndarray
    texts: list[str]
    words: np.ndarray
    first_word: np.ndarray

    def __len__(self) -> int:
        return len(self.own)


def make_examples(chats: list[Chat], gold: dict[str, Links], everything: bool) -> Examples:
    """Examples of all annotated messages, or of ``everything`` (the rest without gold)."""
    parts: dict[str, list[Any]] = {}
    texts: list[str] = []
    for number, chat in enumerate(chats):
        table = make_table(chat.messages)
        found = _examples_of(chat, gold[chat.file], table, everything)
        if found is None:
            continue
        found["at"] = np.where(found["at"] >= 0, found["at"] + len(texts), UNKNOWN)
        found["own"] = found["own"] + len(texts)
        found["chat"] = np.full(len(found["own"]), number)
        found["words"], found["lengths"] = table.words, np.diff(table.first_word)
        texts += [message.text for message in chat.messages]
        for name, value in found.items():
            parts.setdefault(name, []).append(value)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    first_word = np.concatenate([[0], np.cumsum(joined.pop("lengths"))])
    return Examples(**joined, texts=texts, first_word=first_word)


def _examples_of(
    chat: Chat, links: Links, table: ChatTable, everything: bool
) -> dict[str, np.ndarray] | None:
    judged = np.array(chat.annotated)
    replies = np.flatnonzero(judged | everything)
    replies = replies[replies > 0]
    if not len(replies):
        return None
    windows = WindowReader(table).read(replies, table.sender[replies])
    at, width = windows.index, windows.index.shape[1]
    place = {idx: i for i, idx in enumerate(chat.idx)}
    gold = np.zeros(at.shape, bool)
    answers = np.full(len(table), UNKNOWN)
    for i, idx in enumerate(chat.idx):
        if parents := [place[p] for p in links.parents.get(idx, []) if p in place]:
            answers[i] = max(parents)
        elif idx in links.starts:
            answers[i] = i
    for row, i in enumerate(replies):
        for parent in links.parents.get(chat.idx[i], []):
            if parent in place and i - 1 - place[parent] < width:
                gold[row, i - 1 - place[parent]] = True
    conversation = np.array([links.conversation.get(idx, UNKNOWN) for idx in chat.idx])
    there, of = at >= 0, np.maximum(at, 0)
    same = conversation[of] == conversation[replies][:, None]
    link = np.where(answers[of] >= 0, replies[:, None] - 1 - answers[of], UNKNOWN)
    sender = np.where(there, table.sender[of], -2)
    return {
        "at": at,
        "own": replies,
        "features": windows.features.astype(np.float16),
        "friend": windows.friend,
        "relation": windows.relation,
        "gold": gold,
        "same": np.where(there & (conversation[of] >= 0), same, UNKNOWN).astype(np.int8),
        "link": np.where(there & (link < width), link, UNKNOWN).astype(np.int16),
        "start": np.array([chat.idx[i] in links.starts for i in replies]),
        "judged": judged[replies],
        "query": np.array([bool(links.parents.get(chat.idx[i])) for i in replies]),
        "named": table.mention[replies][:, None] == sender,
    }


def word_weights(examples: Examples) -> np.ndarray:
    """How rare each bucket is, 0..1: float32 (BUCKETS,)."""
    messages = len(examples.first_word) - 1
    words = examples.words[_inner(examples.first_word)]
    rarity = np.log(messages / (np.bincount(words, minlength=BUCKETS) + 1.0))
    return (np.maximum(rarity, 0) / np.log(messages)).astype(np.float32)


def lexical_vectors(examples: Examples, idf: np.ndarray) -> np.ndarray:
    """``TextVectors.lexical`` of every text: float16 (n, LEXICAL_BITS)."""
    codes = word_codes()
    weights = np.where(_inner(examples.first_word), idf[examples.words], 0)
    found = np.zeros((len(examples.first_word) - 1, LEXICAL_BITS), np.float32)
    message = np.repeat(np.arange(len(found)), np.diff(examples.first_word))
    for start in range(0, len(weights), 1 << 18):
        part = slice(start, start + (1 << 18))
        np.add.at(found, message[part], signs(codes[examples.words[part]]) * weights[part, None])
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
    return found.astype(np.float16)


def _inner(first_word: np.ndarray) -> np.ndarray:
    """Which buckets are words: all but the last two of a message (its beginning)."""
    inner = np.ones(first_word[-1], bool)
    ends = first_word[1:][np.diff(first_word) > 0]
    inner[ends - 1] = False
    inner[ends - 2] = False
    return inner


@dataclass
class Source:
    """Examples with all that a batch needs."""

    examples: Examples
    row_of: np.ndarray
    lexical: np.ndarray
    meaning: np.ndarray

    def batch(self, rows: np.ndarray, teacher: bool) -> dict[str, torch.Tensor]:
        """Tensors for ``RankerNet.forward``; each text of the batch appears once.

        A ``teacher`` also sees whom the reply names.
        """
        e = self.examples
        at, own = e.at[rows], e.own[rows]
        texts, place = np.unique(np.concatenate([at.ravel(), own]), return_inverse=True)
        of = np.maximum(texts, 0)
        lengths = np.where(texts < 0, 0, e.first_word[of + 1] - e.first_word[of])
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        where = np.repeat(e.first_word[of] - offsets, lengths) + np.arange(lengths.sum())
        relation = e.relation[rows]
        if teacher:
            relation = relation.copy()
            relation[:, :-1, -1][e.named[rows]] = 3
            relation[:, -1, :-1][e.named[rows]] = 2
        shown = (texts >= 0)[:, None]
        arrays = {
            "at": place[: at.size].reshape(at.shape),
            "own": place[at.size :],
            "words": self.row_of[e.words[where]],
            "offsets": offsets,
            "features": e.features[rows].astype(np.float32),
            "friend": e.friend[rows],
            "relation": relation,
            "pad": at < 0,
            "lexical": self.lexical[of].astype(np.float32) * shown,
            "meaning": self.meaning[of].astype(np.float32) * shown,
        }
        return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
