"""What the CPU multiplies in hardware: it decides the precision of whatever runs without a GPU."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def has_amx() -> bool:
    """Whether bfloat16 matrix products are several times as fast as those of float32."""
    return "amx_bf16" in _flags()


def has_bf16() -> bool:
    """Whether bfloat16 matrices are multiplied at all. In software they take a hundred times as
    long as those of float32."""
    return has_amx() or "avx512_bf16" in _flags()


@cache
def _flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return ""
