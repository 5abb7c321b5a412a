"""Rubrics: what a judge is asked, as data.

One YAML file a judge, in the folder ``judges/`` of the repository; an installed package carries
the same files (``asimbot_plugins/judges/rubrics`` is a link to that folder, which a wheel
resolves). A recipe names another file with ``rubric_path``.
"""

from __future__ import annotations

import datetime
import string
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asimbot_plugins.errors import UserError
from asimbot_plugins.validation import problems_of


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prices(_Strict):
    """US dollars per million tokens, as somebody read them that day. Check before relying on it."""

    as_of: datetime.date
    source: str
    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)


class Model(_Strict):
    """The language model that is asked."""

    name: str
    temperature: float = Field(default=0.0, ge=0)
    thinking_level: str | None = None
    """Passed on as it is; null where the model has no such setting."""
    max_output_tokens: int = Field(default=1024, ge=1)
    expected_output_tokens: int = Field(default=150, ge=1)
    """For the estimate of the cost; thinking included."""
    prices: Prices | None = None
    """Null only for a model that costs nothing."""


class Scale(_Strict):
    """Whole numbers a reply can get; higher is better."""

    low: int = 1
    high: int = 10

    @model_validator(mode="after")
    def _ordered(self) -> Scale:
        if self.low >= self.high:
            raise ValueError("low must lie below high")
        return self


class Retrieval(_Strict):
    """Real examples taken from the training part by similarity of their contexts."""

    k: int = Field(default=0, ge=0)


class Calibration(_Strict):
    """Replies whose verdict is known: the one at ``best`` must come out alone on top."""

    prompt: str
    replies: list[str] = Field(min_length=2)
    best: int = Field(ge=0)
    why: str

    @model_validator(mode="after")
    def _best_exists(self) -> Calibration:
        if self.best >= len(self.replies):
            raise ValueError("best names no reply")
        return self


class Rubric(_Strict):
    """One file of ``judges/``. ``system`` and ``prompt`` are templates with ``$names``."""

    name: str
    version: str
    about: str
    model: Model | None = None
    system: str = ""
    prompt: str = ""
    scale: Scale = Scale()
    retrieval: Retrieval = Retrieval()
    calibration: list[Calibration] = []

    def fill(self, template: str, **values: str) -> str:
        """A template with its ``$names`` replaced. Raises UserError on a name nobody fills."""
        try:
            return string.Template(template).substitute(values)
        except (KeyError, ValueError) as error:
            raise UserError(
                f"the rubric {self.name!r} has a placeholder that nothing fills: {error}",
                f"known are {', '.join('$' + name for name in sorted(values))}; write $$ for $",
            ) from None


def load_rubric(name: str, path: str | None = None) -> Rubric:
    """The rubric at ``path``, else the one that comes with asimbot under ``name``.

    Raises UserError naming what is wrong with it.
    """
    file = Path(path) if path else rubric_folder() / f"{name}.yml"
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read the rubric {file}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{file} is not a rubric", "it must be a YAML mapping of keys")
    try:
        return Rubric(**raw)
    except ValidationError as error:
        raise UserError(problems_of(error, Rubric, str(file))[0]) from None


def rubric_folder() -> Path:
    """The folder of the rubrics that come with asimbot."""
    linked = Path(str(resources.files("asimbot_plugins.judges"))) / "rubrics"
    # A checkout on a system without links has a text file there.
    return linked if linked.is_dir() else Path(__file__).parents[2] / "judges"
