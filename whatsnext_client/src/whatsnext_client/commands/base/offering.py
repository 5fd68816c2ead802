"""What a worker started from the command line offers, and how it runs jobs: the options, and what they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from whatsnext_client.commands.base.failures import LocalError
from whatsnext_client.commands.base.values import size

if TYPE_CHECKING:
    from datetime import datetime

    from whatsnext_client.commands.base.session import Session
    from whatsnext_core.formatting import Engine
    from whatsnext_core.model import Capacity
    from whatsnext_core.plugins import Plugins
    from whatsnext_core.probing import Probe

F = TypeVar("F", bound=Callable[..., Any])


class Offer(NamedTuple):
    """What a worker offers; no attrs class, since each help page would wait for that library."""

    capacity: Capacity
    """All of it."""
    ends_at: datetime | None
    """When this machine is taken away, as a probe says."""
    probe: Probe | None
    """What measures its devices while it works; None if it has none that a probe found."""
    cpu_ids: tuple[int, ...]
    """The CPUs that it deals out to its jobs, by number; empty if it pins nothing."""


def offering_options(command: F) -> F:
    """Adds the options of what a worker offers and how it runs jobs."""
    options = (
        click.option("--formatter", default="cli", show_default=True, help="How jobs are run: a formatter's name."),
        click.option("--script", metavar="FILE", help="What runs jobs of tasks without a command."),
        click.option("--executable", metavar="PROGRAM", help="What runs that script.  [default: python]"),
        click.option("--cpus", type=click.IntRange(0), metavar="N", help="CPUs to offer.  [default: those found]"),
        click.option(
            "--accelerators", type=click.IntRange(0), metavar="N", help="Accelerators to offer.  [default: those found]"
        ),
        click.option("--memory", type=size, metavar="SIZE", help="Main memory to offer, as 8G.  [default: that found]"),
        click.option("--pin", is_flag=True, help="Give each job CPUs of its own, which it cannot leave; on Linux."),
        click.option("--label", "labels", multiple=True, metavar="LABEL", help="Label to carry; may be repeated."),
    )
    for option in reversed(options):
        option(command)
    return command


def make_formatter(session: Session, plugins: Plugins, name: str, **overrides: str | None) -> Engine:
    """Return the formatter of this name, with its settings and what the options say otherwise.

    Raises:
        PluginError: there is no formatter of this name, or it is broken.
        ConfigurationError: its settings are wrong.
        LocalError: it has no such setting.
    """
    import attrs

    from whatsnext_core.errors import PluginError, WhatsNextError
    from whatsnext_core.settings import load_plugin_config

    provided = plugins.select_formatter(name)
    kind = provided.descriptor.config
    settings: Any = load_plugin_config(name, kind, config=session.config)
    changes = {key: value for key, value in overrides.items() if value is not None}
    known = {field.name for field in attrs.fields(kind)} if kind is not None and attrs.has(kind) else set()
    for key in changes:
        if key not in known:
            raise LocalError(f"The formatter {name!r} takes no --{key}; its settings are {', '.join(known) or 'none'}.")
    if changes:
        settings = attrs.evolve(settings, **changes)
    try:
        return provided.descriptor.factory(settings)
    except WhatsNextError:
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise PluginError(f"The formatter {name!r} of {provided.source} cannot be made ({cause}).") from error


def make_offer(
    session: Session,
    plugins: Plugins,
    *,
    cpus: int | None,
    accelerators: int | None,
    memory: int | None,
    labels: tuple[str, ...],
    pin: bool,
) -> Offer:
    """Return what the worker offers: what the options say, and for the rest what the probes find."""
    from attrs import evolve

    from whatsnext_client import probes
    from whatsnext_client.engine.pinning import check_pins
    from whatsnext_core.errors import InvalidError
    from whatsnext_core.resources import numbered_devices

    found = probes.measure(plugins, config=session.config, warn=session.output.note)
    together = probes.combine(found.values())
    offer = probes.offer(together)
    changes: dict[str, Any] = {"cpu": cpus, "memory": memory}
    enough = accelerators is None or len(offer.devices) >= accelerators
    if accelerators is not None:
        changes["devices"] = offer.devices[:accelerators] if enough else numbered_devices(accelerators)
    try:
        capacity = evolve(offer, **{key: value for key, value in changes.items() if value is not None})
        capacity = evolve(capacity, labels=capacity.labels | frozenset(labels))
        cpu_ids = check_pins(together.cpu_ids, capacity.cpu) if pin else ()
    except InvalidError as error:
        raise LocalError(str(error)) from error
    probe: Probe | None = None
    if enough and capacity.devices and session.settings.probe_interval > 0:
        probe = probes.Watch(plugins, found, config=session.config, warn=session.output.note)
    if pin and not cpu_ids:
        raise LocalError(
            "--pin needs the numbers of the CPUs, which no probe tells here; on Linux whatsnext-probe-cpu does."
        )
    return Offer(capacity=capacity, ends_at=together.ends_at, probe=probe, cpu_ids=cpu_ids)
