"""How values are written on the command line: parameters, sweeps, durations, ids."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

MAX_SWEEP = 1_000_000
"""Combinations that one sweep may make."""
MAX_IDS = 1_000_000
"""Ids that one range may name."""
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|[smhd])")
_OPENING, _CLOSING = "[{", "]}"


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def parse_value(text: str) -> Any:
    """Return what ``text`` says as JSON, or ``text`` itself where it is none.

    So ``0.1`` is a number, ``true`` and ``null`` are what they are in JSON, ``[1,2]`` is a list; ``adam``, ``007``,
    ``NaN`` and ``1,2`` are strings, and so is ``"7"`` with its quotes on.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def split_pair(text: str, what: str) -> tuple[str, str]:
    """Return the two sides of ``key=value``."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not of the form {what}.")
    return key, value


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the parameters that ``key=value`` pairs name; the last one of a key wins."""
    return {key: parse_value(value) for key, value in (split_pair(pair, "key=value") for pair in pairs)}


def parse_sweep(text: str) -> tuple[str, list[Any]]:
    """Return the key and the values of ``key=a,b,c``, ``key=1..5`` or ``key=0..100..25``, also mixed.

    Commas inside brackets, braces and double quotes belong to the value; each value is read as ``parse_value`` does,
    and a range of whole numbers includes both ends.
    """
    key, listed = split_pair(text, "key=value,value or key=first..last")
    values: list[Any] = []
    for part in _split(listed):
        match = _RANGE.fullmatch(part)
        values += _span(part, *match.groups()) if match else [parse_value(part)]
    if len({json.dumps(value, sort_keys=True) for value in values}) < len(values):
        raise click.BadParameter(f"{text!r} names a value twice.")
    return key, values


def parse_sweeps(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each swept key."""
    sweeps: dict[str, list[Any]] = {}
    for text in texts:
        key, values = parse_sweep(text)
        if key in sweeps:
            raise click.BadParameter(f"the key {key!r} is swept twice; list all its values in one --sweep.")
        sweeps[key] = values
    total = math.prod(len(values) for values in sweeps.values())
    if total > MAX_SWEEP:
        raise click.BadParameter(f"the sweep makes {total:,} combinations; at most {MAX_SWEEP:,} are allowed.")
    return sweeps


def combinations(sweeps: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Return every combination of the swept values, the last key fastest; an empty one if nothing is swept."""
    for values in itertools.product(*sweeps.values()):
        yield dict(zip(sweeps, values, strict=True))


def parse_duration(text: str) -> float:
    """Return the seconds of ``90``, ``1.5h``, ``1h30m`` or ``250ms``."""
    try:
        return float(text) if math.isfinite(float(text)) else _no_duration(text)
    except ValueError:
        parts = _DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            return _no_duration(text)
        return sum(float(number) * _UNITS[unit] for number, unit in parts)


def parse_ids(texts: Sequence[str]) -> list[int]:
    """Return the ids of ``17`` and ``20-25`` and ``1,2,3``, each once, in the order given."""
    found: dict[int, None] = {}
    for text in (part for given in texts for part in given.split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last < 2**63:
            raise click.BadParameter(f"{text!r} is no job id; give a number such as 17, or a range such as 17-20.")
        if last - first >= MAX_IDS:
            raise click.BadParameter(f"{text!r} names {last - first + 1:,} jobs; at most {MAX_IDS:,} at once.")
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)


def format_ids(ids: Sequence[int]) -> str:
    """Return ids as ranges: ``1-3, 7``."""
    parts: list[str] = []
    for _, group in itertools.groupby(enumerate(ids), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]))
    return ", ".join([*parts[:10], "..."] if len(parts) > 11 else parts)  # noqa: PLR2004 - as many as a line shows well


def duration(text: str) -> float:
    """Return the seconds of an option such as ``90``, ``10m`` or ``1h30m``."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def size(text: str) -> int:
    """Return the bytes of an option such as ``1048576``, ``512MiB`` or ``8G``."""
    from whatsnext_core.errors import InvalidError
    from whatsnext_core.sizes import parse_size

    try:
        return parse_size(text)
    except InvalidError as error:
        raise click.BadParameter(str(error)) from error


def job_id(text: str) -> int:
    """Return the id of one job."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) < 2**63):
        raise click.BadParameter(f"{text!r} is no job id; give the number that `whatsnext jobs ls` shows.")
    return int(text)


def statuses(text: str) -> str:
    """Return one or several job statuses, in any case and by comma, in upper case."""
    from whatsnext_core.errors import InvalidError
    from whatsnext_core.model.status import JobStatus

    try:
        return ",".join(JobStatus.parse(part.strip()).value for part in text.split(","))
    except InvalidError as error:
        raise click.BadParameter(str(error)) from error


def _span(text: str, first: str, last: str, step: str | None) -> range:
    start, end, by = int(first), int(last), int(step or 1)
    if by < 1 or end < start:
        raise click.BadParameter(f"the range {text!r} is empty; write first..last or first..last..step, upwards.")
    if (end - start) // by >= MAX_SWEEP:
        raise click.BadParameter(f"the range {text!r} has more than {MAX_SWEEP:,} values.")
    return range(start, end + 1, by)


def _split(text: str) -> Iterator[str]:
    """Yields the parts between the commas that stand in no bracket, brace or double quotes."""
    start, depth, quoted, escaped = 0, 0, False, False
    for place, char in enumerate(text):
        if quoted:
            quoted = escaped or char != '"'
            escaped = not escaped and char == "\\"
        elif char == '"':
            quoted = True
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
        elif char == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _no_duration(text: str) -> float:
    raise ValueError(f"{text!r} is no duration; write seconds (90), or 250ms, 10m, 1h30m, 2d.")
