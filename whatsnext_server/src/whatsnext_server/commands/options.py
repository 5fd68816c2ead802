"""Options that commands share, and how errors are told."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import attrs
import click

from whatsnext_core.errors import ConfigurationError, WhatsNextError
from whatsnext_server.config import ServerSettings
from whatsnext_server.schemas.documentation import field_docs

P = ParamSpec("P")
T = TypeVar("T")


class Misconfigured(click.ClickException):
    """A setting is wrong."""

    exit_code = 2


def config_option(function: Callable[P, T]) -> Callable[P, T]:
    """Add ``--config``."""
    return click.option(
        "--config",
        "-c",
        type=click.Path(exists=True, dir_okay=False),
        help="Read this config file instead of .whatsnext or whatsnext.toml, found upwards from here.",
    )(function)


def setting_options(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Add an option for each of these settings, or for all of them; one that is not given leaves the setting alone."""
    docs = field_docs(ServerSettings)
    fields = {field.name: field for field in attrs.fields(ServerSettings)}

    def add(function: Callable[P, T]) -> Callable[P, T]:
        for name in reversed(names or tuple(fields)):
            option, is_flag = f"--{name.replace('_', '-')}", isinstance(fields[name].default, bool)
            function = click.option(
                f"{option}/--no-{option[2:]}" if is_flag else option,
                name,
                default=None,
                metavar=None if is_flag else _metavar(fields[name]),
                help=_sentence(docs[name], fields[name]),
            )(function)
        return function

    return add


def told(function: Callable[P, T]) -> Callable[P, T]:
    """Tell an error in a sentence and exit: 2 for a wrong setting, 1 for anything else."""

    @functools.wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except WhatsNextError as error:
            kind = Misconfigured if isinstance(error, ConfigurationError) else click.ClickException
            raise kind(str(error)) from error

    return run


def _metavar(field: attrs.Attribute[Any]) -> str:
    if "tuple" in str(field.type):
        return "A,B,..."
    return {"int": "N", "float": "N"}.get(str(field.type), "TEXT")


def _sentence(doc: str, field: attrs.Attribute[Any]) -> str:
    if not isinstance(field.default, bool) and isinstance(field.default, int | float | str) and field.default != "":
        return f"{doc.replace('`', '')}  [default: {field.default}]"
    if field.name == "database":
        return f"{doc.replace('`', '')}  [default: a SQLite file in your data directory]"
    return doc.replace("`", "")


__all__ = ["config_option", "setting_options", "told"]
