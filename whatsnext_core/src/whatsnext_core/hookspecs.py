"""The hooks by which plugins are discovered.

Hooks discover, typed Protocols behave: each hook takes no arguments and returns an iterable of frozen descriptors, and
what a descriptor's factory makes meets the contract of its kind. A hook is called once, when the plugin is loaded, in
the process that loads it; it must be quick and must not talk to anything. Selection is by name, from the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pluggy
from attrs import frozen

if TYPE_CHECKING:  # so that a command line with plugins answers at once
    from whatsnext_core.formatting.contract import Engine
    from whatsnext_core.notifying import Notifier
    from whatsnext_core.probing import Probe
    from whatsnext_core.storage.protocol import Storage

PROJECT = "whatsnext"
"""The name of the hook markers and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@frozen(kw_only=True)
class StorageBackend:
    """A storage backend that can be selected by the scheme of the database URL."""

    name: str
    """Its name, for messages and configuration."""
    summary: str
    """One line for people."""
    schemes: tuple[str, ...]
    """URL schemes that it opens ("sqlite")."""
    open: Callable[[str, Any], Storage]
    """Opens a URL with the structured configuration; creates or upgrades the schema only if that says so.

    Raises UnreachableStorageError for a database that may come by itself: a server that starts waits and tries again.
    """
    config: type | None = None
    """The attrs class of its ``[plugins.<name>]`` section; None if it has no settings."""
    upgrade: Callable[[str, Any], str] | None = None
    """Brings the schema at a URL up to date and returns what it did, in a line; None if it has no schema."""
    shared: tuple[str, ...] = ()
    """Those of the schemes whose databases several server processes may have open at once."""


@frozen(kw_only=True)
class FormatterPlugin:
    """A formatter that can be selected by name."""

    name: str
    """Its name ("slurm")."""
    summary: str
    """One line for people."""
    factory: Callable[[Any], Engine]
    """Makes the formatter from the structured configuration."""
    config: type | None = None
    """The attrs class of its ``[plugins.<name>]`` section."""


@frozen(kw_only=True)
class ProbePlugin:
    """A resource probe. All are asked, unless the configuration disables one by name."""

    name: str
    """Its name ("cpu")."""
    summary: str
    """One line for people."""
    factory: Callable[[Any], Probe]
    """Makes the probe from the structured configuration."""
    config: type | None = None
    """The attrs class of its ``[plugins.<name>]`` section."""


@frozen(kw_only=True)
class NotifierPlugin:
    """A notifier that can be selected by name."""

    name: str
    """Its name ("webhook")."""
    summary: str
    """One line for people."""
    factory: Callable[[Any], Notifier]
    """Makes the notifier from the structured configuration."""
    config: type | None = None
    """The attrs class of its ``[plugins.<name>]`` section."""


# -- hooks of the group ``whatsnext`` ----------------------------------------------------------------------------------


@hookspec
def whatsnext_storage_backends() -> Iterable[StorageBackend]:  # type: ignore[empty-body]  # a specification has none
    """Return the storage backends of this plugin.

    Called in the server, once, when it starts. A backend whose scheme nobody selected is never opened; if the hook
    fails, the plugin is skipped with one line, and it is fatal only if the configured URL needs one of its schemes.

    Example::

        @hookimpl
        def whatsnext_storage_backends():
            return [StorageBackend(name="lmdb", summary="LMDB in a folder", schemes=("lmdb",), open=open_lmdb)]

    .. versionadded:: 0.1
    """


@hookspec
def whatsnext_formatters() -> Iterable[FormatterPlugin]:  # type: ignore[empty-body]  # a specification has none
    """Return the formatters of this plugin.

    Called in the client, once, when a worker starts. If the hook fails, the plugin is skipped with one line, and it is
    fatal only if the selected formatter is one of its own.

    Example::

        @hookimpl
        def whatsnext_formatters():
            return [FormatterPlugin(name="at", summary="the at daemon", factory=AtFormatter.from_config)]

    .. versionadded:: 0.1
    """


@hookspec
def whatsnext_resource_probes() -> Iterable[ProbePlugin]:  # type: ignore[empty-body]  # a specification has none
    """Return the resource probes of this plugin.

    Called in the client, once, when a worker starts or ``whatsnext probe`` runs. A probe that fails or hangs costs a
    warning and contributes nothing. One that reports devices is asked again while the worker runs.

    Example::

        @hookimpl
        def whatsnext_resource_probes():
            return [ProbePlugin(name="fpga", summary="FPGA cards", factory=lambda config: FpgaProbe())]

    .. versionadded:: 0.1
    """


@hookspec
def whatsnext_notifiers() -> Iterable[NotifierPlugin]:  # type: ignore[empty-body]  # a specification has none
    """Return the notifiers of this plugin.

    Called in the server, once, when it starts. Only notifiers that the configuration names are made; they get every
    event after its commit, at least once, and a failing one is called again with back-off and never holds up a job.

    Example::

        @hookimpl
        def whatsnext_notifiers():
            return [NotifierPlugin(name="webhook", summary="HTTP POST", factory=Webhook, config=WebhookConfig)]

    .. versionadded:: 0.1
    """
