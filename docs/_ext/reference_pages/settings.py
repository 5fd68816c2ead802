"""The settings, as their classes define them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

import attrs

from reference_pages.markdown import code, table
from whatsnext_server.schemas.documentation import field_docs

__all__ = ["render_settings"]

NAMES: Final = {
    "SecretStr": "text, secret",
    "bool": "true or false",
    "float": "number",
    "int": "whole number",
    "str": "text",
    "Path": "path",
}
"""What the types are called."""


def render_settings(cls: type, *, environment: bool = True) -> str:
    """Return the fields of a settings class as a table; ``environment`` names the variables that set them, too."""
    words, hints = field_docs(cls), get_type_hints(cls)
    rows = [
        (
            code(field.name),
            _kind(hints.get(field.name, str)),
            _default(field),
            f"`WHATSNEXT_{field.name.upper()}`" if environment else "",
            words.get(field.name, ""),
        )
        for field in attrs.fields(cls)
    ]
    return table(("setting", "type", "default", "environment", "meaning"), rows)


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    made = getattr(field.default, "factory", None)
    value: object = made() if made is not None else field.default
    match value:
        case None | "":
            return "none"
        case bool():
            return code(value)
        case str():
            return code(value.replace(str(Path.home()), "$HOME"))
        case int() | float():
            return code(value)
        case Iterable():
            return ", ".join(code(str(each)) for each in value) or "none"
        case _:
            return code(str(value))


def _kind(hint: Any) -> str:
    if hint is type(None):
        return "none"
    inner = get_args(hint)
    if get_origin(hint) in (list, tuple, frozenset, set):
        return f"list of {_kind(inner[0])}"
    if get_origin(hint) is dict:
        return "table"
    if inner and all(isinstance(each, str) for each in inner):
        return " or ".join(code(each) for each in inner)
    if inner:
        return " or ".join(dict.fromkeys(_kind(each) for each in inner))
    name = getattr(hint, "__name__", str(hint))
    return NAMES.get(name, name)
