"""Loads one entry point: imports it, checks its hooks against their specifications, and calls them.

pluggy's own loader stops at the first entry point that fails, and passes over a second plugin of the same name without
a word. Here each entry point is loaded by itself, under a name of its own, and what it does wrong is its own trouble.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, EntryPoint, entry_points
from types import ModuleType
from typing import Any, cast, get_args, get_type_hints

import pluggy
from attrs import evolve, field, frozen

from whatsnext_core.plugins.state import LoadState, PluginState

UNKNOWN = "(unknown)"


class BrokenPluginError(Exception):
    """A plugin does not do what its hooks ask for."""


@frozen(kw_only=True)
class Loaded:
    """What came of one entry point."""

    state: PluginState
    """What became of it."""
    offers: tuple[tuple[str, Any], ...] = field(default=())
    """(hook name, descriptor) of everything that it offers, in the order of its hooks."""


def installed(group: str, found: Iterable[EntryPoint] | None = None) -> list[tuple[EntryPoint, PluginState]]:
    """Return the entry points of ``group``, with the states that they begin with, by distribution and name."""
    states = []
    for entry_point in entry_points(group=group) if found is None else found:
        distribution = cast("Distribution", entry_point.dist)  # only an entry point made by hand has none
        metadata = distribution.metadata  # a file that is read each time
        state = PluginState(
            name=entry_point.name,
            distribution=metadata["Name"] or UNKNOWN,
            version=metadata["Version"] or UNKNOWN,
            group=group,
        )
        states.append((entry_point, state))
    return sorted(states, key=lambda each: (each[1].distribution, each[1].name, each[0].value))


def names_of(state: PluginState) -> frozenset[str]:
    """Return the names by which a configuration can disable a plugin, as ``normalize`` writes them."""
    names = (state.name, state.distribution, f"{state.distribution}:{state.name}", state.key)
    return frozenset(map(normalize, names))


def normalize(name: str) -> str:
    """Return ``name`` as names of plugins are compared: lower case, ``-`` for each run of ``-``, ``_`` and ``.``."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def descriptor_types(specs: ModuleType) -> Mapping[str, type]:
    """Return the type of descriptor that each hook of a module of specifications asks for."""
    found = {}
    for name, function in vars(specs).items():
        if name.startswith("whatsnext_") and callable(function):
            found[name] = get_args(get_type_hints(function)["return"])[0]
    return found


def load(
    manager: pluggy.PluginManager, entry_point: EntryPoint, state: PluginState, types: Mapping[str, type]
) -> Loaded:
    """Return what came of ``entry_point``; nothing that it raises passes on."""
    try:
        plugin = entry_point.load()
        hooks = register(manager, plugin, state)
        state = evolve(state, hooks=tuple(sorted(hooks)))
        offers = tuple(
            (name, descriptor) for name in state.hooks for descriptor in call(hooks[name], name, types[name])
        )
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the boundary to code of strangers
        return Loaded(state=evolve(state, state=LoadState.BROKEN, error=describe(error)))
    return Loaded(state=evolve(state, offers=tuple(f"{noun(hook)} {one.name}" for hook, one in offers)), offers=offers)


def register(manager: pluggy.PluginManager, plugin: object, state: PluginState) -> Mapping[str, pluggy.HookImpl]:
    """Register ``plugin`` and return its implementations by hook name, all checked against the specifications."""
    manager.register(plugin, name=state.key)
    callers = manager.get_hookcallers(plugin) or []
    known = {name for name in vars(manager.hook) if getattr(manager.hook, name).has_spec()}
    unknown = sorted(caller.name for caller in callers if caller.name not in known)
    if unknown:
        raise BrokenPluginError(
            f"it implements {', '.join(unknown)}, but the hooks of the group {state.group} are "
            f"{', '.join(sorted(known))}; it may have been made for another version of WhatsNext"
        )
    if not callers:
        raise BrokenPluginError("it implements no hook; a hook is a function of the hook's name, marked with @hookimpl")
    hooks = {caller.name: _own(caller, state) for caller in callers}
    for name, implementation in hooks.items():
        if implementation.hookwrapper or implementation.wrapper:
            raise BrokenPluginError(f"its {name} is a wrapper; a hook of WhatsNext returns its own descriptors only")
    return hooks


def call(implementation: pluggy.HookImpl, hook: str, kind: type) -> Iterable[Any]:
    """Return what a hook offers, checked to be descriptors of ``kind`` that have a name."""
    result = implementation.function()
    if isinstance(result, str) or not isinstance(result, Iterable):
        raise BrokenPluginError(f"{hook} returned {result!r:.60}; expected a list of {kind.__name__}")
    descriptors = list(result)
    for one in descriptors:
        if not isinstance(one, kind):
            raise BrokenPluginError(f"{hook} returned {one!r:.60} in its list; expected {kind.__name__} objects only")
        name = getattr(one, "name", None)
        if not isinstance(name, str) or not name or name != name.strip():
            raise BrokenPluginError(f"{hook} returned a {kind.__name__} whose name is {name!r:.60}; expected a word")
    return descriptors


def noun(hook: str) -> str:
    """Return what one thing that a hook offers is called in a sentence: ``storage backend``."""
    return hook.removeprefix("whatsnext_").removesuffix("s").replace("_", " ")


def describe(error: BaseException) -> str:
    """Return an error of a plugin in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, BrokenPluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _own(caller: pluggy.HookCaller, state: PluginState) -> pluggy.HookImpl:
    return next(each for each in caller.get_hookimpls() if each.plugin_name == state.key)
