from __future__ import annotations

import subprocess
import sys
import types

import pluggy
import pytest

from asimbot_plugins import components, hookspecs
from asimbot_plugins.components import KINDS, ContextSelector, Judge, StoppingCriterion
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import GROUP, Host, load_host, new_manager

hookimpl = pluggy.HookimplMarker("asimbot")


class Newest(ContextSelector):
    """Only the newest message."""

    name = "newest"

    class Options(components.Options):
        n: int = 1

    def select(self, messages, reply, friend):  # type: ignore[no-untyped-def]
        return list(range(max(0, reply.start - self.options.n), reply.start))


def plugin(name: str, **hooks: object) -> types.ModuleType:
    module = types.ModuleType(name)
    for hook, value in hooks.items():
        setattr(module, hook, hookimpl(value, specname=hook))
    return module


def host_of(*plugins: types.ModuleType) -> Host:
    manager = new_manager()
    for module in plugins:
        manager.register(module)
    return Host(manager)


def test_the_built_ins_come_through_the_entry_points() -> None:
    host = load_host()
    for kind, name in [
        ("reader", "whatsapp"),
        ("dataset builder", "chat"),
        ("context selector", "window"),
        ("context selector", "semantic"),
        ("collator", "sys_mask"),
        ("judge", "style"),
        ("stopping criterion", "end_token"),
        ("stopping criterion", "speaker_tokens"),
        ("stopping criterion", "max_messages"),
    ]:
        found = host.components(kind)[name]
        assert found.distribution == "asimbot" and found.version


def test_every_component_has_a_line_for_the_listing() -> None:
    host = load_host()
    for kind in KINDS:
        for name, found in host.components(kind).items():
            assert (found.component.__doc__ or "").strip(), name


def test_register_context_selectors() -> None:
    host = host_of(plugin("guest", register_context_selectors=lambda: [Newest]))
    assert host.make("context selector", "newest", {"n": 2}).options.n == 2


@pytest.mark.parametrize(
    "hook",
    [name for name, _ in KINDS.values()],
)
def test_every_registering_hook_takes_guests(hook: str) -> None:
    kind, base = next((k, b) for k, (h, b) in KINDS.items() if h == hook)
    body = {name: lambda *a, **k: None for name in base.__abstractmethods__}
    guest = type("Guest", (base,), {"name": "guest", "__doc__": "A guest.", **body})
    assert host_of(plugin("guest", **{hook: lambda: [guest]})).find(kind, "guest") is guest


def test_check_recipe_answers_are_joined() -> None:
    host = host_of(
        plugin("one", check_recipe=lambda recipe, stage: [f"one: {stage}"]),
        plugin("two", check_recipe=lambda recipe, stage: ["two"]),
    )
    found = host.manager.hook.check_recipe(recipe={}, stage="sft")
    assert sorted(line for lines in found for line in lines) == ["one: sft", "two"]


def test_two_components_of_one_name_are_refused_naming_both() -> None:
    with pytest.raises(UserError, match=r"'newest': first and second"):
        host_of(
            plugin("first", register_context_selectors=lambda: [Newest]),
            plugin("second", register_context_selectors=lambda: [Newest]),
        )


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match="must return classes derived from Judge"):
        host_of(plugin("wrong", register_judges=lambda: [Newest]))


def test_a_plugin_that_fails_is_named() -> None:
    def fails() -> list[type]:
        raise ModuleNotFoundError("no module named 'missing'")

    with pytest.raises(UserError, match=r"the plugin broken fails in register_judges: .*missing"):
        host_of(plugin("broken", register_judges=fails))


def test_a_hook_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="does not exist"):
        host_of(plugin("odd", register_trainers=lambda: []))


def test_unknown_names_list_the_known_ones() -> None:
    host = host_of(plugin("guest", register_context_selectors=lambda: [Newest]))
    with pytest.raises(UserError, match="did you mean 'newest'"):
        host.find("context selector", "newst")


def test_unknown_options_are_refused_with_the_nearest_known_one() -> None:
    host = host_of(plugin("guest", register_context_selectors=lambda: [Newest]))
    with pytest.raises(UserError, match="unknown key"):
        host.make("context selector", "newest", {"m": 2})


def test_the_hooks_are_exactly_the_documented_ones() -> None:
    named = {name for name in vars(hookspecs) if name.startswith(("register_", "check_"))}
    assert named == {hook for hook, _ in KINDS.values()} | {"check_recipe"}


def test_importing_the_host_is_cheap_and_loads_no_torch() -> None:
    code = (
        "import time, sys; t = time.process_time(); import asimbot_plugins.host; "
        "print(time.process_time() - t, 'torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, torch, pydantic = out.stdout.split()
    assert (torch, pydantic) == ("False", "False")
    assert float(seconds) < 0.1


def test_group_name() -> None:
    assert GROUP == "asimbot"
    assert issubclass(Judge, components.Component) and issubclass(
        StoppingCriterion, components.Component
    )
