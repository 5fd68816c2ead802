"""Amounts of memory as people write them."""

from __future__ import annotations

import re
from typing import Final

from whatsnext_core.errors import InvalidError

_SIZE: Final = re.compile(r"(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}


def parse_size(text: str) -> int:
    """Return the bytes that ``4G``, ``512MiB``, ``1.5 GB`` or ``1048576`` names; all units are powers of 1024.

    Raises:
        InvalidError: it names no amount of memory.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidError(f"{text!r:.60} is no amount of memory; write bytes, or something like 512MiB or 4G.")
    return round(float(match[1]) * _UNITS[match[2].lower()])


__all__ = ["parse_size"]
