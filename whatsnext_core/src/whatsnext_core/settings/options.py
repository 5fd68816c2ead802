"""The settings that an attrs class asks for, each with the path to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import attrs
from typed_settings.types import OptionInfo, OptionList, SecretRepr


def deep_options(cls: type) -> OptionList:
    """Return the settings of ``cls``, those of a settings class inside it as ``outer.inner``.

    It is ``typed_settings.cls_utils.deep_options`` for attrs classes. That one also parses the source of each class for
    help texts, and imports pydantic, where it is installed, to look whether a list is one of pydantic's models: both
    take a good part of the time in which a worker starts.
    """
    return tuple(_options(cls, ""))


def nested_settings(field: attrs.Attribute[Any]) -> type[Any] | None:
    """Return the settings class that ``field`` holds; None for a field that is a setting itself."""
    return field.type if field.type is not None and attrs.has(field.type) else None


def _options(cls: type[Any], prefix: str) -> Iterator[OptionInfo]:
    for field in attrs.fields(attrs.resolve_types(cls)):
        nested = nested_settings(field)
        if not field.init:
            continue
        if nested is not None:
            yield from _options(nested, f"{prefix}{field.alias}.")
            continue
        yield OptionInfo(
            parent_cls=cls,
            path=f"{prefix}{field.alias}",
            cls=cast("type", field.type),
            default=field.default,
            has_no_default=field.default is attrs.NOTHING,
            default_is_factory=isinstance(field.default, cast("type", attrs.Factory)),
            is_secret=isinstance(field.repr, SecretRepr),
            converter=field.converter,
        )
