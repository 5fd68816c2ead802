"""Schemas of answers, made from the classes of the model, so that a field is defined once."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import attrs
from pydantic import BaseModel, ConfigDict, Field, create_model

from whatsnext_server.schemas.documentation import class_doc, field_docs


@cache
def derive(cls: type, name: str | None = None, *, optional: bool = False) -> type[BaseModel]:
    """Return the schema of what ``converters.to_json`` makes of the attrs class ``cls``; all keys are always there.

    With ``optional`` it is the schema of what ``converters.from_json`` reads: keys with a default may be left out, and
    the names of schemas inside it begin with Sync.
    """
    hints, docs = get_type_hints(cls), field_docs(cls)
    fields: dict[str, Any] = {}
    for attribute in attrs.fields(cls):
        described: dict[str, Any] = {"description": docs.get(attribute.name)}
        if optional and attribute.default is not attrs.NOTHING:
            described |= _default(attribute)
        fields[attribute.name] = (_translate(hints[attribute.name], optional=optional), Field(**described))
    name = name or cls.__name__
    config = ConfigDict(extra="forbid", title=name)
    return create_model(name, __config__=config, __doc__=class_doc(cls), __module__=__name__, **fields)


def _default(attribute: attrs.Attribute[Any]) -> dict[str, Any]:
    factory = getattr(attribute.default, "factory", None)
    return {"default": attribute.default} if factory is None else {"default_factory": factory}


def _translate(hint: Any, *, optional: bool) -> Any:
    """Return the type that a value of the type ``hint`` has in JSON."""
    origin, arguments = get_origin(hint), [_translate(each, optional=optional) for each in get_args(hint)]
    if origin in (Union, types.UnionType):
        return Union[tuple(arguments)]  # noqa: UP007  # made at run time
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[arguments[0], arguments[1]]  # type: ignore[valid-type]  # made at run time
    if isinstance(origin, type) and issubclass(origin, tuple | frozenset | Sequence):
        return list[arguments[0]]  # type: ignore[valid-type]  # made at run time
    if isinstance(hint, type) and attrs.has(hint):
        return derive(hint, f"Sync{hint.__name__}", optional=True) if optional else derive(hint)
    if hint is bytes:
        return Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]
    return hint


__all__ = ["derive"]
