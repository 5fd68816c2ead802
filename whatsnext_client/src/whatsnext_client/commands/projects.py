"""``whatsnext projects``: what holds tasks and jobs."""

from __future__ import annotations

import itertools

import click

from whatsnext_client.commands.base import completing
from whatsnext_client.commands.base.help import Group
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session


@click.group(cls=Group, aliases={"ls": "list", "rm": "delete"}, examples=["whatsnext projects list"])
@common_options
def projects() -> None:
    """Make, list and delete projects; each holds its own tasks and jobs."""


@projects.command("list", examples=["whatsnext projects list", "whatsnext projects ls --status archived --json"])
@click.option(
    "--status",
    type=click.Choice(["ACTIVE", "ARCHIVED", "ALL"], case_sensitive=False),
    default="ALL",
    show_default=True,
    help="Only projects with this status.",
)
@click.option("--limit", type=click.IntRange(0), default=0, help="At most so many; 0 for all.")
@common_options
@pass_session
def list_projects(session: Session, status: str, limit: int) -> None:
    """List the projects of the server."""
    from whatsnext_client.commands.base import columns

    fitting = (one for one in session.api.all_projects() if status in {"ALL", one["status"]})
    found = list(itertools.islice(fitting, limit or None))
    session.output.table(
        found, columns.PROJECTS, empty="There are no projects; make one: whatsnext projects create NAME"
    )


@projects.command("create", examples=["whatsnext projects create digits --description 'a sweep over digits'"])
@click.argument("name")
@click.option("--description", default="", help="Free text.")
@common_options
@pass_session
def create(session: Session, name: str, description: str) -> None:
    """Make a project."""
    project = session.api.create_project(name, description)
    session.output.say(f"Created project {project['name']} with id {project['id']}.", project)


@projects.command(
    "show", examples=["whatsnext projects show digits", "whatsnext --project digits projects show --json"]
)
@click.argument("name", required=False, shell_complete=completing.project_names)
@common_options
@pass_session
def show(session: Session, name: str | None) -> None:
    """Show a project, and how many of its jobs are in which status; without NAME the configured project."""
    from whatsnext_client.commands.base import times

    project = session.find_project(name) if name else session.project
    counts = session.api.counts(project["id"])
    tasks = list(session.api.tasks(project["id"]))
    fields = [
        ("id", project["id"]),
        ("name", project["name"]),
        ("status", project["status"]),
        ("description", project["description"]),
        ("created", times.local(project["created_at"])),
        ("updated", times.local(project["updated_at"])),
        ("tasks", ", ".join(task["name"] for task in tasks)),
        ("jobs", f"{sum(counts.values()):,}"),
        *((f"  {status.lower()}", f"{number:,}") for status, number in counts.items() if number),
    ]
    session.output.record(fields, {**project, "counts": counts, "tasks": [task["name"] for task in tasks]})


@projects.command("delete", examples=["whatsnext projects delete digits", "whatsnext projects delete digits --yes"])
@click.argument("name", shell_complete=completing.project_names)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@common_options
@pass_session
def delete(session: Session, name: str, *, yes: bool) -> None:
    """Delete a project with all its tasks, jobs and logs; asks first on a terminal."""
    project = session.find_project(name)
    total = sum(session.api.counts(project["id"]).values())
    session.confirm(f"Delete project {name} with its tasks and {total:,} jobs?", yes=yes)
    session.api.delete_project_named(name)
    session.output.say(f"Deleted project {name}.", {"deleted": project["id"], "name": name})


@projects.command("archive", examples=["whatsnext projects archive digits", "whatsnext projects archive digits --undo"])
@click.argument("name", shell_complete=completing.project_names)
@click.option("--undo", is_flag=True, help="Bring it back into use.")
@common_options
@pass_session
def archive(session: Session, name: str, *, undo: bool) -> None:
    """Put a project out of use: it takes no new jobs and hands none out, and keeps what it has."""
    project = session.find_project(name)
    changed = session.api.update_project(project["id"], {"status": "ACTIVE" if undo else "ARCHIVED"})
    session.output.say(f"Project {name} is {changed['status'].lower()} now.", changed)
