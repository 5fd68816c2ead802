"""``whatsnext queue``: what waits in a project."""

from __future__ import annotations

import click

from whatsnext_client.commands.base.help import Group
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session


@click.group(cls=Group, aliases={"list": "ls"}, examples=["whatsnext --project digits queue ls"])
@common_options
def queue() -> None:
    """Look at the jobs that wait, in the order in which they would start, or empty the queue."""


@queue.command("ls", examples=["whatsnext queue ls", "whatsnext queue ls --limit 5 --json"])
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="At most so many; 0 for all.")
@common_options
@pass_session
def list_queue(session: Session, limit: int) -> None:
    """List the pending jobs of the project, the next one first.

    The order is by priority, then age. A job further down starts earlier where those before it do not fit, or still
    wait for other jobs: `whatsnext jobs why ID` tells.
    """
    from whatsnext_client.commands.base import columns
    from whatsnext_client.commands.base.listing import list_jobs

    project = session.project
    found = list_jobs(session.api, limit=limit, order="queue", status="PENDING", project_id=project["id"])
    session.output.table(found, columns.QUEUE, empty=f"The queue of project {project['name']} is empty.")
    total = session.api.counts(project["id"])["PENDING"]
    if len(found) < total:
        session.output.note(f"{len(found):,} of {total:,} pending jobs; --limit 0 shows all.")


@queue.command("clear", examples=["whatsnext --project digits queue clear --yes"])
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@common_options
@pass_session
def clear(session: Session, *, yes: bool) -> None:
    """Delete all pending jobs of the project; asks first on a terminal. What runs goes on."""
    project = session.project
    total = session.api.counts(project["id"])["PENDING"]
    session.confirm(f"Delete {total:,} pending jobs of project {project['name']}?", yes=yes)
    deleted = session.api.clear_queue(project["id"])
    session.output.say(f"Deleted {deleted:,} jobs from the queue of project {project['name']}.", {"deleted": deleted})
