"""Writes the recipe keys that Axolotl knows into ``asimbot_plugins/data/axolotl_keys.json``.

Axolotl ignores unknown keys in silence, so ``asimbot check`` has to know them, and it must
not pay for importing Axolotl (several seconds, torch). Run again when the pin changes; a test
compares the file with the installed version.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

TARGET = Path(__file__).parent.parent / "asimbot_plugins" / "data" / "axolotl_keys.json"


def collect() -> dict[str, object]:
    from axolotl.utils.schemas.config import AxolotlInputConfig

    keys: set[str] = set()
    for name, field in AxolotlInputConfig.model_fields.items():
        keys.add(name)
        keys.update(
            alias for alias in (field.alias, field.validation_alias) if isinstance(alias, str)
        )
    return {"axolotl": version("axolotl"), "keys": sorted(keys)}


if __name__ == "__main__":
    TARGET.write_text(json.dumps(collect(), indent=0) + "\n", encoding="utf-8")
    print(f"wrote {TARGET.name}")
