"""Turns pydantic's findings into lines for people."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from asimbot_plugins.text import nearest


def problems_of(error: ValidationError, model: type[BaseModel], where: str) -> list[str]:
    """One line a problem: the place (``where`` and the key's path), what is wrong, a near key."""
    return [_line(item, model, where) for item in error.errors(include_url=False)]


def _line(item: Any, model: type[BaseModel], where: str) -> str:
    path = [str(part) for part in item["loc"]]
    place = ".".join([where, *path])
    if item["type"] == "extra_forbidden":
        close = nearest(path[-1], _fields_at(model, path[:-1]))
        return f"{place}: unknown key" + (f": did you mean {close!r}?" if close else "")
    if item["type"] == "missing":
        return f"{place}: missing key"
    message = str(item["msg"])
    message = message[0].lower() + message[1:]
    given = item.get("input")
    shown = "" if isinstance(given, dict) else f" (it is {given!r})"
    return f"{place}: {message}{shown}"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
