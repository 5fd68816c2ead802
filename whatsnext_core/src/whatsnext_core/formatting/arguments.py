"""What the values of parameters look like as arguments of a program.

====================  ==================================================================================================
value of ``name``     arguments
====================  ==================================================================================================
text                  ``--name`` and the text, exactly as written: no quotes, no escapes, no shell
number                ``--name`` and the number (``0.01``, ``-3``)
true                  ``--name`` alone: a flag that is set
false, null           none: a flag that is not set, an option that is not given
list                  ``--name`` and one argument for each element (``--layers 64 64``): text as written, others as JSON
object                ``--name`` and the object as JSON in one argument
====================  ==================================================================================================

``argparse`` and ``click`` read this as it is: ``store_true`` and ``is_flag``, ``nargs``, ``type=json.loads``.
The name follows the two dashes as it is; one that begins with a dash is the whole option (``-v``). A program that wants
another form gets it from a command template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from whatsnext_core.errors import TemplateError


def to_arguments(parameters: Mapping[str, Any]) -> list[str]:
    """Return the parameters as ``--name value`` arguments, in their order.

    Raises:
        TemplateError: a parameter has an empty name.
    """
    arguments: list[str] = []
    for name, value in parameters.items():
        if not name:
            raise TemplateError("A parameter has an empty name, which no option can have; give it a name.")
        if value is None or value is False:
            continue
        arguments.append(name if name.startswith("-") else f"--{name}")
        if value is not True:
            arguments += texts_of(value)
    return arguments


def texts_of(value: Any) -> list[str]:
    """Return the value as separate arguments: one for each element of a list, one for anything else."""
    if isinstance(value, list | tuple):
        return [text_of(element) for element in value]
    return [text_of(value)]


def text_of(value: Any) -> str:
    """Return the value as one argument: text as it is, anything else as JSON.

    A negative number is written without an exponent, because ``argparse`` takes ``-1e-05`` for an option.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value < 0:
        digits = format(Decimal(repr(value)), "f")
        return digits if "." in digits else f"{digits}.0"
    if value is None or isinstance(value, bool | int | float | list | tuple | Mapping):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return str(value)
