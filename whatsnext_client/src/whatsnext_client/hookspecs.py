"""The hooks of the entry-point group ``whatsnext.client``: what plugins add to the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import frozen

from whatsnext_client.commands.base.discovery import GROUP
from whatsnext_core.hookspecs import hookimpl, hookspec

if TYPE_CHECKING:
    import click


@frozen(kw_only=True)
class CommandPlugin:
    """A command, or a group of commands, that a plugin adds to ``whatsnext``."""

    name: str
    """What is typed after ``whatsnext``."""
    summary: str
    """One line for people."""
    factory: Callable[[], click.Command]
    """Makes the click command; called only when it is run, or its own help is asked for."""


@hookspec
def whatsnext_cli_commands() -> Iterable[CommandPlugin]:  # type: ignore[empty-body]  # a specification has none
    """Return the commands of this plugin.

    Called in the command line's own process, when it lists its commands and when a name is typed that is none of the
    built-in ones; those win, whatever a plugin calls its own. A plugin whose import or hook fails costs one line on
    stderr and hides no other command.

    Example::

        @hookimpl
        def whatsnext_cli_commands():
            return [CommandPlugin(name="cost", summary="What the jobs cost", factory=lambda: cost_command)]

    .. versionadded:: 0.1
    """


__all__ = ["GROUP", "CommandPlugin", "hookimpl", "whatsnext_cli_commands"]
