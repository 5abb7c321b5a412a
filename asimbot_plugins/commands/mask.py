from __future__ import annotations

from pathlib import Path

import click

from asimbot_plugins.commands._options import load, recipe_argument, set_option


@click.command("mask")
@recipe_argument
@set_option
@click.option("-n", "--rows", default=3, show_default=True, help="How many rows to show.")
@click.option("--ids", is_flag=True, help="Print token ids too.")
def command(recipe: Path, overrides: tuple[str, ...], rows: int, ids: bool) -> None:
    """Show training rows token by token: supervised ones green, the rest dim."""
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from transformers import AutoTokenizer

    from asimbot_plugins.dataset import ensure_dataset
    from asimbot_plugins.host import load_host
    from asimbot_plugins.sft.masking import IGNORED, encode_row
    from asimbot_plugins.sft.vocabulary import prepare

    with library_noise_hidden():
        tokenizer = AutoTokenizer.from_pretrained(prepare(loaded, say))
        files = ensure_dataset(loaded, load_host(), say)
    tokens = loaded.section.tokens
    for row in files.rows()[:rows]:
        reply_token = tokens.reply if tokens.reply in row["text"] else tokens.response
        encoded = encode_row(
            tokenizer,
            row["text"],
            reply_token,
            loaded.data.get("sequence_len"),
            tokens.speakers,
            loaded.section.train_on,
        )
        pieces = []
        for id_, label in zip(encoded["input_ids"], encoded["labels"], strict=True):
            text = f"{tokenizer.convert_ids_to_tokens(id_)}" + (f"/{id_}" if ids else "")
            supervised = label != IGNORED
            pieces.append(click.style(text, fg="green" if supervised else None, dim=not supervised))
        count = sum(label != IGNORED for label in encoded["labels"])
        click.echo(" ".join(pieces))
        click.echo(f"  {count} of {len(encoded['labels'])} tokens supervised\n")
