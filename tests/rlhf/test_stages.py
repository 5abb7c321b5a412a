"""Each stage on tiny models: it steps, it saves what generation takes, it resumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rlhf_chain import Chain, chain, reward

__all__ = ["chain", "reward"]

pytestmark = pytest.mark.slow


def test_a_reward_model_learns_what_was_planted(chain: Chain, reward: Path) -> None:
    found = json.loads((reward / "reward_report.json").read_text("utf-8"))
    assert found["accuracy"]["value"] >= 0.9
