"""A plugin of benchmarks/sft.py for Axolotl as it comes: asks for the CPU, and records."""

from __future__ import annotations

from typing import Any

from axolotl.integrations.base import BasePlugin


class StockPlugin(BasePlugin):
    """Without ``use_cpu`` Axolotl refuses bfloat16 on a machine without a GPU."""

    recorder: Any = None

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        cfg.device_map = None

    def get_training_args(self, cfg: Any) -> dict[str, Any]:
        return {"use_cpu": True, "dataloader_pin_memory": False}

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        from _sft_systems import Recorder

        StockPlugin.recorder = Recorder(trainer)
