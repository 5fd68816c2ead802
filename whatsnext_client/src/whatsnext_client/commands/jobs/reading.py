"""Reads the jobs of a submission from JSON Lines or one JSON document, with the place of each for messages."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from whatsnext_client.commands.base.failures import LocalError
from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits

LF = b"\n"
MAX_LINE = 4 * limits.MAX_PARAMETERS
"""Bytes of one line; what is longer is no job."""


class Source:
    """A file of jobs."""

    def __init__(self, stream: BinaryIO, title: str) -> None:
        self._stream = stream
        self._title = title

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yields the place ("jobs.jsonl:17") and the JSON value of each job; lines are read as they are needed.

        A line that holds something else gives an InvalidError as its value, so that the rest is looked at, too.

        Raises:
            LocalError: the file holds something else.
        """
        number, line = self._first_line()
        if not line:
            raise LocalError(f"{self._title} is empty; write one job in a line, or a JSON list of jobs.")
        try:
            first = _parse(line)
        except json.JSONDecodeError:
            first = None
        except InvalidError as error:
            first = error
        if isinstance(first, InvalidError) or (isinstance(first, dict) and "jobs" not in first):
            yield f"{self._title}:{number}", first
            yield from self._lines(number)
        else:
            yield from self._document(b"\n" * (number - 1) + line + self._stream.read())

    def _first_line(self) -> tuple[int, bytes]:
        for number in itertools.count(1):
            line = self._stream.readline(MAX_LINE)
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line or line.strip():
                return number, line
        raise AssertionError("count never ends")  # pragma: no cover

    def _lines(self, number: int) -> Iterator[tuple[str, Any]]:
        for line in self._stream:
            number += 1
            if not line.strip():
                continue
            value: Any
            try:
                value = _parse(line)
            except json.JSONDecodeError as error:
                value = InvalidError(f"no JSON at column {error.colno} ({error.msg}); each line holds one JSON object")
            except InvalidError as error:
                value = error
            yield f"{self._title}:{number}", value

    def _document(self, content: bytes) -> Iterator[tuple[str, Any]]:
        try:
            document = _parse(content)
        except json.JSONDecodeError as error:
            place = f"{self._title}:{error.lineno}"
            raise LocalError(f"{place}: no JSON at column {error.colno} ({error.msg}).") from error
        except InvalidError as error:
            raise LocalError(f"{self._title}: {error}.") from error
        if isinstance(document, dict) and "jobs" in document:
            if extra := sorted(document.keys() - {"jobs"}):
                raise LocalError(f'{self._title}: the key {extra[0]!r} beside "jobs" is unknown; remove it.')
            document = document["jobs"]
        elif isinstance(document, dict):
            document = [document]
        if not isinstance(document, list):
            shown = limits.shorten(document)
            raise LocalError(f'{self._title}: expected a list of jobs or {{"jobs": [...]}}, not {shown}.')
        for index, value in enumerate(document, 1):
            yield f"{self._title}: job {index}", value


def _parse(content: bytes) -> Any:
    """Return the JSON value of a text; JSONDecodeError if it is none, InvalidError if it is one that we refuse."""
    try:
        return _DECODER.decode(content.decode())
    except UnicodeDecodeError as error:
        raise InvalidError(f"line {content.count(LF, 0, error.start) + 1} is not written in UTF-8") from error
    except RecursionError as error:
        raise InvalidError(f"nested too deep; at most {limits.MAX_DEPTH} levels are allowed") from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise InvalidError(str(error)) from error


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is a number that JSON does not have; use null or a string")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object; keep one")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_object)
