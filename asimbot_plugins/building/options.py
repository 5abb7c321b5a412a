"""Recipe blocks of the dataset builder: ``asimbot.redaction`` and ``asimbot.filters``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Mode = Literal["off", "on", "strict"]
Kind = Literal[
    "EMAIL", "LINK", "LOCATION", "IBAN", "CARD", "PHONE", "ACCOUNT", "ID", "CODE", "PASSWORD",
    "BIRTHDAY", "ADDRESS", "IP", "NAME",
]  # fmt: skip
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
"""What can be found; a placeholder is the kind in angle brackets."""


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Redaction(_Block):
    """What is taken out of the texts before anything is written."""

    mode: Mode = "on"
    """``on``: what a check, a shape or a word beside it makes sure. ``strict``: all that looks
    like personal data, at the cost of false alarms."""
    kinds: list[Kind] = list(KINDS)
    names: Literal["role", "placeholder", "keep"] = "role"
    """A member who is mentioned: their role in the example (``USR_A``), ``<NAME>``, or as is."""
    name_paths: list[str] = Field(default=[], description="more names to take out, nicknames say")
    allow_paths: list[str] = Field(default=[], description="texts that stay, whatever they are")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """``redaction: off`` for short; YAML reads a bare on and off as true and false."""
        if isinstance(value, (str, bool)):
            value = {"mode": value}
        if isinstance(value, dict) and isinstance(value.get("mode"), bool):
            value = {**value, "mode": "on" if value["mode"] else "off"}
        return value


class Filters(_Block):
    """Which rows are left out of the training part; all scores stay in rows-scored.jsonl."""

    max_words: int | None = Field(default=80, ge=1)
    """Longest reply; longer ones are forwarded texts more often than talk."""
    one_emoji: bool = True
    """Drop replies of a single emoji or sign."""
    links_only: bool = True
    """Drop replies that hold nothing but links and other placeholders."""
    forwarded: bool = True
    """Drop replies that were forwarded: marked so, chain letters, copies of others' texts."""
    other_script: float | None = Field(default=0.5, gt=0, le=1)
    """Largest share of letters in a script that the friend hardly uses."""
    duplicates: bool = True
    """Drop rows whose prompt and reply were there before."""
    near_duplicates: float | None = Field(default=0.8, gt=0.3, le=1)
    """Drop replies of six words or more this similar (Jaccard) to an earlier one."""
    same_reply: int | None = Field(default=None, ge=1)
    """Most rows with the same reply; the newest ones stay."""
