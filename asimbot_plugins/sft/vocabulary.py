"""Adds the chat tokens to a base model, once, on disk.

The folder made here is what SFT starts from. Resizing before training keeps the adapter small:
PEFT would save two full copies of an embedding that was resized inside the run.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from asimbot_plugins import pocket
from asimbot_plugins.errors import UserError
from asimbot_plugins.paths import cache_dir, replacing, write_json
from asimbot_plugins.recipe import Recipe
from asimbot_plugins.tokens import TokenNames

_FORMAT = 1  # of a prepared folder; raise it when new rows start differently
_NOISE = 0.02  # of a new row, as a share of the standard deviation of the old ones
MARKER = "asimbot.json"

Say = Callable[[str], None]


def base_folder(recipe: Recipe, say: Say = lambda _: None) -> str:
    """Folder or hub name of the recipe's base as it came, before any token was added."""
    base = recipe.base_model
    return str(pocket.folder_of(base, say)) if pocket.is_pocket(base) else base


def prepared_folder(recipe: Recipe) -> Path:
    """Where the prepared base of this recipe lives; it depends on base and tokens alone."""
    base = recipe.base_model
    identity = json.dumps([_FORMAT, _identity(base), recipe.section.tokens.all()])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", Path(base).name).strip("-").lower()
    return cache_dir() / "prepared" / f"{slug}-{digest}"


def _identity(base: str) -> list[str]:
    folder = Path(base).expanduser()
    if not folder.is_dir():
        return [base]
    files = [*sorted(folder.glob("*.safetensors")), folder / "config.json"]
    sizes = [f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files if f.is_file()]
    return [str(folder.resolve()), *sizes]


def prepare(recipe: Recipe, say: Say = lambda _: None) -> Path:
    """The prepared base folder of the recipe, made if it is not there yet.

    A base that holds chat tokens already is used as it is. Raises UserError if the base can't
    be loaded, or holds other tokens than the recipe's.
    """
    base = Path(recipe.base_model).expanduser()
    if (base / MARKER).is_file():
        _refuse_other_tokens(base, recipe)
        return base
    folder = prepared_folder(recipe)
    if (folder / MARKER).is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / MARKER).is_file():
            _make(recipe, folder, say)
    return folder


def _refuse_other_tokens(folder: Path, recipe: Recipe) -> None:
    stored = json.loads((folder / MARKER).read_text(encoding="utf-8"))["tokens"]
    ours = recipe.section.tokens
    theirs = TokenNames(**stored)
    if theirs != ours:
        differing = [name for name in theirs.all() if name not in ours.all()] or ["their order"]
        raise UserError(
            f"{folder} was made with other chat tokens than {recipe.path} ({', '.join(differing)})",
            "set asimbot.tokens to those, or base_model to the base it was made from",
        )


def new_token_ids(folder: Path) -> list[int]:
    """Ids of the chat tokens of a prepared folder, ascending."""
    return sorted(json.loads((folder / MARKER).read_text(encoding="utf-8"))["new_ids"])


def _make(recipe: Recipe, folder: Path, say: Say) -> None:
    source = base_folder(recipe, say)
    say("adding the chat tokens to the base model (once) …")
    model, tokenizer = _load_base(source, recipe.base_model)
    tokens = recipe.section.tokens
    new_ids = add_tokens(model, tokenizer, tokens.all(), descriptions(tokens))
    with replacing(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        notice = Path(source) / "NOTICE"
        if notice.is_file():
            (temporary / "NOTICE").write_bytes(notice.read_bytes())
        write_json(
            temporary / MARKER,
            {"base_model": recipe.base_model, "tokens": tokens.model_dump(), "new_ids": new_ids},
        )


def _load_base(source: str, name: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
    except (OSError, ValueError) as error:
        raise UserError(
            f"the base model {name!r} can't be loaded: {str(error).splitlines()[0]}",
            "check base_model: a folder, a hub name you have access to, or one of "
            + ", ".join(pocket.BASES),
        ) from error
    return model, tokenizer


def descriptions(tokens: TokenNames) -> dict[str, str]:
    """Plain text that does the job of each new token, for a start that makes sense."""
    texts = {tokens.reply: "\nMe:", tokens.response: "\nReply:", tokens.separator: "\n"}
    for i, name in enumerate(tokens.speakers):
        texts[name] = f"\n{chr(ord('A') + i % 26)}:"
    return texts


def add_tokens(
    model: Any, tokenizer: Any, names: Sequence[str], texts: dict[str, str]
) -> list[int]:
    """Adds ``names`` to tokenizer and model; returns their ids, ascending by name order.

    A token takes the white space in front of it along, so that ``… <SYS> hi`` costs no token
    for the space. A new input (and untied output) row starts as the mean of the rows of the
    tokens of ``texts[name]``, plus noise of 2 % of the old rows' deviation that depends on the
    name alone: adding in several steps, or again, gives the same rows.
    """
    import torch
    from transformers import AddedToken

    spelled = {
        name: tokenizer(texts[name], add_special_tokens=False)["input_ids"] for name in names
    }
    known = set(tokenizer.get_vocab())
    added = [
        AddedToken(name, lstrip=True, rstrip=False, normalized=False, special=True)
        for name in names
    ]
    tokenizer.add_special_tokens(
        {"extra_special_tokens": added}, replace_extra_special_tokens=False
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    ids = [int(id_) for id_ in tokenizer.convert_tokens_to_ids(list(names))]
    old_rows = model.get_input_embeddings().weight.shape[0]
    if max(ids) >= old_rows:
        model.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
    matrices = [model.get_input_embeddings().weight]
    output = model.get_output_embeddings()
    if output is not None and output.weight is not matrices[0]:
        matrices.append(output.weight)
    with torch.no_grad():
        for weight in matrices:
            deviation = weight[: min(ids)].float().std()
            for name, id_ in zip(names, ids, strict=True):
                if name in known:
                    continue
                generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
                start = weight[spelled[name]].float().mean(dim=0).cpu()
                noise = torch.randn(start.shape, generator=generator)
                weight[id_] = (start + _NOISE * deviation.cpu() * noise).to(weight)
    return ids
