"""The group ``whatsnext jobs``."""

from __future__ import annotations

import click

from whatsnext_client.commands.base.help import Group
from whatsnext_client.commands.base.options import common_options

_HERE = "whatsnext_client.commands.jobs"


@click.group(
    cls=Group,
    lazy={
        "list": f"{_HERE}.looking:list_command",
        "add": f"{_HERE}.submitting:add",
        "submit": f"{_HERE}.submitting:submit",
        "show": f"{_HERE}.looking:show",
        "attempts": f"{_HERE}.looking:attempts",
        "logs": f"{_HERE}.logs:logs",
        "artifacts": f"{_HERE}.artifacts:artifacts",
        "wait": f"{_HERE}.waiting:wait",
        "watch": f"{_HERE}.watch:watch",
        "why": f"{_HERE}.why:why",
        "cancel": f"{_HERE}.changing:cancel",
        "retry": f"{_HERE}.changing:retry",
        "remove": f"{_HERE}.changing:remove",
    },
    aliases={"ls": "list", "rm": "remove", "delete": "remove"},
    examples=[
        "whatsnext --project digits jobs add train --param lr=0.1",
        "whatsnext --project digits jobs submit sweep.jsonl",
        "whatsnext --project digits jobs ls --status failed",
    ],
)
@common_options
def jobs() -> None:
    """Submit jobs, see where they stand and what they print and leave, cancel and retry them."""
