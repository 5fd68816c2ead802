"""``whatsnext probe``: what a worker here would offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session

if TYPE_CHECKING:
    from whatsnext_core.model import Capacity


@click.command(cls=Command, examples=["whatsnext probe", "whatsnext probe --json"])
@common_options
@pass_session
def probe(session: Session) -> None:
    """Measure this machine with all installed probes, and show what a worker here would offer."""
    from whatsnext_client import probes
    from whatsnext_client.commands.base import times
    from whatsnext_core.converters import to_json
    from whatsnext_core.plugins import load_plugins

    plugins = load_plugins(disabled=session.disabled_plugins, warn=session.output.note)
    found = probes.measure(plugins, config=session.config, warn=session.output.note)
    together = probes.combine(found.values())
    capacity = probes.offer(together)
    until = [("until", times.ahead(together.ends_at))] if together.ends_at else []
    fields = [*described(capacity), *until, ("probes", ", ".join(found) or "none")]
    data = {
        "offer": to_json(capacity),
        "ends_at": to_json(together.ends_at),
        "probes": {name: to_json(each) for name, each in found.items()},
    }
    session.output.record(fields, data)


def described(capacity: Capacity) -> list[tuple[str, object]]:
    """Return what a machine offers, one field a line."""
    from whatsnext_client.commands.base import times

    devices = (
        f"{one.id} {one.kind} {times.memory(one.memory or None)}".strip() + " (in use by others)" * (one.free == 0)
        for one in capacity.devices
    )
    return [
        ("cpus", capacity.cpu),
        ("memory", times.memory(capacity.memory)),
        ("accelerators", "\n".join(devices) or "none"),
        ("labels", " ".join(sorted(capacity.labels))),
    ]
