"""All plugins of one entry-point group: what they offer, selected by name."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy
from attrs import evolve

from whatsnext_core import hookspecs
from whatsnext_core.errors import PluginError
from whatsnext_core.hookspecs import FormatterPlugin, NotifierPlugin, ProbePlugin, StorageBackend
from whatsnext_core.plugins import loading
from whatsnext_core.plugins.known import distribution_for
from whatsnext_core.plugins.state import LoadState, PluginState, Provided

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(\+[A-Za-z0-9.+-]*)?:")


def load_plugins(
    group: str = "whatsnext",
    specs: ModuleType = hookspecs,
    *,
    disabled: Iterable[str] = (),
    warn: Callable[[str], object] | None = None,
    entry_points: Iterable[EntryPoint] | None = None,
) -> Plugins:
    """Return the plugins that are installed for ``group``, each loaded by itself and called once.

    Args:
        group: The entry-point group.
        specs: The module whose hook specifications the plugins of this group implement.
        disabled: Plugins that are not even imported, by entry-point name, distribution, or ``distribution:name``.
        warn: Takes one line for each broken plugin and each clash of names; None writes it to stderr.
        entry_points: Those of the group, from a caller who has looked already: it reads a file of each distribution.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(specs)
    types = loading.descriptor_types(specs)
    unwanted = frozenset(map(loading.normalize, disabled))
    found = []
    for entry_point, state in loading.installed(group, entry_points):
        if unwanted & loading.names_of(state):
            found.append(loading.Loaded(state=evolve(state, state=LoadState.DISABLED)))
        else:
            found.append(loading.load(manager, entry_point, state, types))
    plugins = Plugins(group, types, found)
    for line in plugins.warnings():
        (warn or _to_stderr)(line)
    return plugins


class Plugins:
    """The plugins of one entry-point group."""

    def __init__(self, group: str, types: Mapping[str, type], loaded: Sequence[loading.Loaded]) -> None:
        self._group = group
        self._states = [each.state for each in loaded]
        self._offers: dict[str, dict[str, list[Provided[Any]]]] = {hook: {} for hook in types}
        for each in loaded:
            for hook, descriptor in each.offers:
                state = each.state
                provided = Provided(
                    descriptor=descriptor,
                    plugin=state.name,
                    distribution=state.distribution,
                    version=state.version,
                )
                self._offers[hook].setdefault(descriptor.name, []).append(provided)

    # -- what there is -------------------------------------------------------------------------------------------------

    def descriptors(self, hook: str) -> Mapping[str, Provided[Any]]:
        """Return what the plugins offer through ``hook``, by name; a name that two of them use is left out."""
        return {name: several[0] for name, several in sorted(self._offers[hook].items()) if len(several) == 1}

    def storage_backends(self) -> Mapping[str, Provided[StorageBackend]]:
        """Return the storage backends by name."""
        return self.descriptors("whatsnext_storage_backends")

    def formatters(self) -> Mapping[str, Provided[FormatterPlugin]]:
        """Return the formatters by name."""
        return self.descriptors("whatsnext_formatters")

    def probes(self) -> Mapping[str, Provided[ProbePlugin]]:
        """Return the resource probes by name."""
        return self.descriptors("whatsnext_resource_probes")

    def notifiers(self) -> Mapping[str, Provided[NotifierPlugin]]:
        """Return the notifiers by name."""
        return self.descriptors("whatsnext_notifiers")

    # -- selection -----------------------------------------------------------------------------------------------------

    def select(self, hook: str, name: str) -> Provided[Any]:
        """Return what ``hook`` offers under ``name``.

        Raises:
            PluginError: no plugin offers it, two do, or the one that should is broken; the message says what to do.
        """
        several = self._offers[hook].get(name, [])
        if len(several) > 1:
            raise PluginError(self._clash(loading.noun(hook), name, several))
        if not several:
            raise PluginError(self._missing(hook, f"{loading.noun(hook)} {name!r}", name, self.descriptors(hook)))
        return several[0]

    def select_formatter(self, name: str) -> Provided[FormatterPlugin]:
        """Return the formatter of this name; PluginError as in ``select``."""
        return self.select("whatsnext_formatters", name)

    def select_notifier(self, name: str) -> Provided[NotifierPlugin]:
        """Return the notifier of this name; PluginError as in ``select``."""
        return self.select("whatsnext_notifiers", name)

    def select_storage(self, url: str) -> Provided[StorageBackend]:
        """Return the storage backend for the scheme of a database URL, where ``+driver`` after the scheme is ignored.

        Raises:
            PluginError: the URL has no scheme, or no plugin or two offer it. The URL itself is never shown: it may
                hold a password.
        """
        match = SCHEME.match(url)
        if match is None:
            raise PluginError("The database is not given as a URL; expected something like sqlite:///q.db.")
        scheme = match[1].lower()
        offers = self._schemes()
        several = offers.get(scheme, [])
        if len(several) > 1:
            raise PluginError(self._clash("storage backend for the scheme", scheme, several))
        if not several:
            what = f"storage backend for databases {scheme}:"
            raise PluginError(self._missing("whatsnext_storage_backends", what, scheme, offers))
        return self.select("whatsnext_storage_backends", several[0].descriptor.name)

    # -- what went wrong -----------------------------------------------------------------------------------------------

    def report(self) -> list[PluginState]:
        """Return every installed plugin of the group with its state, by distribution and name."""
        clashes = list(self._clashes())
        report = []
        for state in self._states:
            lines = [line for line, several in clashes for one in several if _is_from(one, state)]
            report.append(evolve(state, error="; ".join(dict.fromkeys(lines))) if lines else state)
        return report

    def warnings(self) -> list[str]:
        """Return one line for each broken plugin and for each clash of names."""
        broken = [self._broken(state) for state in self._states if state.state is LoadState.BROKEN]
        return broken + [line for line, _ in self._clashes()]

    def _schemes(self) -> dict[str, list[Provided[StorageBackend]]]:
        found: dict[str, list[Provided[StorageBackend]]] = {}
        for several in self._offers["whatsnext_storage_backends"].values():
            for one in several:
                for scheme in one.descriptor.schemes:
                    found.setdefault(scheme.lower(), []).append(one)
        return found

    def _clashes(self) -> Iterable[tuple[str, list[Provided[Any]]]]:
        for hook, offers in self._offers.items():
            for name, several in sorted(offers.items()):
                if len(several) > 1:
                    yield self._clash(loading.noun(hook), name, several), several
        if "whatsnext_storage_backends" in self._offers:
            for scheme, several in sorted(self._schemes().items()):
                if len({one.descriptor.name for one in several}) > 1:
                    yield self._clash("storage backend for the scheme", scheme, several), several

    def _clash(self, what: str, name: str, several: Sequence[Provided[Any]]) -> str:
        sources = " and ".join(one.source for one in several)
        last = several[-1]
        return (
            f"The {what} {name!r} is offered by {sources}; none of them is used. Uninstall one of the packages, "
            f"or disable one of the plugins, the last {_how(self._handle(last.plugin, last.distribution))}"
        )

    def _missing(self, hook: str, what: str, name: str, available: Iterable[str]) -> str:
        text = f"Plugin for the {what} not found in the group {self._group!r}; installed are: "
        text += f"{', '.join(sorted(available)) or 'none'}."
        distribution = distribution_for(hook, name)
        if distribution and all(state.distribution != distribution for state in self._states):
            text += f" Install the package that provides it (pip install {distribution})."
        elif not distribution:
            text += " Make sure that the package providing it is installed."
        off = [state.title for state in self._states if state.state is LoadState.DISABLED]
        if off:
            text += f" Disabled by the configuration: {', '.join(off)}."
        broken = [self._broken(state) for state in self._states if state.state is LoadState.BROKEN]
        return " ".join([text, *broken])

    def _broken(self, state: PluginState) -> str:
        return (
            f"Plugin {state.title} is broken: {state.error}. Upgrade or uninstall {state.distribution}, "
            f"or disable the plugin {_how(self._handle(state.name, state.distribution))}"
        )

    def _handle(self, name: str, distribution: str) -> str:
        """What names a plugin in ``disabled_plugins``, and no other one."""
        alike = sum(loading.normalize(name) in loading.names_of(state) for state in self._states)
        return name if alike == 1 else f"{distribution}:{name}"


def _how(handle: str) -> str:
    return f'by disabled_plugins = ["{handle}"] in the config file or WHATSNEXT_DISABLED_PLUGINS={handle}.'


def _is_from(provided: Provided[Any], state: PluginState) -> bool:
    return (provided.plugin, provided.distribution) == (state.name, state.distribution)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
