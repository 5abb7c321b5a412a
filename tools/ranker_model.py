"""The ranker's network in torch, for training; ``asimbot_plugins.context.network`` runs it.

Names of parameters are the names in the model file. Shapes: B windows, W messages each
(newest first), T = W + 1 tokens, the last one standing for the reply.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asimbot_plugins.context.features import (
    N_FEATURES,
    N_FRIEND_FEATURES,
    RELATIONS,
    WINDOW,
)
from asimbot_plugins.context.network import FAR, N_DISTANCES, distance_buckets

WORD_SIZE = 64
MEANING_SIZE = 384


class Block(nn.Module):
    """Pre-norm attention with an additive bias, then a feed-forward layer."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.n1, self.n2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.qkv, self.o = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.a, self.b = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        rows, length, size = x.shape
        part = size // self.heads
        mixed = self.qkv(self.n1(x)).view(rows, length, 3, self.heads, part)
        q, k, v = mixed.permute(2, 0, 3, 1, 4)
        y = (q @ k.transpose(-1, -2) * part**-0.5 + bias).softmax(-1) @ v
        x = x + self._drop(self.o(y.transpose(1, 2).reshape(rows, length, size)))
        return x + self.b(self._drop(F.gelu(self.a(self.n2(x)), approximate="tanh")))

    def _drop(self, x: Tensor) -> Tensor:
        """Dropout with one mask a window: a tenth of the cost of one a token."""
        if not self.training:
            return x
        kept = torch.rand(len(x), 1, x.shape[2]) >= self.dropout
        return x * kept / (1 - self.dropout)


class RankerNet(nn.Module):
    """See ``asimbot_plugins.context.network.Network``."""

    db: Tensor
    older: Tensor

    def __init__(
        self,
        n_words: int,
        size: int = 96,
        layers: int = 3,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.layers, self.heads, self.dropout = layers, heads, dropout
        self.words = nn.EmbeddingBag(n_words + 1, WORD_SIZE, mode="sum", padding_idx=0)
        self.topics = nn.EmbeddingBag(n_words + 1, WORD_SIZE, mode="sum", padding_idx=0)
        nn.init.normal_(self.words.weight, 0, 0.1)
        with torch.no_grad():
            self.words.weight[0] = 0
        self.text, self.text2 = nn.Linear(WORD_SIZE, size), nn.Linear(WORD_SIZE, size)
        self.feat = _mlp(N_FEATURES, 2 * size, size)
        self.fr = _mlp(N_FRIEND_FEATURES, size, size)
        self.pos = nn.Parameter(torch.randn(WINDOW, size) * 0.05)
        self.notext = nn.Parameter(torch.zeros(size))
        self.emb, self.emb2 = nn.Linear(MEANING_SIZE, size), nn.Linear(MEANING_SIZE, size)
        self.noemb = nn.Parameter(torch.zeros(size))
        self.blocks = nn.ModuleList([Block(size, heads, dropout) for _ in range(layers)])
        self.nf = nn.LayerNorm(size)
        outputs = heads * layers + 1  # the last column is for the predicted links
        self.bias = nn.Parameter(torch.randn(N_DISTANCES * RELATIONS, outputs) * 0.02)
        self.sim = nn.Parameter(torch.zeros(3, outputs))
        self.simo = nn.Parameter(torch.zeros(3, 2))
        self.pa, self.pb = nn.Linear(size, size), nn.Linear(size, size)
        self.out, self.null = nn.Linear(size, 2), nn.Linear(size, 1)
        self.lq, self.lk = nn.Linear(size, WORD_SIZE), nn.Linear(size, WORD_SIZE)
        self.par = nn.Parameter(torch.zeros(layers, heads, 2))
        place = torch.arange(WINDOW)
        self.register_buffer("db", torch.tensor(distance_buckets(WINDOW)))
        self.register_buffer("older", place[:, None] <= place)

    def forward(self, batch: dict[str, Tensor], known: Tensor, with_meaning: Tensor) -> Any:
        """Logits (B, W + 1) of being answered, (B, W) of the same conversation, and the
        log-probabilities (B, W, W) of links among the messages.

        ``known`` (B,): the reply's text may be read. ``with_meaning`` (B,): so may embeddings.
        """
        at, own, pad = batch["at"], batch["own"], batch["pad"]
        words = self.words(batch["words"], batch["offsets"])
        lengths = torch.diff(batch["offsets"], append=torch.tensor([len(batch["words"])]))
        words = F.dropout(words / lengths.clamp(min=1).sqrt()[:, None], self.dropout, self.training)
        meaning = batch["meaning"]
        x = self.feat(batch["features"]) + self.pos + self.text(words)[at]
        x = x + torch.where(with_meaning[:, None, None], self.emb(meaning)[at], self.noemb)
        text = self.text2(words)[own]
        text = text + torch.where(with_meaning[:, None], self.emb2(meaning)[own], self.noemb)
        query = self.fr(batch["friend"]) + torch.where(known[:, None], text, self.notext)
        x = torch.cat([x, query[:, None]], 1)

        rows, length, _ = x.shape
        both = torch.cat([at, own[:, None]], 1)
        shown = torch.cat([~pad, known[:, None]], 1).float()
        topic = F.normalize(self.topics(batch["words"], batch["offsets"]), dim=-1, eps=1e-6)
        likeness = torch.stack(
            [
                _likeness(batch["lexical"][both], shown),
                _likeness(topic[both], shown),
                _likeness(meaning[both], shown * with_meaning[:, None]),
            ],
            1,
        )
        kind = (self.db * RELATIONS + batch["relation"]).long().view(-1)
        bias = F.embedding(kind, self.bias).view(rows, length, length, -1).permute(0, 3, 1, 2)
        bias = bias + torch.einsum("bcij,co->boij", likeness, self.sim)
        padded = torch.cat([pad, torch.zeros(rows, 1, dtype=torch.bool)], 1)
        by_layer = bias[:, :-1].masked_fill(padded[:, None, None, :], FAR)
        by_layer = by_layer.view(rows, self.layers, self.heads, length, length)
        hidden = ~self.older | pad[:, None, :]
        link_bias = bias[:, -1, :WINDOW, :WINDOW].masked_fill(hidden, FAR)
        links = answers = answered_by = None
        for layer, block in enumerate(self.blocks):
            extra = by_layer[:, layer]
            if layer == 1:
                y = x[:, :WINDOW]
                links = (self.lq(y) @ self.lk(y).transpose(1, 2) / 8 + link_bias).log_softmax(-1)
                answers = F.pad(links.exp(), (0, 1, 0, 1))[:, None]
                answered_by = answers.transpose(2, 3)
            if answers is not None and answered_by is not None:
                share = self.par[layer][:, :, None, None]
                extra = extra + share[:, 0] * answers + share[:, 1] * answered_by
            x = block(x, extra)
        x = self.nf(x)
        joint = F.gelu(self.pa(x[:, :WINDOW]) + self.pb(x[:, WINDOW:]), approximate="tanh")
        out = self.out(joint)
        out = out + torch.einsum("bci,co->bio", likeness[:, :, WINDOW, :WINDOW], self.simo)
        answered = out[..., 0].masked_fill(pad, FAR)
        return torch.cat([answered, self.null(x[:, WINDOW])], 1), out[..., 1], links

    def export(self, known: np.ndarray, idf: np.ndarray) -> dict[str, np.ndarray]:
        """Arrays of the model file: words as bytes with a scale a row, the rest as float16."""
        arrays: dict[str, np.ndarray] = {}
        for name, value in self.state_dict().items():
            if name not in ("db", "older", "words.weight", "topics.weight"):
                arrays[name] = value.numpy().astype(np.float16)
        for name, table in (("words", self.words), ("topics", self.topics)):
            rows = table.weight.detach().numpy()
            scale = np.maximum(np.abs(rows).max(1), 1e-8) / 127
            arrays[name] = np.round(rows / scale[:, None]).astype(np.int8)
            arrays[f"{name}.scale"] = scale.astype(np.float32)
        arrays["known"] = known.astype(np.uint16)
        arrays["idf"] = idf.astype(np.float16)
        return arrays


def _mlp(inputs: int, inner: int, outputs: int) -> nn.Sequential:
    gelu = nn.GELU(approximate="tanh")
    return nn.Sequential(nn.Linear(inputs, inner), gelu, nn.Linear(inner, outputs))


def _likeness(vectors: Tensor, shown: Tensor) -> Tensor:
    """Cosines of all pairs (B, T, T), 0 where one of the texts is not shown."""
    vectors = vectors * shown[..., None]
    return vectors @ vectors.transpose(1, 2)
