"""The generated parts, each made from the installed programs."""

from __future__ import annotations

from reference_pages import commands
from reference_pages import rest as endpoints
from reference_pages.settings import render_settings

__all__ = [
    "client_commands",
    "client_settings",
    "formatters",
    "plugin_settings",
    "rest",
    "server_commands",
    "server_settings",
]


def rest() -> str:
    """Return every endpoint and every schema."""
    from whatsnext_server.app import create_app

    return endpoints.render(create_app().openapi())


def formatters() -> str:
    """Return the formatters that the face exports, each from its docstrings."""
    from whatsnext.api.client.lazy import installed_formatters

    lines = [f".. autoclass:: whatsnext.api.client.{name}\n" for name in sorted(installed_formatters())]
    return "\n".join(["```{eval-rst}", *lines, "```\n"])


def server_settings() -> str:
    """Return the settings of the section ``[server]``."""
    from whatsnext_server.config import ServerSettings

    return render_settings(ServerSettings)


def client_settings() -> str:
    """Return the settings of the section ``[client]``."""
    from whatsnext_client.config import ClientSettings

    return render_settings(ClientSettings)


def plugin_settings() -> str:
    """Return the settings of every installed plugin that has some."""
    from whatsnext_autoscale_slurm.settings import SECTION as AUTOSCALE_SECTION
    from whatsnext_autoscale_slurm.settings import AutoscaleSettings
    from whatsnext_core.plugins import load_plugins

    plugins = load_plugins()
    groups = (plugins.formatters(), plugins.probes(), plugins.storage_backends(), plugins.notifiers())
    found = [
        f"### [plugins.{name}]\n\n{provided.descriptor.summary}; in `{provided.distribution}`.\n\n"
        + render_settings(provided.descriptor.config, environment=False)
        for group in groups
        for name, provided in group.items()
        if provided.descriptor.config is not None
    ]
    section, words = AUTOSCALE_SECTION, "what `whatsnext autoscale slurm` does; in `whatsnext-autoscale-slurm`"
    found.append(f"### [plugins.{section}]\n\n{words}.\n\n" + render_settings(AutoscaleSettings, environment=False))
    return "\n".join(found)


def client_commands() -> str:
    """Return the commands of ``whatsnext``."""
    from whatsnext_client.cli import cli

    return commands.render(cli, "whatsnext")


def server_commands() -> str:
    """Return the commands of ``whatsnext-server``."""
    from whatsnext_server.cli import main

    return commands.render(main, "whatsnext-server")
