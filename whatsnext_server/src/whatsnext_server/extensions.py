"""The plugins of the server that the settings select."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from fastapi import APIRouter

from whatsnext_core.errors import PluginError
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


def load_extensions(settings: ServerSettings, config: str | Path | None = None) -> Extensions:
    """Return the authenticators and routers that the settings name.

    Raises:
        PluginError: one is missing or broken; the message says what to do.
        ConfigurationError: the settings of one are wrong.
    """
    if not settings.authenticators and not settings.routers:
        return Extensions(authenticators={}, routers={})
    plugins = load_plugins(hookspecs.GROUP, hookspecs, disabled=settings.disabled_plugins)
    return Extensions(
        authenticators={
            name: _make(plugins, "whatsnext_server_authenticators", name, config) for name in settings.authenticators
        },
        routers={name: _make(plugins, "whatsnext_server_routers", name, config) for name in settings.routers},
    )


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
