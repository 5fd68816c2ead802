"""The small JSON value that a job may return in the file that ``WHATSNEXT_RESULT`` names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from whatsnext_core.errors import InvalidError
from whatsnext_core.model.limits import MAX_RESULT, dump_parameters


def read_result(path: Path) -> tuple[Any, str]:
    """Return the value in the file and "", or None and why there is none; None and "" if there is no file."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_RESULT + 1)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"Its result could not be read: {error.strerror}."
    if len(data) > MAX_RESULT:
        return None, f"Its result has more than {MAX_RESULT} bytes and was left out."
    if not data.strip():
        return None, ""
    try:
        value = json.loads(data, parse_constant=_refuse)
        dump_parameters(value, "values in it", limit=MAX_RESULT)
    except (ValueError, RecursionError, InvalidError) as error:
        return None, f"Its result is no JSON and was left out: {error}"
    return value, ""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
