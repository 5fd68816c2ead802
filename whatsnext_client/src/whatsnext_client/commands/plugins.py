"""``whatsnext plugins``: what is installed beside the client, and whether it works."""

from __future__ import annotations

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session


@click.command(cls=Command, examples=["whatsnext plugins", "whatsnext plugins --json"])
@common_options
@pass_session
def plugins(session: Session) -> None:
    """List the plugins installed here: formatters, probes, storage backends, commands.

    A broken one is listed with its error, and hurts no other.
    """
    from whatsnext_client import hookspecs
    from whatsnext_client.commands.base.output import Column
    from whatsnext_core.converters import to_json
    from whatsnext_core.plugins import load_plugins

    disabled = session.disabled_plugins
    states = load_plugins(disabled=disabled, warn=session.output.note).report()
    states += load_plugins(hookspecs.GROUP, hookspecs, disabled=disabled, warn=session.output.note).report()
    columns = (
        Column("plugin", lambda state: state["name"]),
        Column("state", lambda state: state["state"]),
        Column("offers", lambda state: ", ".join(state["offers"])),
        Column("distribution", lambda state: state["distribution"]),
        Column("version", lambda state: state["version"]),
        Column("group", lambda state: state["group"]),
    )
    session.output.table([to_json(state) for state in states], columns, empty="No plugin is installed.")
