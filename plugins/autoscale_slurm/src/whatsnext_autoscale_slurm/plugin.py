"""The plugin module that the `autoscale-slurm` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from whatsnext_client.hookspecs import CommandPlugin, hookimpl

if TYPE_CHECKING:
    import click


def make_command() -> click.Command:
    """Return the command, imported only now: it is rarely the one that is run."""
    from whatsnext_autoscale_slurm.commands import autoscale

    return autoscale


@hookimpl
def whatsnext_cli_commands() -> Iterable[CommandPlugin]:
    """Return the command of this package."""
    summary = "Start workers on a cluster as the queue needs them."
    return [CommandPlugin(name="autoscale", summary=summary, factory=make_command)]
