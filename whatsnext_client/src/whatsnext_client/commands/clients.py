"""``whatsnext clients``: the workers that the server knows."""

from __future__ import annotations

import click

from whatsnext_client.commands.base import completing
from whatsnext_client.commands.base.help import Group
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session


@click.group(cls=Group, aliases={"list": "ls"}, examples=["whatsnext clients ls"])
@common_options
def clients() -> None:
    """Look at the workers, and ask one to finish what it runs and leave."""


@clients.command("ls", examples=["whatsnext clients ls", "whatsnext clients ls --all --json"])
@click.option("--all", "everyone", is_flag=True, help="Those that left, too.")
@common_options
@pass_session
def list_clients(session: Session, *, everyone: bool) -> None:
    """List the workers that take jobs."""
    from whatsnext_client.commands.base import columns

    found = list(session.api.clients(active_only=not everyone))
    empty = "No worker has registered yet." if everyone else "No worker is active; start one: whatsnext worker"
    session.output.table(found, columns.CLIENTS, empty=empty)


@clients.command("show", examples=["whatsnext clients show gpu-1"])
@click.argument("client_id", metavar="ID", shell_complete=completing.client_ids)
@common_options
@pass_session
def show(session: Session, client_id: str) -> None:
    """Show all of a worker."""
    from whatsnext_client.commands.base import columns, times

    client = session.api.client(client_id)
    fields = [
        ("id", client["id"]),
        ("name", client["name"]),
        ("entity", client["entity"]),
        ("description", client["description"]),
        ("state", columns.client_state(client)),
        ("cpu", client["available_cpu"]),
        ("accelerators", client["available_accelerators"]),
    ]
    if capacity := client.get("capacity"):
        devices = (f"{one['id']} {one['kind']} {times.memory(one['memory'] or None)}" for one in capacity["devices"])
        fields += [
            ("devices", "\n".join(text.strip() for text in devices)),
            ("memory", times.memory(capacity["memory"])),
            ("labels", " ".join(capacity["labels"])),
        ]
    fields += [
        ("first seen", times.local(client["created_at"])),
        ("last heard", times.local(client["last_heartbeat"])),
    ]
    session.output.record(fields, client)


@clients.command("drain", examples=["whatsnext clients drain gpu-1", "whatsnext clients drain gpu-1 --undo"])
@click.argument("client_id", metavar="ID", shell_complete=completing.client_ids)
@click.option("--undo", is_flag=True, help="Let it take jobs again, if it has not left yet.")
@common_options
@pass_session
def drain(session: Session, client_id: str, *, undo: bool) -> None:
    """Ask a worker to finish what it runs, take no more, and leave."""
    client = session.api.update_client(client_id, {"draining": not undo})
    said = "takes jobs again" if undo else "finishes what it runs, takes no more, and then leaves"
    session.output.say(f"Worker {client_id} {said}.", client)
