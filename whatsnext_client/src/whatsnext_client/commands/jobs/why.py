"""``whatsnext jobs why``: asks the server why a job stands where it stands, and shows it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.output import STYLES, Document, clean
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import job_id

if TYPE_CHECKING:
    from rich.text import Text

WIDEST: Final = 100
"""Columns that a sentence takes on a terminal, at most."""
GRAVE: Final = frozenset({"archived", "does-not-fit", "failed", "no-client", "silent", "unknown-label"})
"""Codes of what does not pass by itself."""


@click.command("why", cls=Command, examples=["whatsnext jobs why 17", "whatsnext jobs why 17 --json"])
@click.argument("job_id", metavar="ID", type=job_id)
@common_options
@pass_session
def why(session: Session, job_id: int) -> None:
    """Say why a job stands where it stands, the weightiest reason first.

    What it waits for, which workers lack what it needs, what must end before it fits, its place in the queue, when it
    may start, or how it ended; and what can be done about it.
    """
    found = session.api.why(job_id)
    if session.output.as_json:
        session.output.document(found)
    elif sys.stdout.isatty():
        _draw(found)
    else:
        session.output.say(f"Job {found['job_id']} ({found['name']}) is {found['status']}.")
        for reason in found["reasons"]:
            session.output.say(reason["text"])
            if reason["advice"]:
                session.output.say(f"  {reason['advice']}")


def _draw(found: Document) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    status = Text(found["status"], style=f"bold {STYLES.get(found['status'], '')}")
    console.print(
        Text.assemble(("Job ", "bold"), (f"{found['job_id']} ", "bold"), clean(found["name"]), " is ", status)
    )
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=min(console.width, WIDEST) - 2)
    for place, reason in enumerate(found["reasons"]):
        table.add_row(_mark(reason["code"], place), Text(clean(reason["text"]), style="" if place else "bold"))
        if reason["advice"]:
            table.add_row("", Text(f"> {clean(reason['advice'])}", style="cyan"))
    console.print(table)


def _mark(code: str, place: int) -> Text:
    from rich.text import Text

    style = "red" if code in GRAVE else "green" if code in {"completed", "next", "running"} else "yellow"
    return Text("*", style=f"bold {style}" if not place else style)
