"""What parameters look like as environment variables of a program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting.arguments import text_of


def to_variables(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as environment variables.

    The name is in upper case, with ``_`` for what a variable's name may not have; text is as written, any other value
    as JSON, and null gives no variable.

    Raises:
        TemplateError: two parameters make the same variable, or one makes none.
    """
    variables: dict[str, str] = {}
    origins: dict[str, str] = {}
    for name, value in parameters.items():
        variable = re.sub(r"[^A-Z0-9_]", "_", name.upper())
        if not variable.strip("_"):
            raise TemplateError(f"The parameter {name!r} makes no name of an environment variable; give it another.")
        variable = f"_{variable}" if variable[0].isdigit() else variable
        if variable in origins:
            raise TemplateError(
                f"The parameters {origins[variable]!r} and {name!r} are both the environment variable {variable}; "
                f"give one of them another name."
            )
        origins[variable] = name
        if value is not None:
            variables[variable] = text_of(value)
    return variables
