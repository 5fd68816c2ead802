"""Schemas of answers, made from the classes of the model, so that a field is defined once."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from pydantic import BaseModel, ConfigDict, Field, create_model

from whatsnext_server.schemas.documentation import class_doc, field_docs


@cache
def derive(cls: type, name: str | None = None) -> type[BaseModel]:
    """Return the schema of what ``converters.to_json`` makes of the attrs class ``cls``; all keys are always there."""
    hints, docs = get_type_hints(cls), field_docs(cls)
    fields: dict[str, Any] = {
        attribute.name: (translate(hints[attribute.name]), Field(description=docs.get(attribute.name)))
        for attribute in attrs.fields(cls)
    }
    return create_model(
        name or cls.__name__,
        __config__=ConfigDict(extra="forbid", title=name or cls.__name__),
        __doc__=class_doc(cls),
        __module__=__name__,
        **fields,
    )


def translate(hint: Any) -> Any:
    """Return the type that a value of the type ``hint`` has in JSON."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return Union[tuple(translate(each) for each in arguments)]  # noqa: UP007  # made at run time
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[translate(arguments[0]), translate(arguments[1])]  # type: ignore[misc]  # made at run time
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return list[translate(arguments[0])]  # type: ignore[misc]  # made at run time
    if origin is frozenset or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return list[translate(arguments[0])]  # type: ignore[misc]  # made at run time
    if isinstance(hint, type) and attrs.has(hint):
        return derive(hint)
    return hint


__all__ = ["derive", "translate"]
