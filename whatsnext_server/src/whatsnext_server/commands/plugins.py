"""``whatsnext-server plugins``."""

from __future__ import annotations

import json

import click

from whatsnext_core.converters import to_json
from whatsnext_core.plugins import load_plugins
from whatsnext_server import hookspecs
from whatsnext_server.commands.options import config_option, setting_options, told
from whatsnext_server.config import load_server_settings


@click.command(short_help="List the installed plugins.")
@config_option
@setting_options("disabled_plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@told
def plugins(config: str | None, as_json: bool, **given: str | None) -> None:
    """List the installed plugins that a server can use: storage backends, notifiers, routers, authenticators.

    A broken one is shown with the cause; it does no harm unless it was selected.
    """
    settings = load_server_settings(config=config, overrides=given)
    states = [
        state
        for group in (
            load_plugins(disabled=settings.disabled_plugins, warn=lambda _: None),
            load_plugins(hookspecs.GROUP, hookspecs, disabled=settings.disabled_plugins, warn=lambda _: None),
        )
        for state in group.report()
    ]
    if as_json:
        click.echo(json.dumps([to_json(state) for state in states], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("plugin", "distribution", "version", "offers", "state", box=None, header_style="bold")
    for state in states:
        shown = state.state.value + (f": {state.error}" if state.error else "")
        table.add_row(state.name, state.distribution, state.version, ", ".join(state.offers), shown)
    Console().print(table)


__all__ = ["plugins"]
