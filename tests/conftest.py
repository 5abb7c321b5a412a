"""Shared fixtures: tiny random models that cost milliseconds, chats made in the test."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

ROOT = Path(__file__).parent.parent
EXAMPLE_CHAT = ROOT / "examples" / "WhatsApp Chat - Gerald Support Group.zip"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests keep prepared models to themselves; converted pocket bases are shared."""
    os.environ["ASIMBOT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_tokenizer_text() -> list[str]:
    """Text that a tiny tokenizer is trained on: the example chat's own words."""
    lines = []
    for file in sorted((ROOT / "examples" / "chat").glob("*.txt")):
        lines += file.read_text(encoding="utf-8").splitlines()
    return lines


def make_tiny_base(folder: Path, lines: list[str], family: str = "gemma", **changes: Any) -> Path:
    """A random causal LM of the family with a byte-level BPE of 600 tokens, saved as a folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        lines,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=["<pad>", "<eos>", "<bos>", "<unk>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
    )
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": 600,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    if family == "gpt2":
        sizes = {
            "vocab_size": 600,
            "n_embd": 64,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 512,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        }
    if family == "gemma3_text":
        sizes |= {"sliding_window": 16, "query_pre_attn_scalar": 16}
    config = AutoConfig.for_model(family, **{**sizes, **changes})
    model = AutoModelForCausalLM.from_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gemma(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_text: list[str]) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base") / "tiny-gemma", tiny_tokenizer_text)


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_text: list[str]) -> Path:
    return make_tiny_base(
        tmp_path_factory.mktemp("base") / "tiny-gpt2", tiny_tokenizer_text, "gpt2"
    )


def android_line(when: datetime, sender: str, text: str) -> str:
    return f"{when:%d/%m/%Y, %H:%M} - {sender}: {text}"


@pytest.fixture
def small_chat(tmp_path: Path) -> Path:
    """An Android export of twelve conversations, Asim answering Mina and Jonas in each."""
    start = datetime(2025, 1, 20, 9, 0)
    lines = []
    for day in range(12):
        t = start + timedelta(days=day)
        for minute, (sender, text) in enumerate(
            [
                ("Mina", f"Good morning number {day}."),
                ("Jonas", f"Is there bread left from day {day}?"),
                ("Asim", f"i ate it lol {day}"),
                ("Asim", f"sorry not sorry {day}"),
                ("Mina", f"You owe us a loaf, day {day}."),
                ("Asim", f"tmrw defo {day}"),
            ]
        ):
            lines.append(android_line(t + timedelta(minutes=minute), sender, text))
    path = tmp_path / "WhatsApp Chat with Bread.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
