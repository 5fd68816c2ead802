"""Commands and groups whose help has examples, and the common options in a section of their own."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from whatsnext_client.commands.base.options import CommonOption


class Command(click.Command):
    """A command whose help ends with the common options and its examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the command's own options, then the common ones."""
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Writes the examples."""
        _write_examples(self.examples, formatter)


class Group(click.Group):
    """A group that loads its commands when they are asked for, and knows second names of them."""

    command_class = Command

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, str] | None = None,
        summaries: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
        examples: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.lazy = dict(lazy or {})
        self.summaries = dict(summaries or {})
        self.aliases = dict(aliases or {})
        self.examples = tuple(examples)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order that a reader needs them: as they were registered."""
        return [*self.lazy, *(name for name in self.commands if name not in self.lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name or second name, loaded now."""
        name = self.aliases.get(cmd_name, cmd_name)
        if name in self.lazy and name not in self.commands:
            module, attribute = self.lazy[name].split(":")
            self.add_command(getattr(importlib.import_module(module), attribute), name)
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names; of an unknown one, say what was perhaps meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            known = [*self.list_commands(ctx), *self.aliases]
            close = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else f" There are {', '.join(self.list_commands(ctx))}."
            ctx.fail(f"No such command {name!r}.{meant}")
        return super().resolve_command(ctx, args)

    def summary(self, ctx: click.Context, name: str) -> str | None:
        """Return the summary of a command in the list, or None for one that is not listed."""
        if name in self.summaries:
            return self.summaries[name]
        command = self.get_command(ctx, name)
        return None if command is None or command.hidden else command.get_short_help_str(200)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands, each with its second names."""
        rows = []
        for name in self.list_commands(ctx):
            words = self.summary(ctx, name)
            if words is not None:
                names = [name, *(short for short, full in self.aliases.items() if full == name)]
                rows.append((", ".join(names), words))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands, then the common options only where they are not repeated below."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Writes the examples."""
        _write_examples(self.examples, formatter)


Group.group_class = Group


def _write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Common options": []}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and any(record[1:]):
            common = "Common options" if isinstance(param, CommonOption) else "Options"
            sections["Arguments" if isinstance(param, click.Argument) else common].append(record)
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
