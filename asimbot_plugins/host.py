"""The plugin host: finds plugins by entry point and components by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from asimbot_plugins import hookspecs
from asimbot_plugins.errors import UserError
from asimbot_plugins.text import nearest

if TYPE_CHECKING:
    from asimbot_plugins.components import Component

GROUP = "asimbot"
"""Project name of our hooks and group of the entry points that carry plugin modules."""


@dataclass(frozen=True)
class Registered:
    """A component class and where it came from."""

    component: type[Component]
    kind: str
    module: str
    distribution: str
    version: str


class Host:
    """The plugins of one run. Make one with ``load_host``; tests make their own."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self.manager = manager
        self._registered: dict[str, dict[str, Registered]] = _collect(manager)

    def components(self, kind: str) -> dict[str, Registered]:
        """Components of a kind by name."""
        return self._registered[kind]

    def find(self, kind: str, name: str) -> type[Component]:
        """The component class called ``name``. Raises UserError naming the known ones."""
        known = self.components(kind)
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close!r}? " if close else ""
            raise UserError(
                f"there is no {kind} called {name!r}", f"{hint}known are {', '.join(sorted(known))}"
            )
        return known[name].component

    def make(self, kind: str, name: str, options: dict[str, Any] | None = None) -> Any:
        """An instance with validated options. Raises UserError on an option that does not fit."""
        component = self.find(kind, name)
        return component(validate_options(component, options or {}, f"{kind} {name!r}"))


def validate_options(component: type[Component], options: dict[str, Any], where: str) -> Any:
    from pydantic import ValidationError

    from asimbot_plugins.validation import problems_of

    try:
        return component.Options(**options)
    except ValidationError as error:
        problems = problems_of(error, component.Options, where)
        raise UserError(problems[0]) from None


def load_host() -> Host:
    """A host with every installed plugin, the built-in ones included.

    Raises UserError if a plugin can't be imported or two components share a name.
    """
    manager = new_manager()
    try:
        manager.load_setuptools_entrypoints(GROUP)
    except Exception as error:
        raise UserError(
            f"a plugin of the entry-point group {GROUP!r} can't be loaded: {error!r}",
            "reinstall or remove the distribution that ships it",
        ) from error
    return Host(manager)


def new_manager() -> pluggy.PluginManager:
    """An empty manager that knows our hooks."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    return manager


def _collect(manager: pluggy.PluginManager) -> dict[str, dict[str, Registered]]:
    from asimbot_plugins.components import KINDS

    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise UserError(f"a plugin implements a hook that does not exist: {error}") from error
    distributions = {
        id(plugin): (dist.project_name, dist.version)
        for plugin, dist in manager.list_plugin_distinfo()
    }
    found: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
    for kind, (hook_name, base) in KINDS.items():
        for implementation in getattr(manager.hook, hook_name).get_hookimpls():
            module = getattr(implementation.plugin, "__name__", repr(implementation.plugin))
            distribution, version = distributions.get(id(implementation.plugin), ("", ""))
            try:
                components = implementation.function()
            except Exception as error:
                raise UserError(
                    f"the plugin {module} fails in {hook_name}: {error!r}",
                    "reinstall or remove the distribution that ships it",
                ) from error
            for component in components:
                _refuse_misfit(component, base, module, hook_name)
                other = found[kind].get(component.name)
                if other is not None:
                    raise UserError(
                        f"two plugins supply a {kind} called {component.name!r}: "
                        f"{other.module} and {module}",
                        "remove one of them",
                    )
                found[kind][component.name] = Registered(
                    component, kind, module, distribution, version
                )
    return found


def _refuse_misfit(component: Any, base: type[Component], module: str, hook_name: str) -> None:
    fits = isinstance(component, type) and issubclass(component, base)
    if not fits or not getattr(component, "name", ""):
        raise UserError(
            f"{module}: {hook_name} returned {component!r}",
            f"it must return classes derived from {base.__name__} that have a name",
        )
