"""The options that every command takes, before and after its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

META = "whatsnext.options"
"""Where a context keeps what was given; contexts of one call share it, and what stands later wins."""


def port(text: str) -> int:
    """Return the TCP port of an option; 0 stands for a free one where that makes sense."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise click.BadParameter(f"{text!r} is no port; ports go from 1 to 65535.")
    return int(text)


class CommonOption(click.Option):
    """An option that is the same on every command; help lists these apart."""


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None:
        ctx.meta.setdefault(META, {})[param.name] = value


def common_options(command: F) -> F:
    """Adds the common options to a command; ``Session`` reads them."""
    from whatsnext_client.commands.base import completing

    def option(*names: str, **settings: Any) -> None:
        click.option(*names, cls=CommonOption, expose_value=False, callback=_keep, default=None, **settings)(command)

    option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
    option("--api-key", "-k", "api_key", metavar="KEY", help="Key for the server.")
    option("--project", "project", metavar="NAME", shell_complete=completing.project_names, help="Project to work in.")
    option("--config", "-c", "config", metavar="FILE", type=click.Path(), help="Settings file to use.")
    option("--port", "-p", "port", metavar="PORT", type=port, help="Port of the server.")
    option("--server", "-s", "server", metavar="HOST", help="Host name or URL of the server.")
    return command


def given(ctx: click.Context) -> dict[str, Any]:
    """Return the common options that the user gave, before and after the command's name."""
    found: dict[str, Any] = ctx.meta.get(META, {})
    return found
