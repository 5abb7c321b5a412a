"""Tiny random models that cost milliseconds, and lines of a chat made in a test."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
EXAMPLE_CHAT = ROOT / "examples" / "WhatsApp Chat - Gerald Support Group.zip"


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


def android_line(when: datetime, sender: str, text: str) -> str:
    return f"{when:%d/%m/%Y, %H:%M} - {sender}: {text}"
