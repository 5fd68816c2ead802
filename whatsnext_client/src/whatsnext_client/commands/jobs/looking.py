"""``whatsnext jobs list``, ``show`` and ``attempts``."""

from __future__ import annotations

import click

from whatsnext_client.commands.base import completing
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import job_id, statuses


@click.command(
    "list",
    cls=Command,
    examples=[
        "whatsnext --project digits jobs ls",
        "whatsnext jobs ls --status failed,blocked --limit 0",
        "whatsnext jobs ls --task train --json",
    ],
)
@click.option("--status", type=statuses, metavar="STATUS", help="Only jobs with it; several by comma.")
@click.option("--task", shell_complete=completing.task_names, help="Only jobs of this task.")
@click.option("--name", help="Only jobs with exactly this name.")
@click.option(
    "--order",
    type=click.Choice(["newest", "oldest", "queue"]),
    default="newest",
    show_default=True,
    help="Newest or oldest first, or as the queue is served.",
)
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="At most so many; 0 for all.")
@common_options
@pass_session
def list_command(
    session: Session, *, status: str | None, task: str | None, name: str | None, order: str, limit: int
) -> None:
    """List the jobs of the project, the newest first; without a project those of all."""
    from whatsnext_client.commands.base import columns
    from whatsnext_client.commands.base.listing import list_jobs

    where = {"status": status, "task": task, "name": name}
    if session.settings.project:
        where["project_id"] = session.project["id"]
    found = list_jobs(session.api, limit=limit and limit + 1, order=order, **where)
    more = bool(limit) and len(found) > limit
    narrowed = " like that" if status or task or name else ""
    session.output.table(found[:limit] if more else found, columns.JOBS, empty=f"There are no jobs{narrowed}.")
    if more:
        session.output.note(f"Only the first {limit:,} are shown; --limit 0 shows all.")


@click.command("show", cls=Command, examples=["whatsnext jobs show 17", "whatsnext jobs show 17 --json"])
@click.argument("job_id", metavar="ID", type=job_id)
@common_options
@pass_session
def show(session: Session, job_id: int) -> None:
    """Show all of a job, and every attempt to run it."""
    from whatsnext_client.commands.base import columns

    job = session.api.job(job_id)
    session.output.record(columns.job_fields(job), job)
    if job["attempt"] and not session.output.as_json:
        click.echo()
        session.output.table(session.api.attempts(job_id), columns.ATTEMPTS, empty="")


@click.command("attempts", cls=Command, examples=["whatsnext jobs attempts 17"])
@click.argument("job_id", metavar="ID", type=job_id)
@common_options
@pass_session
def attempts(session: Session, job_id: int) -> None:
    """List every attempt to run a job: where, how long, and how it ended."""
    from whatsnext_client.commands.base import columns

    found = session.api.attempts(job_id)
    session.output.table(found, columns.ATTEMPTS, empty=f"No worker has claimed job {job_id} yet.")
