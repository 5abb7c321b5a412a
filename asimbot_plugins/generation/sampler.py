"""The clone at work: loads base and adapter, draws replies, scores given ones.

The prompt comes from ``tokens.format_prompt``, the function that made the training rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asimbot_plugins.cpu import has_bf16
from asimbot_plugins.dataset import DatasetFiles
from asimbot_plugins.errors import UserError
from asimbot_plugins.generation.draw import Draw
from asimbot_plugins.host import Host
from asimbot_plugins.paths import write_json
from asimbot_plugins.recipe import Recipe, Sampling
from asimbot_plugins.rlhf.base import source_of
from asimbot_plugins.sft.large_vocabulary import keep_head_contiguous
from asimbot_plugins.sft.masking import IGNORED, encode_row, prompt_ids
from asimbot_plugins.sft.vocabulary import prepare
from asimbot_plugins.tokens import TokenNames, format_row

if TYPE_CHECKING:
    import torch

    from asimbot_plugins.components import StoppingCriterion

SIDECAR = "asimbot.json"
"""File beside an adapter that holds what generation needs: tokens and sampling defaults."""


def write_sidecar(folder: Path, recipe: Recipe) -> None:
    """Stores tokens, sampling defaults, base, recipe and dataset digests beside the adapter."""
    write_json(
        folder / SIDECAR,
        {
            "base_model": recipe.sft.base_model,
            "tokens": recipe.section.tokens.model_dump(),
            "sampling": recipe.section.sampling.model_dump(),
            "recipe_sha256": recipe.digest(),
            "rows_sha256": DatasetFiles(recipe.sft.dataset_dir, "").train_digest(),
        },
    )


@dataclass
class Clone:
    """A loaded model with its tokenizer, tokens, sampling defaults and stopping criteria."""

    model: Any
    tokenizer: Any
    tokens: TokenNames
    sampling: Sampling
    stopping: Sequence[StoppingCriterion]

    @contextlib.contextmanager
    def as_base(self) -> Iterator[None]:
        """Within the block the adapter is off: the model is the prepared base."""
        if hasattr(self.model, "disable_adapter"):
            with self.model.disable_adapter():
                yield
        else:
            yield

    def replies(
        self,
        prompts: Sequence[str],
        n: int = 1,
        *,
        sampling: Sampling | None = None,
        seed: int | None = None,
        batch_size: int = 16,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[list[list[str]]]:
        """For each prompt ``n`` replies, each a list of messages (a burst has several).

        ``progress`` is called with the number of replies done after each batch. Prompts are
        run in order of length, so that a batch holds little padding; the result is in the
        order given. With a seed the same call gives the same replies.
        """
        import torch

        if seed is not None:
            torch.manual_seed(seed)
        encoded = [prompt_ids(self.tokenizer, prompt) for prompt in prompts]
        jobs = sorted(
            (i for i in range(len(prompts)) for _ in range(n)), key=lambda i: len(encoded[i])
        )
        results: list[list[list[str]]] = [[] for _ in prompts]
        for start in range(0, len(jobs), batch_size):
            batch = jobs[start : start + batch_size]
            for i, ids in zip(
                batch, self._generate([encoded[i] for i in batch], sampling), strict=True
            ):
                results[i].append(self.messages_of(ids))
            progress(start + len(batch))
        return results

    def reply_loss(
        self, prompt: str, reply: str, max_length: int | None = None
    ) -> tuple[float, int]:
        """(summed negative log-likelihood in nats, number of tokens) of a given reply.

        The end token counts as one of the tokens.
        """
        import torch

        row = encode_row(
            self.tokenizer,
            format_row(prompt, reply),
            self._reply_token_of(prompt),
            max_length,
            self.tokens.speakers,
        )
        ids = torch.tensor([row["input_ids"]], device=self.model.device)
        targets = torch.tensor(row["labels"][1:], device=self.model.device)
        kept = (targets != IGNORED).nonzero().flatten()
        # Not inference_mode: weights that ZeRO-3 puts together within it could not be trained.
        with torch.no_grad():
            if self._keeps_logits():
                # The output matrix of a large vocabulary is most of the work: reply rows only.
                out = self.model(input_ids=ids, use_cache=False, logits_to_keep=kept)
                logits = out.logits[0].float()
            else:
                logits = self.model(input_ids=ids, use_cache=False).logits[0, kept].float()
        loss = torch.nn.functional.cross_entropy(logits, targets[kept], reduction="sum")
        return float(loss), len(kept)

    def _keeps_logits(self) -> bool:
        inner = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return "logits_to_keep" in inspect.signature(inner.forward).parameters

    def _reply_token_of(self, prompt: str) -> str:
        ends_in_response = prompt.rstrip().endswith(self.tokens.response)
        return self.tokens.response if ends_in_response else self.tokens.reply

    def stop_ids(self) -> list[int]:
        """Every token id that ends a reply, from all stopping criteria."""
        return sorted(
            {id_ for c in self.stopping for id_ in c.stop_ids(self.tokenizer, self.tokens)}
        )

    def _generate(self, prompts: list[list[int]], sampling: Sampling | None) -> list[list[int]]:
        import torch
        from transformers import GenerationConfig

        chosen = sampling or self.sampling
        batch, mask = left_padded(prompts, self.tokenizer.pad_token_id, self.model.device)
        draws = chosen.temperature > 0
        stops = self.stop_ids()
        how = (chosen.temperature, chosen.top_k, chosen.top_p)
        ended = [*stops, self.tokenizer.pad_token_id]
        drawing = [Draw(*how, batch.shape[1], ended)] if draws else []
        with torch.no_grad():
            made = self.model.generate(
                input_ids=batch,
                attention_mask=mask,
                generation_config=GenerationConfig(
                    max_new_tokens=chosen.max_new_tokens,
                    repetition_penalty=chosen.repetition_penalty,
                    eos_token_id=stops,
                    pad_token_id=self.tokenizer.pad_token_id,
                    bos_token_id=self.tokenizer.bos_token_id,
                    do_sample=False,  # ``Draw`` has drawn already
                ),
                stopping_criteria=[Finished(self, batch.shape[1])],
                logits_processor=drawing,
            )
        return made[:, batch.shape[1] :].tolist()

    def _until_stop(self, ids: list[int]) -> list[int]:
        stops = set(self.stop_ids())
        ids = ids[: next((i for i, id_ in enumerate(ids) if id_ in stops), len(ids))]
        for criterion in self.stopping:
            kept = criterion.keep(ids, self.tokenizer, self.tokens)
            if kept is not None:
                ids = ids[:kept]
        return ids

    def messages_of(self, new_ids: list[int]) -> list[str]:
        """The messages of a reply from the ids that were made after the prompt."""
        ids = self._until_stop(new_ids)
        separator = self.tokenizer.convert_tokens_to_ids(self.tokens.separator)
        parts: list[list[int]] = [[]]
        for id_ in ids:
            if id_ == separator:
                parts.append([])
            else:
                parts[-1].append(id_)
        texts = (self.tokenizer.decode(part, skip_special_tokens=True) for part in parts)
        return [text.strip() for text in texts if text.strip()]


class Finished:
    """Ends the rows of a batch that a stopping criterion calls complete."""

    def __init__(self, clone: Clone, prompt_length: int) -> None:
        self.clone = clone
        self.prompt_length = prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        import torch

        clone = self.clone
        done = [
            any(
                criterion.keep(ids, clone.tokenizer, clone.tokens) is not None
                for criterion in clone.stopping
            )
            for ids in input_ids[:, self.prompt_length :].tolist()
        ]
        return torch.tensor(done, device=input_ids.device)


def left_padded(
    rows: list[list[int]], pad_id: int, device: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    longest = max(len(row) for row in rows)
    ids = [[pad_id] * (longest - len(row)) + row for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def load_clone(recipe: Recipe, host: Host, say: Callable[[str], None] = lambda _: None) -> Clone:
    """The clone that the recipe's output folder holds: an adapter, or a merged model.

    Raises UserError if nothing was trained yet.
    """
    folder = recipe.output_dir
    merged = folder / "merged"
    if (folder / "adapter_config.json").is_file():
        source = source_of(recipe, say)
        adapter: Path | None = folder
    elif (merged / "config.json").is_file():
        source, adapter = merged, None
    elif (folder / "config.json").is_file():
        source, adapter = folder, None
    else:
        raise UserError(
            f"there is no trained clone in {folder}", f"run 'asimbot train {recipe.path}' first"
        )
    say("loading the clone …")
    return _load(source, adapter, recipe, host)


def load_base(recipe: Recipe, host: Host, say: Callable[[str], None] = lambda _: None) -> Clone:
    """The prepared base alone, before any training."""
    return _load(prepare(recipe.sft, say), None, recipe, host)


def _load(source: Path, adapter: Path | None, recipe: Recipe, host: Host) -> Clone:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    cuda = torch.cuda.is_available()
    dtype = torch.bfloat16 if cuda or has_bf16() else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(source)
    model: Any = AutoModelForCausalLM.from_pretrained(
        source, dtype=dtype, attn_implementation="sdpa", device_map={"": _gpu()} if cuda else None
    )
    keep_head_contiguous(model)
    if adapter is not None:
        from peft import PeftModel

        from asimbot_plugins.sft.step import make_layers_cheap

        # In the precision of the base: float32 adapters would have each layer's input converted.
        model = PeftModel.from_pretrained(model, str(adapter), autocast_adapter_dtype=False)
        make_layers_cheap(model)
    model.eval()
    return Clone(
        model,
        tokenizer,
        recipe.section.tokens,
        stored_sampling(recipe.output_dir) or recipe.section.sampling,
        [host.make("stopping criterion", s.name, s.options) for s in recipe.section.stopping],
    )


def _gpu() -> int:
    import torch

    return int(os.environ.get("LOCAL_RANK") or 0) % torch.cuda.device_count()


def clone_identity(recipe: Recipe) -> str:
    """Changes when the trained clone does: a digest of the adapter, or sizes and times."""
    adapter = recipe.output_dir / "adapter_model.safetensors"
    if adapter.is_file():
        with adapter.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    folders = (recipe.output_dir / "merged", recipe.output_dir)
    files = [file for folder in folders for file in sorted(folder.glob("*.safetensors"))]
    return " ".join(f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files)


def stored_sampling(folder: Path) -> Sampling | None:
    """Sampling defaults stored beside an adapter, or None."""
    try:
        stored = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        return Sampling(**stored["sampling"])
    except (OSError, ValueError, KeyError):
        return None
