"""Recipes: load, inherit, check, show.

A recipe is one YAML file. The block ``asimbot:`` is ours and strict; every other key belongs
to Axolotl (stage ``sft``) or to the TRL config of its stage and keeps the name it has there.
Nothing here loads torch.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from asimbot_plugins import pocket
from asimbot_plugins.building.options import Filters, Redaction
from asimbot_plugins.cluster.zero import zero_problems
from asimbot_plugins.errors import UserError
from asimbot_plugins.evaluate.options import Evaluation
from asimbot_plugins.rlhf.options import RLHF, STAGES, trl_keys, type_problems
from asimbot_plugins.sft.keys import key_problems
from asimbot_plugins.text import nearest
from asimbot_plugins.tokens import TokenNames
from asimbot_plugins.validation import problems_of

if TYPE_CHECKING:
    from asimbot_plugins.host import Host

PLUGIN = "asimbot_plugins.axolotl_adapter.AsimbotPlugin"
Stage = Literal["sft", "preferences", "reward", "dpo", "ppo", "grpo"]
LINKS = ("sft_recipe_path", "preferences_recipe_path", "reward_recipe_path")
"""Keys that name another recipe, relative to the one they stand in."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ComponentSpec(BaseModel):
    """A component by name; all other keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Sampling(_Strict):
    """How replies are drawn; stored with the adapter and used unless told otherwise.

    Nearly the whole distribution: at 0.7 and 0.9, usual for assistants, replies are smoother than
    the friend's and easily told from them (EXPERIMENTS.md).
    """

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=0.98, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    repetition_penalty: float = Field(default=1.0, ge=1)
    max_new_tokens: int = Field(default=64, ge=1)


class Preferences(_Strict):
    """How candidates are drawn and ranked (stage ``preferences``)."""

    prompts: int = Field(default=1000, ge=1)
    """Prompts taken from the training part; fewer if it has fewer."""
    replies: int = Field(default=3, ge=2, le=8)
    """Different replies wanted for each prompt."""
    temperatures: list[float] = Field(default=[0.7, 1.0, 1.3], min_length=1)
    """One a reply, in turn: likely replies and surprising ones."""
    redraws: int = Field(default=2, ge=0)
    """Further rounds for prompts whose replies came out empty or alike."""
    batch_size: int = Field(default=16, ge=1)
    """Prompts of a batch; after each one the replies are on disk."""


class Section(_Strict):
    """The block ``asimbot:``.

    Free text that could name a person or a chat sits under keys that contain ``path``: those
    are the ones that Axolotl's telemetry withholds if somebody leaves it on.
    """

    stage: Stage = "sft"
    extends: str | None = None
    sft_recipe_path: str | None = Field(
        default=None,
        description="recipe of the SFT clone, relative to this file; not for stage sft",
    )
    preferences_recipe_path: str | None = Field(
        default=None, description="recipe of the ranked replies: stages reward and dpo"
    )
    reward_recipe_path: str | None = Field(
        default=None, description="recipe of the reward model: stages ppo and grpo"
    )
    chat_path: str | list[str] = Field(description="the export: a file or a folder")
    friend_path: str = Field(description="the friend's name, as the chat writes it")
    alias_paths: list[str] = Field(default=[], description="other names of the same person")
    reader: ComponentSpec = ComponentSpec(name="whatsapp")
    builder: ComponentSpec = ComponentSpec(name="chat")
    context: ComponentSpec = ComponentSpec(name="ranked")
    collator: ComponentSpec = ComponentSpec(name="sys_mask")
    stopping: list[ComponentSpec] = [
        ComponentSpec(name="end_token"),
        ComponentSpec(name="speaker_tokens"),
        ComponentSpec(name="max_messages"),
    ]
    judge: ComponentSpec = ComponentSpec(name="style")
    embedder: str = "sentence-transformers/all-mpnet-base-v2"
    heldout_share: float = Field(default=0.15, gt=0, lt=1)
    burst_minutes: float = Field(default=10, gt=0)
    conversation_gap_minutes: float | Literal["auto"] = "auto"
    late_reply_hours: float = Field(
        default=36, ge=0, description="a reply to the talk before may come this late"
    )
    redaction: Redaction = Redaction()
    filters: Filters = Filters()
    tokens: TokenNames = TokenNames()
    train_on: Literal["last_reply", "every_reply"] = "last_reply"
    end_token_weight: float = Field(
        default=1.0, gt=0, description="what the end of a reply counts in training"
    )
    batch_tokens: int | None = Field(
        default=None, ge=1, description="tokens in a batch, instead of micro_batch_size rows"
    )
    sampling: Sampling = Sampling()
    preferences: Preferences = Preferences()
    evaluation: Evaluation = Evaluation()
    rlhf: RLHF = RLHF()
    dataset_dir: str | None = Field(default=None, description="default: <output_dir>/data")

    @field_validator("chat_path")
    @classmethod
    def _not_empty(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("names no file")
        return value


@dataclass(frozen=True)
class Recipe:
    """A flattened recipe. ``data`` is plain YAML data, ``sources`` names each key's file."""

    path: Path
    data: dict[str, Any]
    section: Section
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        return self.section.stage

    @property
    def friend(self) -> str:
        return self.section.friend_path

    @property
    def names(self) -> list[str]:
        """Every name the friend goes by in the chat, the main one first."""
        return [self.section.friend_path, *self.section.alias_paths]

    @property
    def output_dir(self) -> Path:
        return Path(self.data["output_dir"])

    @property
    def dataset_dir(self) -> Path:
        named = self.section.dataset_dir
        return Path(named) if named else self.output_dir / "data"

    @property
    def base_model(self) -> str:
        return str(self.data.get("base_model") or self.sft.data["base_model"])

    @property
    def seed(self) -> int:
        return int(self.data.get("seed") or 42)

    @property
    def chat_paths(self) -> list[Path]:
        named = self.section.chat_path
        return [Path(name) for name in ([named] if isinstance(named, str) else named)]

    @property
    def sft(self) -> Recipe:
        """The SFT recipe whose clone this one works with; a recipe of stage ``sft`` itself.

        Raises UserError if it can't be read.
        """
        return self._linked("sft_recipe_path") or self

    @property
    def preferences(self) -> Recipe | None:
        """The recipe whose ranked replies this one learns from; None if it names none."""
        return self._linked("preferences_recipe_path")

    @property
    def reward(self) -> Recipe | None:
        """The recipe whose reward model this one uses; None if it names none."""
        return self._linked("reward_recipe_path")

    def _linked(self, key: str) -> Recipe | None:
        named = getattr(self.section, key)
        if named is None:
            return None
        path = self.path.parent / str(named)
        return recipe_from(read_yaml(path), path)

    def digest(self) -> str:
        """Hex SHA-256 of the flattened recipe."""
        text = json.dumps(self.data, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """The flattened, validated recipe at ``path``.

    ``overrides`` are ``key=value`` strings (dotted keys, YAML values) that win over the file.
    Raises UserError naming the first problem.
    """
    raw = read_yaml(Path(path))
    apply_overrides(raw, overrides)
    return recipe_from(raw, Path(path))


def recipe_from(raw: dict[str, Any], path: Path) -> Recipe:
    """A recipe from data that was read already (by Axolotl, say); ``path`` is where from."""
    data, sources = flatten(raw, path)
    problems, section = _section_problems(data)
    block = data.get("asimbot")
    stage = block.get("stage", "sft") if isinstance(block, dict) else "sft"
    # What is missing first: without its SFT recipe a later stage lacks nearly everything.
    problems = _missing_keys(data, stage) + problems
    if problems or section is None:
        raise UserError(f"{path}: {problems[0]}", "'asimbot check' lists all problems")
    return Recipe(path, data, section, sources)


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"there is no recipe {path}", _near_files(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"can't read the recipe {path}: {error}") from None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path} is not a recipe", "it must be a YAML mapping of keys")
    return raw


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> None:
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise UserError(f"--set {override!r} is not of the form key=value")
        target = raw
        *parents, last = key.split(".")
        for parent in parents:
            inner = target.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise UserError(f"--set {override!r}: {parent} is not a block of keys")
            target = inner
        target[last] = yaml.safe_load(value)


def flatten(raw: dict[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The recipe with its parent's keys filled in, and where each dotted key came from.

    ``asimbot.extends`` is relative to the file and goes one level deep. The child wins; blocks
    are merged key by key, a component of another name replaces the parent's; null removes.
    ``asimbot.sft_recipe_path`` fills in the ``asimbot:`` block of that recipe in the same way
    (chat, friend, tokens, dataset), but none of its training keys.
    """
    merged, sources = _extended(raw, path)
    block = merged.get("asimbot")
    if not isinstance(block, dict) or not block.get("sft_recipe_path"):
        return merged, sources
    sft_path = path.parent / str(block["sft_recipe_path"])
    sft, _ = _extended(read_yaml(sft_path), sft_path)
    inherited = sft.get("asimbot")
    if not isinstance(inherited, dict) or inherited.get("sft_recipe_path"):
        raise UserError(
            f"{path}: asimbot.sft_recipe_path names {sft_path}, which is no SFT recipe",
            "name the recipe that 'asimbot train' made the clone from",
        )
    inherited = {key: value for key, value in inherited.items() if key != "stage"}
    inherited.setdefault("dataset_dir", str(Path(str(sft.get("output_dir"))) / "data"))
    for key in _dotted({"asimbot": inherited}):
        sources.setdefault(key, sft_path.name)
    merged["asimbot"] = _merge(inherited, block)
    return merged, {key: sources[key] for key in _dotted(merged)}


def _extended(raw: dict[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    raw = copy.deepcopy(raw)
    block = raw.get("asimbot")
    parent_name = block.pop("extends", None) if isinstance(block, dict) else None
    if parent_name is None:
        return raw, dict.fromkeys(_dotted(raw), path.name)
    parent_path = path.parent / str(parent_name)
    parent = read_yaml(parent_path)
    parent_block = parent.get("asimbot")
    if isinstance(parent_block, dict) and parent_block.get("extends"):
        raise UserError(
            f"{path}: asimbot.extends names {parent_name}, which extends another recipe",
            "inheritance goes one level deep; extend that recipe's parent",
        )
    for key in LINKS:
        if isinstance(parent_block, dict) and parent_block.get(key):
            named = parent_path.parent / str(parent_block[key])
            parent_block[key] = os.path.relpath(named, path.parent)
    merged = _merge(parent, raw)
    sources = dict.fromkeys(_dotted(merged), parent_path.name)
    sources.update({key: path.name for key in _dotted(raw) if key in sources})
    return merged, sources


def _merge(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = dict(parent)
    for key, value in child.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            renamed = "name" in value and value["name"] != merged[key].get("name")
            merged[key] = value if renamed else _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _dotted(data: dict[str, Any], prefix: str = "") -> Iterable[str]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def check_recipe(path: Path, host: Host, overrides: Sequence[str] = ()) -> list[str]:
    """Every problem of the recipe at once, one line each; [] if there is none."""
    try:
        raw = read_yaml(path)
        apply_overrides(raw, overrides)
        data, _ = flatten(raw, path)
    except UserError as error:
        return [str(error)]
    problems, section = _section_problems(data)
    section = section or _readable_part(data)
    stage = section.stage if section else "sft"
    problems += _key_problems(data, stage)
    if stage in STAGES:
        problems += type_problems(data, stage)
    problems += zero_problems(data, stage)
    problems += _link_problems(data, path)
    problems += _base_problems(data)
    if stage == "sft":
        problems += _plugin_path_problems(raw) + key_problems(data)
    if section is not None:
        problems += _component_problems(section, host)
        problems += _chat_problems(section)
    for found in host.manager.hook.check_recipe(recipe=data, stage=stage):
        problems += found
    return problems


def _section_problems(data: dict[str, Any]) -> tuple[list[str], Section | None]:
    block = data.get("asimbot")
    if block is None:
        return ["asimbot: missing block (chat_path and friend_path at least)"], None
    if not isinstance(block, dict):
        return ["asimbot: must be a block of keys"], None
    try:
        return [], Section(**block)
    except (ValidationError, TypeError) as error:
        if isinstance(error, TypeError):
            return ["asimbot: keys must be words"], None
        return problems_of(error, Section, "asimbot"), None


def _readable_part(data: dict[str, Any]) -> Section | None:
    """The block without its keys that don't fit, so that the others can be checked too."""
    block = data.get("asimbot")
    if not isinstance(block, dict):
        return None
    block = {"chat_path": ".", "friend_path": "?", **block}
    try:
        return Section(**block)
    except ValidationError as error:
        bad = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    except TypeError:
        return None
    rest = {key: value for key, value in block.items() if key not in bad}
    try:
        return Section(**{"chat_path": ".", "friend_path": "?", **rest})
    except ValidationError:
        return None


def known_keys(stage: str) -> set[str]:
    """Top-level keys that somebody reads in a recipe of this stage."""
    if stage == "preferences":
        return {"asimbot", "output_dir", "seed"}
    if stage in STAGES:
        return {"asimbot", *trl_keys(stage)}
    return {"asimbot", *_axolotl_keys()}


def _missing_keys(data: dict[str, Any], stage: str) -> list[str]:
    needed = ["base_model", "output_dir"] if stage == "sft" else ["output_dir"]
    problems = [f"{key}: missing key" for key in needed if not data.get(key)]
    block = data.get("asimbot")
    if isinstance(block, dict):
        if stage == "sft" and block.get("sft_recipe_path"):
            problems.append("asimbot.sft_recipe_path: only later stages have one: remove it")
        if stage != "sft" and not block.get("sft_recipe_path"):
            problems.append("asimbot.sft_recipe_path: missing key")
        problems += [
            f"asimbot.{key}: missing key" for key in _links_of(stage, block) if not block.get(key)
        ]
    return problems


def _link_problems(data: dict[str, Any], path: Path) -> list[str]:
    block = data.get("asimbot")
    named = {key: block.get(key) for key in LINKS} if isinstance(block, dict) else {}
    return [
        f"asimbot.{key}: there is no recipe {path.parent / str(name)}"
        for key, name in named.items()
        if name and not (path.parent / str(name)).is_file()
    ]


def _links_of(stage: str, block: dict[str, Any]) -> list[str]:
    rlhf = block.get("rlhf")
    judged = isinstance(rlhf, dict) and rlhf.get("reward") == "judge"
    needs_model = stage in ("ppo", "grpo") and not judged
    links = {"preferences_recipe_path": stage in ("reward", "dpo")}
    return [key for key, needed in {**links, "reward_recipe_path": needs_model}.items() if needed]


@cache
def _axolotl_keys() -> frozenset[str]:
    text = resources.files("asimbot_plugins.data").joinpath("axolotl_keys.json").read_text("utf-8")
    return frozenset(json.loads(text)["keys"])


def _key_problems(data: dict[str, Any], stage: str) -> list[str]:
    known = known_keys(stage)
    problems = []
    for key in data:
        if str(key) not in known:
            close = nearest(str(key), known)
            hint = f": did you mean {close!r}?" if close else " (it would be ignored in silence)"
            problems.append(f"{key}: unknown key{hint}")
    problems += _missing_keys(data, stage)
    if data.get("trust_remote_code"):
        problems.append("trust_remote_code: code from a model repository is never run: remove it")
    return problems


def _base_problems(data: dict[str, Any]) -> list[str]:
    base = str(data.get("base_model") or "")
    if pocket.is_pocket(base):
        problem = pocket.problem_of(base)
        return [f"base_model: {problem}"] if problem else []
    looks_local = base.startswith(("/", "./", "../", "~")) or base.count("/") > 1
    if looks_local and not (Path(base).expanduser() / "config.json").is_file():
        return [f"base_model: there is no model folder {base}"]
    return []


def _plugin_path_problems(raw: dict[str, Any]) -> list[str]:
    # Axolotl reads `plugins` from the file itself, before a parent can be merged in, and it
    # carries on when one can't be imported.
    plugins = raw.get("plugins")
    if not isinstance(plugins, list) or not plugins:
        return [f"plugins: missing key: a recipe must list {PLUGIN} itself"]
    problems = []
    if PLUGIN not in plugins:
        close = nearest(PLUGIN, [str(p) for p in plugins])
        hint = f" (is {close!r} a slip?)" if close else ""
        problems.append(f"plugins: {PLUGIN} is not listed{hint}")
    for plugin in plugins:
        module, _, name = str(plugin).rpartition(".")
        if plugin == PLUGIN:
            continue
        try:
            spec = importlib.util.find_spec(module) if module else None
        except (ImportError, ValueError):
            spec = None
        if spec is None or not _defines(spec.origin, name):
            problems.append(f"plugins: {plugin} can't be found: Axolotl would train without it")
    return problems


def _defines(origin: str | None, name: str) -> bool:
    # Asks the source, not the module: importing it could load torch.
    if not origin or not origin.endswith(".py"):
        return True
    return f"{name}" in Path(origin).read_text(encoding="utf-8", errors="ignore")


def _component_problems(section: Section, host: Host) -> list[str]:
    named: list[tuple[str, str, ComponentSpec]] = [
        ("reader", "reader", section.reader),
        ("builder", "dataset builder", section.builder),
        ("context", "context selector", section.context),
        ("collator", "collator", section.collator),
        ("judge", "judge", section.judge),
        *(("stopping", "stopping criterion", spec) for spec in section.stopping),
    ]
    problems = []
    for key, kind, spec in named:
        where = f"asimbot.{key}"
        try:
            component = host.find(kind, spec.name)
        except UserError as error:
            problems.append(f"{where}.name: {error}")
            continue
        try:
            component.Options(**spec.options)
        except ValidationError as error:
            problems += problems_of(error, component.Options, where)
    return problems


def _chat_problems(section: Section) -> list[str]:
    named = section.chat_path
    return [
        f"asimbot.chat_path: there is no file {name}"
        for name in ([named] if isinstance(named, str) else named)
        if not Path(name).exists()
    ]


def _near_files(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path("recipes")
    if not folder.is_dir():
        return ""
    close = nearest(path.name, [other.name for other in folder.glob("*.yml")])
    return f"did you mean {folder / close}?" if close else ""
