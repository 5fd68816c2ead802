"""The plugins of the server that the settings select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from fastapi import APIRouter

from whatsnext_core.errors import PluginError
from whatsnext_core.notifying import Notifier
from whatsnext_core.plugins import Plugins, load_plugins
from whatsnext_core.settings import load_plugin_config
from whatsnext_server import hookspecs
from whatsnext_server.config import ServerSettings
from whatsnext_server.hookspecs import Authenticator


@frozen(kw_only=True)
class Extensions:
    """What plugins add to a server."""

    authenticators: Mapping[str, Authenticator]
    """By name, in the order in which they are asked."""
    routers: Mapping[str, APIRouter]
    """By name, in the order in which they are served."""
    notifiers: Mapping[str, Notifier]
    """By name."""


def load_extensions(settings: ServerSettings, config: str | Path | None = None) -> Extensions:
    """Return the authenticators, routers and notifiers that the settings name.

    Raises:
        PluginError: one is missing or broken; the message says what to do.
        ConfigurationError: the settings of one are wrong.
    """
    return Extensions(
        authenticators=_made("whatsnext_server_authenticators", settings.authenticators, settings, config),
        routers=_made("whatsnext_server_routers", settings.routers, settings, config),
        notifiers=_made("whatsnext_notifiers", settings.notifiers, settings, config),
    )


def _made(hook: str, names: Sequence[str], settings: ServerSettings, config: str | Path | None) -> Mapping[str, Any]:
    if not names:
        return {}
    if hook in vars(hookspecs):
        plugins = load_plugins(hookspecs.GROUP, hookspecs, disabled=settings.disabled_plugins)
    else:  # what is broken there is told when the storage is opened
        plugins = load_plugins(disabled=settings.disabled_plugins, warn=lambda _: None)
    return {name: _make(plugins, hook, name, config) for name in names}


def _make(plugins: Plugins, hook: str, name: str, config: str | Path | None) -> Any:
    provided = plugins.select(hook, name)
    options = load_plugin_config(name, provided.descriptor.config, config=config)
    try:
        return provided.descriptor.factory(options)
    except Exception as error:
        raise PluginError(
            f"{name!r} of {provided.source} could not be made: {error}. See its configuration."
        ) from error


__all__ = ["Extensions", "load_extensions"]
