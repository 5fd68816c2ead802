"""The commands of a program, as their own help describes them."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

import click

from reference_pages.markdown import code, plain, table

__all__ = ["commands", "render"]


def commands(program: click.Command, name: str) -> Iterator[click.Context]:
    """Yield a context for a program and for every command below it, in the order of its help."""
    yield from _below(click.Context(program, info_name=name))


def _below(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield from _below(click.Context(command, info_name=name, parent=context))


def render(program: click.Command, name: str) -> str:
    """Return a program with all its commands; options that every command takes stand once, with the program."""
    contexts = list(commands(program, name))
    common = {option for context in contexts[:1] for option in _options(context, set())}
    parts = []
    for place, context in enumerate(contexts):
        parts.append(_command(context, set() if place == 0 else common))
    return "\n".join(parts)


def _command(context: click.Context, leave_out: set[tuple[str, str]]) -> str:
    command = context.command
    depth = context.command_path.count(" ")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{'##' if depth == 0 else '###'} {context.command_path}\n", f"```text\n{usage}\n```\n"]
    if command.help:
        parts.append(_text(command.help) + "\n")
    if names := _second_names(context):
        parts.append(f"Also {names}.\n")
    parts.append(
        table(("option", "meaning"), ((code(names), plain(words)) for names, words in _options(context, leave_out)))
    )
    if isinstance(command, click.Group):
        rows = []
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                rows.append((code(f"{context.command_path} {name}"), plain(below.get_short_help_str(200))))
        parts.append(table(("command", "what it does"), rows))
    if examples := getattr(command, "examples", ()):
        parts.append("Examples:\n\n```text\n" + "\n".join(examples) + "\n```\n")
    return "\n".join(part for part in parts if part.strip())


def _options(context: click.Context, leave_out: set[tuple[str, str]]) -> list[tuple[str, str]]:
    found = [param.get_help_record(context) for param in context.command.get_params(context)]
    shown = [each for each in found if each is not None and each[1]]
    return [each for each in shown if each not in leave_out and "--help" not in each[0]]


def _second_names(context: click.Context) -> str:
    aliases = getattr(context.parent.command, "aliases", {}) if context.parent else {}
    return ", ".join(code(short) for short, full in aliases.items() if full == context.info_name)


def _text(words: str) -> str:
    """A command's help as Markdown; a paragraph that click is told not to wrap stays as it is."""
    blocks = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(words.partition("\f")[0])):
        if block.startswith("\b"):
            blocks.append(f"```text\n{textwrap.dedent(block[1:].strip(chr(10)))}\n```")
        else:
            blocks.append(plain(block))
    return "\n\n".join(blocks)
