"""``whatsnext jobs cancel``, ``retry`` and ``remove``: each takes many jobs, and tells of every one that refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from whatsnext_client.commands.base.failures import RefusedError
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import format_ids, parse_ids


@click.command(
    "cancel", cls=Command, examples=["whatsnext jobs cancel 17 20-25", "whatsnext --project digits jobs cancel --all"]
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All jobs of the project that have not ended.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@common_options
@pass_session
def cancel(session: Session, ids: tuple[str, ...], *, everything: bool, yes: bool) -> None:
    """Cancel jobs: one that waits at once, one that runs as soon as its worker has ended it.

    Each ID is a number or a range such as 17-20.
    """
    chosen = _choose(session, ids, "--all", "PENDING,BLOCKED,QUEUED,RUNNING" if everything else None)
    if everything:
        session.confirm(f"Cancel {len(chosen):,} jobs of project {session.project['name']}?", yes=yes)
    _each(session, chosen, session.api.cancel_job, "Cancelled", _cancelled)


@click.command(
    "retry", cls=Command, examples=["whatsnext jobs retry 17", "whatsnext --project digits jobs retry --failed"]
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--failed", is_flag=True, help="All FAILED jobs of the project.")
@common_options
@pass_session
def retry(session: Session, ids: tuple[str, ...], *, failed: bool) -> None:
    """Bring failed or cancelled jobs back into the queue, with all their retries; what they block may run again, too.

    Each ID is a number or a range such as 17-20.
    """
    chosen = _choose(session, ids, "--failed", "FAILED" if failed else None)
    _each(session, chosen, session.api.retry_job, "Put back", _retried)


@click.command("remove", cls=Command, examples=["whatsnext jobs remove 17", "whatsnext jobs remove 20-25 --yes"])
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@common_options
@pass_session
def remove(session: Session, ids: tuple[str, ...], *, yes: bool) -> None:
    """Delete jobs with their logs; a job that waits for one of them is then blocked.

    Each ID is a number or a range such as 17-20.
    """
    chosen = parse_ids(ids)
    session.confirm(f"Delete jobs {format_ids(chosen)}?", yes=yes)

    def delete(job_id: int) -> dict[str, Any]:
        session.api.transport.delete(f"/jobs/{job_id}")
        return {"id": job_id}

    _each(session, chosen, delete, "Deleted", lambda job: f"Deleted job {job['id']}.")


def _choose(session: Session, ids: tuple[str, ...], option: str, statuses: str | None) -> list[int]:
    """Return the ids given, or those of the project's jobs with these statuses."""
    from whatsnext_client.commands.base.listing import list_jobs

    if bool(ids) == bool(statuses):
        raise click.UsageError(f"Give job ids or {option}, not both." if ids else f"Give job ids, or {option}.")
    if ids:
        return parse_ids(ids)
    return [job["id"] for job in list_jobs(session.api, status=statuses, project_id=session.project["id"])]


def _each(
    session: Session,
    ids: list[int],
    act: Callable[[int], dict[str, Any]],
    done: str,
    describe: Callable[[dict[str, Any]], str],
) -> None:
    """Acts on every job, says what came of each, and ends with RefusedError if any refused."""
    from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError

    changed: list[dict[str, Any]] = []
    refused: list[str] = []
    for job_id in ids:
        try:
            changed.append(act(job_id))
        except (ConflictError, InvalidError, NotFoundError) as error:
            refused.append(str(error))
    if session.output.as_json:
        session.output.document({"jobs": changed, "refused": refused})
    elif len(changed) > 20:  # noqa: PLR2004 - more lines than this tell less than their sum
        session.output.say(f"{done} {len(changed):,} jobs: {format_ids([job['id'] for job in changed])}.")
    else:
        for job in changed:
            session.output.say(describe(job))
    if not ids:
        session.output.note("There is no such job, so nothing was done.")
    if refused:
        more = f"\n... and {len(refused) - 20:,} more" if len(refused) > 20 else ""  # noqa: PLR2004 - as above
        raise RefusedError("\n".join(refused[:20]) + more)


def _cancelled(job: dict[str, Any]) -> str:
    if job["status"] in {"QUEUED", "RUNNING"}:
        return (
            f"Job {job['id']} ({job['name']}) is asked to end; it is cancelled once worker {job['client_id']} says so."
        )
    return f"Job {job['id']} ({job['name']}) is {job['status']}."


def _retried(job: dict[str, Any]) -> str:
    if job["status"] == "BLOCKED":
        return f"Job {job['id']} ({job['name']}) is still BLOCKED; `whatsnext jobs why {job['id']}` tells by what."
    return f"Job {job['id']} ({job['name']}) waits in the queue again."
