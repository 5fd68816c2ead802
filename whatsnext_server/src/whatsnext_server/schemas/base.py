"""What all schemas share: strictness, types with their limits, and descriptions that come from the model."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits
from whatsnext_core.sizes import parse_size
from whatsnext_server.schemas.documentation import field_docs


class Schema(BaseModel):
    """A JSON object with known keys only.

    ``class NewJob(Schema, core=JobSpec)`` takes the description of each field that has none from the field of the same
    name of the model.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
    core: ClassVar[type | None] = None
    """The class of the model that it speaks of."""

    def __init_subclass__(cls, *, core: type | None = None, **kwargs: Any) -> None:
        """Accept the keyword, which is used once pydantic has made the fields."""
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, core: type | None = None, **kwargs: Any) -> None:
        """Describe the fields by the model."""
        super().__pydantic_init_subclass__(**kwargs)
        if core is not None:
            cls.core = core
        if cls.core is None:
            return
        docs = field_docs(cls.core)
        missing = [name for name, field in cls.model_fields.items() if not field.description and name in docs]
        for name in missing:
            cls.model_fields[name].description = docs[name]
        if missing:
            cls.model_rebuild(force=True)

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, null included."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _no_text(value: Any) -> Any:
    """Refuse what pydantic would take for a number out of kindness: a text or a truth value."""
    if isinstance(value, str | bytes | bool):
        raise ValueError("input should be a number")  # noqa: TRY004  # pydantic asks for a ValueError
    return value


_NUMBER: Final = BeforeValidator(_no_text)
Id = Annotated[int, Field(ge=1, le=limits.MAX_ID), _NUMBER]
"""An id of a project, task or job."""
Key = Annotated[int, Field(ge=1, le=limits.MAX_ID)]
"""An id as the key of an object, where JSON has only texts."""
Name = Annotated[str, Field(min_length=1, max_length=limits.MAX_NAME)]
"""A name of something."""
Text = Annotated[str, Field(max_length=limits.MAX_TEXT)]
"""Free text."""
Priority = Annotated[int, Field(ge=-limits.MAX_PRIORITY, le=limits.MAX_PRIORITY), _NUMBER]
"""A priority."""
Cpu = Annotated[int, Field(ge=0, le=limits.MAX_CPU), _NUMBER]
"""A number of CPUs."""
Accelerators = Annotated[float, Field(ge=0, le=limits.MAX_ACCELERATORS), _NUMBER]
"""A number of accelerators that may be a share of one."""
WholeAccelerators = Annotated[int, Field(ge=0, le=limits.MAX_ACCELERATORS), _NUMBER]
"""A whole number of accelerators."""
Seconds = Annotated[float, Field(ge=0, le=limits.MAX_SECONDS), _NUMBER]
"""A time in seconds."""
Timeout = Annotated[float, Field(ge=0.001, le=limits.MAX_SECONDS), _NUMBER]
"""A limit in seconds."""
Retries = Annotated[int, Field(ge=0, le=limits.MAX_RETRIES), _NUMBER]
"""A number of attempts."""
Factor = Annotated[float, Field(ge=1, le=100), _NUMBER]
"""A factor of growth."""
Share = Annotated[float, Field(ge=0, le=1), _NUMBER]
"""A part of a whole."""
ClientId = Annotated[str, Field(pattern=f"^{limits.CLIENT_ID.pattern}$")]
"""An id of a client."""


def _read_memory(value: Any) -> Any:
    """Return bytes; a text may have a unit, all of them powers of 1024: ``4G``, ``512MiB``, ``1.5 GB``."""
    if not isinstance(value, str):
        return _no_text(value)
    try:
        return parse_size(value)
    except InvalidError:
        raise ValueError("input should be a number of bytes, or a text like '4G' or '512MiB'") from None


Memory = Annotated[
    int,
    Field(ge=0, le=limits.MAX_MEMORY),
    BeforeValidator(_read_memory, json_schema_input_type=int | str),
]
"""A size of memory in bytes, or with a unit."""

__all__ = [
    "Accelerators",
    "ClientId",
    "Cpu",
    "Factor",
    "Id",
    "Key",
    "Memory",
    "Name",
    "Priority",
    "Retries",
    "Schema",
    "Seconds",
    "Share",
    "Text",
    "Timeout",
    "WholeAccelerators",
]
