"""``whatsnext worker``: runs jobs on this machine."""

from __future__ import annotations

import getpass
import math
import socket
from typing import TYPE_CHECKING, Any

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.offering import Offer, make_formatter, make_offer, offering_options
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import duration

if TYPE_CHECKING:
    from datetime import datetime

    from whatsnext_client.client import Client
    from whatsnext_client.rest import Document
    from whatsnext_core.formatting import Engine


@click.command(
    cls=Command,
    examples=[
        "whatsnext worker --forever",
        "whatsnext --project digits worker --once --cpus 4 --memory 8G",
        "whatsnext worker --forever --formatter slurm --name cluster --label site=basement",
        "whatsnext worker --once --executable python --script train.py",
    ],
)
@offering_options
@click.option("--name", metavar="TEXT", help="Name for people.  [default: the host's name]")
@click.option("--entity", metavar="TEXT", help="Who it belongs to.  [default: the user's name]")
@click.option("--id", "client_id", metavar="ID", help="Its id on the server.  [default: made up once, and kept]")
@click.option(
    "--once/--forever", default=True, help="End when no job is left for it, or wait for more.  [default: once]"
)
@click.option("--idle", type=duration, metavar="TIME", help="End after so long without a job: 90, 10m, 2h.")
@click.option("--lifetime", type=duration, metavar="TIME", help="Take no more jobs after so long.")
@click.option(
    "--end-margin",
    type=duration,
    default="60",
    show_default="60",
    metavar="TIME",
    help="How long before its machine is taken away, as a batch allocation is, it ends what runs and leaves.",
)
@click.option("--transient", is_flag=True, help="It does not come back: at its end the server forgets it.")
@click.option("--state-dir", metavar="DIR", type=click.Path(), help="Where it keeps what it needs after a restart.")
@click.option("--verbose", "-v", is_flag=True, help="Tell more.")
@common_options
@pass_session
def worker(
    session: Session,
    /,
    *,
    formatter: str,
    script: str | None,
    executable: str | None,
    client_id: str | None,
    once: bool,
    idle: float | None,
    lifetime: float | None,
    end_margin: float,
    transient: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Run jobs on this machine: those of the project, or without one those of all projects.

    It offers what it finds (see `whatsnext probe`) or what the options say, and runs as many jobs at once as fit.
    Ctrl-C lets it finish what runs, take no more, and leave; a second one ends the running jobs, too, which return to
    the queue.

    Where a probe knows when the machine is taken away, as inside of an allocation of Slurm, it takes no job that may
    take longer than that (by the job's timeout and the task's grace), and before the end it leaves by itself.
    """
    from whatsnext_client.commands.base.logging import log_to_stderr
    from whatsnext_core.plugins import load_plugins

    log_to_stderr(verbose=verbose)
    plugins = load_plugins(disabled=session.disabled_plugins, warn=session.output.note)
    engine = make_formatter(session, plugins, formatter, script=script, executable=executable)
    offer = make_offer(
        session, plugins, **{key: given.pop(key) for key in ("cpus", "accelerators", "memory", "labels", "pin")}
    )
    if not once:
        wait_for_server(session)
    project = session.find_project(session.project_name, patiently=not once) if session.settings.project else None
    with make_client(
        session, engine, offer, project=project, client_id=client_id, patiently=not once, **given
    ) as client:
        greet(session, client, formatter, offer.ends_at)
        count = client.work(
            run_forever=not once, idle_time=idle, lifetime=lifetime, ends_at=offer.ends_at, margin=end_margin
        )
        if transient:
            client.unregister()
    session.output.say(f"Executed {count:,} job{'' if count == 1 else 's'}.", {"id": client.id, "executed": count})


def wait_for_server(session: Session) -> None:
    """Wait until the server answers: a worker that goes on for ever does so at its start, too.

    An earlier one of its name may have left jobs here that run, and that nobody else can speak for.
    """
    from whatsnext_client.errors import ServerUnreachableError

    transport = session.transport(None)
    try:
        transport.greet()
    except ServerUnreachableError as error:
        session.output.note(f"{error} Waiting until it answers.")
        transport.greet(wait_for=math.inf)


def make_client(
    session: Session,
    engine: Engine,
    offer: Offer,
    *,
    project: Document | None,
    name: str | None = None,
    entity: str | None = None,
    client_id: str | None = None,
    state_dir: str | None = None,
    patiently: bool = False,
) -> Client:
    """Return the worker, known to the server; without a project it takes the jobs of all."""
    from whatsnext_client.client import Client
    from whatsnext_client.project import Project
    from whatsnext_client.server import Server

    settings = session.settings
    server = Server(
        session.address.url,
        api_key=session.api_key,
        timeout=settings.timeout,
        retry_for=settings.retry_for,
        wait_for=settings.retry_for if patiently else 0.0,
    )
    return Client(
        entity=entity if entity is not None else _user(),
        name=name or socket.gethostname(),
        project=Project(server.rest, project) if project else server,
        formatter=engine,
        available_cpu=offer.capacity.cpu,
        devices=offer.capacity.devices,
        memory=offer.capacity.memory,
        labels=offer.capacity.labels,
        id=client_id,
        state_dir=state_dir or settings.state_dir,
        probe=offer.probe,
        probe_interval=settings.probe_interval,
        cpu_ids=offer.cpu_ids,
    )


def greet(session: Session, client: Client, formatter: str, ends_at: datetime | None = None) -> None:
    """Says on stderr what the worker is and offers."""
    from whatsnext_client.commands.base import times

    capacity = client.capacity
    parts = [f"{capacity.cpu} CPU{'' if capacity.cpu == 1 else 's'}"]
    if capacity.devices:
        parts.append(f"{len(capacity.devices)} accelerator{'' if len(capacity.devices) == 1 else 's'}")
    if capacity.memory is not None:
        parts.append(f"{times.memory(capacity.memory)} of memory")
    parts += sorted(capacity.labels)
    until = f" until {times.ahead(ends_at)}" if ends_at else ""
    project = " and ".join(f"project {each.label}" for each in client.projects) or "all projects"
    session.output.note(
        f"Worker {client.id} offers {', '.join(parts)} to {project} on {session.address.url}{until}, "
        f"by formatter {formatter}."
    )


def _user() -> str:
    """Return who runs this; empty for a user without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
