"""The built-in reader as a component, and the one function that reads a recipe's chat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asimbot_plugins import components, hookimpl
from asimbot_plugins.components import Reader
from asimbot_plugins.messages import Chat

if TYPE_CHECKING:
    from asimbot_plugins.host import Host
    from asimbot_plugins.recipe import Recipe


class WhatsAppReader(Reader):
    """WhatsApp exports: .txt, .zip or a folder of them, any platform and language."""

    name = "whatsapp"

    class Options(components.Options):
        date_order: Literal["dmy", "mdy", "ymd"] | None = None

    def read(self, paths: list[Path]) -> Chat:
        from asimbot_plugins.whatsapp import read_export

        return read_export(paths, date_order=self.options.date_order)


def read_chat(recipe: Recipe, host: Host) -> Chat:
    """The chat of a recipe, read by the reader it names."""
    spec = recipe.section.reader
    reader: Reader = host.make("reader", spec.name, spec.options)
    return reader.read(recipe.chat_paths)


@hookimpl
def register_readers() -> list[type[Reader]]:
    return [WhatsAppReader]
