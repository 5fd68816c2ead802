"""``whatsnext status`` and ``whatsnext test-auth``: whether the server answers, and lets this client in."""

from __future__ import annotations

from operator import itemgetter

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session

SHOWN = ("PENDING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "BLOCKED")


@click.command(cls=Command, examples=["whatsnext status", "whatsnext --project digits status --json"])
@common_options
@pass_session
def status(session: Session) -> None:
    """Show whether the server answers, which workers it has, and how many jobs are where.

    With a project (from the option or the settings) only that one's jobs are counted.
    """
    from whatsnext_client.commands.base.output import Column

    session.api.transport.greet()
    session.api.transport.get("/checkdb")
    workers = list(session.api.clients())
    named = session.settings.project
    found = [session.project] if named else [one for one in session.api.all_projects() if one["status"] == "ACTIVE"]
    rows = [{"id": project["id"], "name": project["name"], **session.api.counts(project["id"])} for project in found]
    if session.output.as_json:
        data = {"server": session.address.url, "ok": True, "workers": len(workers), "projects": rows}
        session.output.document(data)
        return
    cpus = sum(worker["available_cpu"] for worker in workers)
    accelerators = sum(worker["available_accelerators"] for worker in workers)
    session.output.record(
        [
            ("server", f"{session.address.url} answers, and so does its database"),
            (
                "workers",
                f"{len(workers)} active, with {cpus} CPUs and {accelerators} accelerators" if workers else "none",
            ),
        ],
        None,
    )
    click.echo()
    columns = [Column("project", lambda row: row["name"])]
    columns += [Column(name.lower(), itemgetter(name), right=True) for name in SHOWN]
    session.output.table(rows, columns, empty="There are no projects; make one: whatsnext projects create NAME")


@click.command("test-auth", cls=Command, examples=["whatsnext test-auth", "whatsnext test-auth --api-key secret"])
@common_options
@pass_session
def test_auth(session: Session) -> None:
    """Check that the server lets this client in with the key that it has."""
    from whatsnext_client.errors import NotAuthenticatedError

    try:
        session.transport(None).get("/projects/", {"limit": 1})
    except NotAuthenticatedError:
        needed = True
    else:
        needed = False
    if not needed:
        key = " the key that you have is not looked at." if session.api_key else ""
        session.output.say(
            f"The server at {session.address.url} asks for no key{';' + key if key else '.'}",
            {"server": session.address.url, "ok": True, "key_needed": False},
        )
        return
    session.api.transport.get("/projects/", {"limit": 1})
    session.output.say(
        f"The server at {session.address.url} accepts the key.",
        {"server": session.address.url, "ok": True, "key_needed": True},
    )
