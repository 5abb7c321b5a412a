from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asimbot_plugins.commands._options import load, set_option, verbose_option

PROMPTS = 5


@click.command("demo")
@click.option(
    "--recipe",
    default="recipes/pocket_sft.yml",
    show_default=True,
    type=click.Path(path_type=Path),
)
@set_option
@verbose_option
def command(recipe: Path, overrides: tuple[str, ...], verbose: bool) -> None:
    """The main job on the example chat: read, build, train, compare."""
    from asimbot_plugins.terminal import library_noise_hidden, quiet_libraries, say

    quiet_libraries()
    loaded = load(recipe, overrides)
    from asimbot_plugins.dataset import ensure_dataset
    from asimbot_plugins.host import load_host
    from asimbot_plugins.sft.vocabulary import prepare
    from asimbot_plugins.stages import sft

    host = load_host()
    say(f"1. the chat: {', '.join(map(str, loaded.chat_paths))}")
    files = ensure_dataset(loaded, host)
    for reason, count in files.ledger.items():
        say(f"   {count:6,}  {reason}")
    rows = files.rows()
    say(f"\n   one of {len(rows)} training rows:\n   {rows[len(rows) // 3]['text']}")

    say(f"\n2. the base model: {loaded.base_model}")
    with library_noise_hidden():
        folder = prepare(loaded, lambda line: say(f"   {line}"))
    notice = folder / "NOTICE"
    if notice.is_file():
        say(f"   {notice.read_text(encoding='utf-8').strip()}")

    say("\n3. training (LoRA and the new tokens; loss on the reply alone)")
    run = sft.train(loaded, verbose=verbose)
    say(f"   done in {run.seconds / 60:.1f} minutes")

    say(f"\n4. held-out conversations that {loaded.friend}'s clone has never seen")
    from asimbot_plugins.generation.sampler import load_clone

    heldout = files.rows("heldout")
    with library_noise_hidden():
        clone = load_clone(loaded, host)
        with clone.as_base():
            before = _loss(clone, heldout)
        after = _loss(clone, heldout)
    say(
        f"   loss a token of {loaded.friend}'s {len(heldout)} real replies: "
        f"{before:.2f} before training, {after:.2f} after"
    )
    say(f"   {PROMPTS} of those conversations, answered:")
    with library_noise_hidden():
        table = _replies(clone, loaded, heldout)
    _print_table(loaded.friend, table)
    say(f"\nnext: asimbot chat {recipe}")


def _loss(clone: Any, rows: list[dict[str, Any]]) -> float:
    """Mean over all reply tokens, end tokens included, in nats: the loss of training."""
    from asimbot_plugins.evaluate.likelihood import reply_losses
    from asimbot_plugins.evaluate.systems import Form

    forms = [Form(row["prompt"], f" {row['reply']}") for row in rows]
    lengths = [len(clone.tokenizer(f.reply, add_special_tokens=False)["input_ids"]) for f in forms]
    return sum(reply_losses(clone, forms, end_token=True)) / (sum(lengths) + len(lengths))


def _replies(clone: Any, recipe: Any, heldout: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    from asimbot_plugins.sft.baseline import as_plain_base, plain_names, transcript
    from asimbot_plugins.tokens import split_reply

    tokens = recipe.section.tokens
    step = max(1, len(heldout) // PROMPTS)
    rows = heldout[step // 2 :: step][:PROMPTS]
    prompts = [row["prompt"] for row in rows]
    ours = clone.replies(prompts, seed=recipe.seed)
    plain = [transcript(prompt, recipe.friend, tokens) for prompt in prompts]
    with clone.as_base():
        base = as_plain_base(clone).replies(plain, seed=recipe.seed)
    return [
        (
            "\n".join(plain_one.split("\n")[-4:-1]),
            "\n".join(base_one[0]),
            plain_names("\n".join(our_one[0]), recipe.friend, tokens),
            plain_names("\n".join(split_reply(row["reply"], tokens)), recipe.friend, tokens),
        )
        for row, plain_one, base_one, our_one in zip(rows, plain, base, ours, strict=True)
    ]


def _print_table(friend: str, table: list[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from asimbot_plugins.terminal import console

    shown = Table(show_lines=True, expand=True)
    for title in ("the conversation ends", "base model", f"clone of {friend}", f"{friend} really"):
        shown.add_column(title, ratio=1)
    for row in table:
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)
