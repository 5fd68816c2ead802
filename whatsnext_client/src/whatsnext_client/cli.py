"""The program ``whatsnext``, and ``wnxt`` for short.

Everything slow to import (requests, rich, the settings, importlib.metadata) is imported inside the commands that need
it, so that help and completion answer at once.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from whatsnext_client.commands.base import failures
from whatsnext_client.commands.base.discovery import GROUP, may_be_extended
from whatsnext_client.commands.base.help import Group
from whatsnext_client.commands.base.options import common_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whatsnext_client.hookspecs import CommandPlugin
    from whatsnext_core.plugins import Provided

_HERE = "whatsnext_client.commands"
COMMANDS = {
    "init": (
        f"{_HERE}.init:init",
        "Write a commented whatsnext.toml into the current folder, for all that runs here or below.",
    ),
    "status": (
        f"{_HERE}.status:status",
        "Show whether the server answers, which workers it has, and how many jobs are where.",
    ),
    "test-auth": (f"{_HERE}.status:test_auth", "Check that the server lets this client in with the key that it has."),
    "projects": (f"{_HERE}.projects:projects", "Make, list and delete projects; each holds its own tasks and jobs."),
    "tasks": (
        f"{_HERE}.tasks:tasks",
        "Make, list and delete tasks: a command, what it needs of a machine, and what follows a failure.",
    ),
    "jobs": (
        f"{_HERE}.jobs.group:jobs",
        "Submit jobs, see where they stand and what they print and leave, cancel and retry them.",
    ),
    "queue": (
        f"{_HERE}.queue:queue",
        "Look at the jobs that wait, in the order in which they would start, or empty the queue.",
    ),
    "clients": (f"{_HERE}.clients:clients", "Look at the workers, and ask one to finish what it runs and leave."),
    "fail": (f"{_HERE}.fail:fail", "End the job that this command runs in as FAILED, with cause promised and MESSAGE."),
    "worker": (
        f"{_HERE}.worker:worker",
        "Run jobs on this machine: those of the project, or without one those of all projects.",
    ),
    "up": (f"{_HERE}.up:up", "Start a server and a worker on this machine, and stop both with Ctrl-C."),
    "probe": (
        f"{_HERE}.probe:probe",
        "Measure this machine with all installed probes, and show what a worker here would offer.",
    ),
    "plugins": (
        f"{_HERE}.plugins:plugins",
        "List the plugins installed here: formatters, probes, storage backends, commands.",
    ),
    "completion": (
        f"{_HERE}.completion:completion",
        "Print the script that makes SHELL complete commands, options, and the names of projects, tasks and workers.",
    ),
}
"""Where each command is, and its summary, by name in the order of the help: a list of them loads none."""


class Root(Group):
    """The outermost group: knows the commands of plugins too, and ends with a sentence and an exit code."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        lazy = {name: where for name, (where, _) in COMMANDS.items()}
        summaries = {name: summary for name, (_, summary) in COMMANDS.items()}
        super().__init__(*args, lazy=lazy, summaries=summaries, **settings)
        self._found: Mapping[str, Provided[CommandPlugin]] | None = None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in commands, then those of plugins."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in self._plugins(ctx) if name not in own)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a built-in command, or else one of a plugin."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in self._plugins(ctx):
            command = _made(self._plugins(ctx)[cmd_name])
            self.add_command(command, cmd_name)
        return command

    def summary(self, ctx: click.Context, name: str) -> str | None:
        """Return the summary of a command in the list; a plugin's is known without making its command."""
        if name not in self.lazy and name not in self.commands and name in self._plugins(ctx):
            return self._plugins(ctx)[name].descriptor.summary
        return super().summary(ctx, name)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Runs the program; like any click program it ends the process, unless ``standalone_mode`` is off."""
        run = functools.partial(super().main, *args, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        sys.exit(failures.run(run))

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; a reader that went away ends it without a word."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ctx.exit(failures.reader_gone())

    def _plugins(self, ctx: click.Context) -> Mapping[str, Provided[CommandPlugin]]:
        if self._found is None:
            self._found = _load(ctx) if may_be_extended(GROUP) else {}
        return self._found


@click.group(
    "whatsnext",
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=[
        "whatsnext up                                       # a server and a worker on this machine",
        "whatsnext projects create digits",
        "whatsnext --project digits tasks create train --command 'python train.py --lr {lr}'",
        "whatsnext --project digits jobs add train --sweep lr=0.1,0.01,0.001",
        "whatsnext --project digits jobs ls",
    ],
)
@common_options
@click.version_option(package_name="whatsnext-client", prog_name="whatsnext", message="%(prog)s %(version)s")
def cli() -> None:
    """Queue jobs, run them on the machines that fit, and see what runs where and why the rest waits.

    Settings come from the user's config file, from .whatsnext or whatsnext.toml here or above, from WHATSNEXT_*
    variables, and from the options below; what comes later in this list wins.
    """


def main() -> NoReturn:
    """Runs the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    cli.main()
    raise AssertionError("the line above ends the process")  # pragma: no cover


def _load(ctx: click.Context) -> Mapping[str, Provided[CommandPlugin]]:
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP)
    if not found:
        return {}
    from whatsnext_client import hookspecs
    from whatsnext_client.commands.base.session import Session
    from whatsnext_core.plugins import load_plugins

    disabled = Session(ctx).disabled_plugins
    plugins = load_plugins(GROUP, hookspecs, disabled=disabled, entry_points=found)
    return plugins.descriptors("whatsnext_cli_commands")


def _made(provided: Provided[CommandPlugin]) -> click.Command:
    from whatsnext_core.errors import PluginError

    name = provided.descriptor.name
    try:
        command = provided.descriptor.factory()
    except Exception as error:
        raise PluginError(
            f"The command {name!r} of {provided.source} cannot be made: {type(error).__name__}: {error}. "
            f"Upgrade or uninstall {provided.distribution}."
        ) from error
    if not isinstance(command, click.Command):
        raise PluginError(f"The command {name!r} of {provided.source} is {command!r:.60}; expected a click.Command.")
    return command
