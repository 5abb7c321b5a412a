"""The ranker's network in numpy: a small transformer over the messages before a reply.

Each of the W messages is a token made of its features, its place and its words; one more
token stands for the reply, of which only its writer is known. Attention is biased by distance,
by who is who (``features.RELATIONS``), by how alike two texts are and by the reply links that
the network predicts among the W messages themselves. Two scores come out a message: how
likely it is answered, and how likely it belongs to the same conversation.

``tools/train_ranker.py`` trains the same network in torch and checks that both agree.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from asimbot_plugins.context.features import BUCKETS, RELATIONS, ChatTable, Windows

FAR = -1e4
"""Stands for minus infinity in attention and scores."""
LEXICAL_BITS = 128
DISTANCE_EDGES = (1, 2, 3, 4, 6, 9, 14, 22)
N_DISTANCES = 19


@dataclass(frozen=True)
class TextVectors:
    """Texts of the messages ``first``, ``first + 1``, … as vectors, one row each.

    words: float32 (m, 64), learned. lexical: float32 (m, LEXICAL_BITS), length 1: texts that
    share rare words are alike. topic: float32 (m, 64), length 1, learned. meaning: float32
    (m, 384), length 1, or None without an embedder.
    """

    first: int
    words: np.ndarray
    lexical: np.ndarray
    topic: np.ndarray
    meaning: np.ndarray | None


class Network:
    """Weights and the forward pass. ``weights`` are float32 arrays by name."""

    def __init__(self, weights: dict[str, np.ndarray], about: dict[str, Any]) -> None:
        self.weights = weights
        self.about = about
        self.layers: int = about["layers"]
        self.heads: int = about["heads"]
        self.window: int = about["window"]
        self.distances = distance_buckets(self.window)
        place = np.arange(self.window)
        self.older = place[:, None] <= place
        # Row 0 is "not a known word".
        self.row_of = np.zeros(BUCKETS, np.int64)
        self.row_of[weights["known"].astype(np.int64)] = np.arange(1, len(weights["known"]) + 1)
        self._codes = word_codes()
        # Matrices this small gain nothing from threads, and on a busy machine threads that
        # wait for each other cost ten times as much.
        self._threads = ThreadpoolController()

    def text_vectors(
        self, table: ChatTable, first: int, end: int, meaning: np.ndarray | None
    ) -> TextVectors:
        """Vectors of the texts ``first`` … ``end - 1``; ``meaning`` are their embeddings."""
        start, stop = table.first_word[first], table.first_word[end]
        buckets = table.words[start:stop]
        lengths = np.diff(table.first_word[first : end + 1])
        rows = self.row_of[buckets]
        words = _sum_by(self.weights["words"][rows], lengths)
        words /= np.sqrt(np.maximum(lengths, 1))[:, None]
        topic = _of_length_one(_sum_by(self.weights["topics"][rows], lengths))
        # The last two are the message's beginning, not words.
        ends = np.cumsum(lengths)[lengths > 0]
        idf = self.weights["idf"][buckets]
        idf[ends - 1] = 0
        idf[ends - 2] = 0
        lexical = _of_length_one(_sum_by(signs(self._codes[buckets]) * idf[:, None], lengths))
        return TextVectors(first, words, lexical, topic, meaning)

    def scores(
        self, windows: Windows, texts: TextVectors, replies: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Two logits a candidate: (R, W + 1) that it is answered, the last for "none of them",
        and (R, W) that it belongs to the same conversation.

        ``replies`` (int64 (R,)) are message numbers whose text may be read: only for messages
        that are known, never for the reply that is to be written.
        """
        with self._threads.limit(limits=1):
            return self._scores(windows, texts, replies)

    def _scores(
        self, windows: Windows, texts: TextVectors, replies: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        w = self.weights
        width = windows.index.shape[1]
        pad = windows.index < 0
        at = np.maximum(windows.index - texts.first, 0)
        hidden = self._mlp(windows.features, "feat") + w["pos"]
        hidden += self._dense(texts.words, "text")[at]
        query = self._mlp(windows.friend, "fr")
        own = None if replies is None else replies - texts.first
        query += w["notext"] if own is None else self._dense(texts.words[own], "text2")
        if texts.meaning is None:
            hidden += w["noemb"]
            query += w["noemb"] if own is not None else 0
        else:
            hidden += self._dense(texts.meaning, "emb")[at]
            query += self._dense(texts.meaning[own], "emb2") if own is not None else 0
        x = np.concatenate([hidden, query[:, None]], 1)

        likeness = [
            _likeness(vectors, at, pad, own)
            for vectors in (texts.lexical, texts.topic, texts.meaning)
            if vectors is not None
        ]
        kind = self.distances * RELATIONS + windows.relation
        # (outputs, R, T, T): what attention reads in one piece is written in one piece.
        bias = np.empty((w["bias"].shape[1], *kind.shape), np.float32)
        for output, column in enumerate(w["bias"].T):
            np.take(column, kind, out=bias[output], mode="clip")
        flat = bias.reshape(len(bias), -1)
        flat += w["sim"][: len(likeness)].T @ np.stack(likeness).reshape(len(likeness), -1)
        if pad.any():
            bias[:-1, :, :, :width] += np.where(pad, np.float32(FAR), np.float32(0))[:, None, :]
        link_bias = np.where(~self.older | pad[:, None, :], FAR, bias[-1][:, :width, :width])
        links = None
        for layer in range(self.layers):
            extra = bias[layer * self.heads : (layer + 1) * self.heads].transpose(1, 0, 2, 3)
            if layer == 1:
                links = self._links(x[:, :width], link_bias)
            if links is not None:
                share = w["par"][layer][:, :, None, None]
                extra = extra + share[:, 0] * links[:, None]
                extra += share[:, 1] * links.transpose(0, 2, 1)[:, None]
            x = self._block(x, extra, layer)
        x = _norm(x, w["nf.weight"], w["nf.bias"])
        joint = _gelu(self._dense(x[:, :width], "pa") + self._dense(x[:, width:], "pb"))
        out = self._dense(joint, "out")
        for coefficient, like in zip(w["simo"], likeness, strict=False):
            out += like[:, width, :width, None] * coefficient
        answered = np.where(pad, FAR, out[..., 0])
        none = self._dense(x[:, width], "null")
        return np.concatenate([answered, none], 1), np.where(pad, FAR, out[..., 1])

    def _links(self, x: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Predicted replies among the messages: (R, W + 1, W + 1), the reply's row and column 0."""
        logits = self._dense(x, "lq") @ self._dense(x, "lk").transpose(0, 2, 1) / 8 + bias
        links = np.zeros((len(x), self.window + 1, self.window + 1), np.float32)
        links[:, : self.window, : self.window] = softmax(logits)
        return links

    def _block(self, x: np.ndarray, bias: np.ndarray, layer: int) -> np.ndarray:
        rows, length, size = x.shape
        part = size // self.heads
        name = f"blocks.{layer}"
        w = self.weights
        mixed = self._dense(_norm(x, w[f"{name}.n1.weight"], w[f"{name}.n1.bias"]), f"{name}.qkv")
        q, k, v = mixed.reshape(rows, length, 3, self.heads, part).transpose(2, 0, 3, 1, 4)
        attention = softmax(q @ k.transpose(0, 1, 3, 2) * part**-0.5 + bias)
        y = (attention @ v).transpose(0, 2, 1, 3).reshape(rows, length, size)
        x = x + self._dense(y, f"{name}.o")
        inner = self._dense(_norm(x, w[f"{name}.n2.weight"], w[f"{name}.n2.bias"]), f"{name}.a")
        return x + self._dense(_gelu(inner), f"{name}.b")

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        weight = self.weights[f"{name}.weight"]
        flat = x.reshape(-1, x.shape[-1]) @ weight.T
        flat += self.weights[f"{name}.bias"]
        return flat.reshape(*x.shape[:-1], len(weight))

    def _mlp(self, x: np.ndarray, name: str) -> np.ndarray:
        return self._dense(_gelu(self._dense(x, f"{name}.0")), f"{name}.2")


def load_network(path: Path) -> Network:
    """Reads a model file: an npz of plain arrays (nothing in it can run code)."""
    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(bytes(stored["about"]).decode("utf-8"))
        weights = {
            name: stored[name].astype(np.float32) for name in stored.files if name != "about"
        }
    # One byte a number and one scale a row keep the tables of words small.
    for name in ("words", "topics"):
        weights[name] *= weights.pop(f"{name}.scale")[:, None]
    return Network(weights, about)


def word_codes() -> np.ndarray:
    """A fixed code for each bucket: uint8 (BUCKETS, LEXICAL_BITS // 8), by splitmix64.

    Sums of the codes' ``signs`` keep about the overlap of words, whatever the words are.
    """
    z = np.arange(1, 2 * BUCKETS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z.astype("<u8").view(np.uint8).reshape(BUCKETS, LEXICAL_BITS // 8)


def signs(codes: np.ndarray) -> np.ndarray:
    """Bits as ±1: float32 (n, LEXICAL_BITS)."""
    return np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1


def distance_buckets(window: int) -> np.ndarray:
    """Bucket of how far apart two tokens are and which is newer: int64 (W + 1, W + 1)."""
    place = np.arange(window)
    apart = place[:, None] - place
    bucket = np.searchsorted(DISTANCE_EDGES, np.abs(apart), side="right")
    table = np.zeros((window + 1, window + 1), np.int64)
    table[:window, :window] = np.where(apart < 0, bucket + len(DISTANCE_EDGES), bucket)
    table[window, :window] = N_DISTANCES - 2
    table[:window, window] = N_DISTANCES - 1
    return table


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    e: np.ndarray = x - x.max(-1, keepdims=True)
    np.exp(e, out=e)
    e /= e.sum(-1, keepdims=True)
    return e


def _likeness(
    vectors: np.ndarray, at: np.ndarray, pad: np.ndarray, own: np.ndarray | None
) -> np.ndarray:
    """Cosines of all pairs: (R, W + 1, W + 1); 0 for the reply unless its text is known."""
    rows, width = at.shape
    chosen = np.zeros((rows, width + 1, vectors.shape[1]), np.float32)
    chosen[:, :width] = vectors[at] * ~pad[:, :, None]
    if own is not None:
        chosen[:, width] = vectors[own]
    return chosen @ chosen.transpose(0, 2, 1)


def _sum_by(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sums of consecutive rows, ``lengths[i]`` of them each: float32 (len(lengths), d)."""
    sums = np.zeros((len(lengths), rows.shape[1]), np.float32)
    some = lengths > 0
    if some.any():
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        sums[some] = np.add.reduceat(rows, starts[some], axis=0)
    return sums


def _of_length_one(x: np.ndarray) -> np.ndarray:
    """Rows divided by their lengths, in place (empty texts stay 0)."""
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    return x


def _norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt(np.einsum("...i,...i->...", x, x)[..., None] / x.shape[-1] + 1e-5)
    x *= weight
    x += bias
    return x


def _gelu(x: np.ndarray) -> np.ndarray:
    # 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), in place: memory is what costs here.
    y = x * x
    y *= 0.044715 * 0.7978845608028654
    y += 0.7978845608028654
    y *= x
    np.tanh(y, out=y)
    y += 1
    y *= x
    y *= 0.5
    return y
