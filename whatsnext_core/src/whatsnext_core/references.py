"""Results of earlier jobs in the parameters of later ones: ``{"lr": {"$result": "best.lr"}}``.

An object whose one key is ``$result`` may stand anywhere in the parameters, also in lists. It asks for the result of a
job that this one depends on, or for a part of it:

- ``{"$result": "best.lr"}``: the job by its name among the dependencies (or by its id), then the way into its result,
  ``.key`` or ``[0]`` by step; without one the whole result.
- ``{"$result": {"job": 17, "path": ["a.b", 0]}}``: job and path apart, for names that are no names here: the job by id
  or name, the path as text or as a list of keys and places.

The stored job keeps what it asks for; a claim hands it out with the values in place. What comes from a result is never
looked into for further references. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NoReturn

from attrs import evolve, frozen

from whatsnext_core.errors import InvalidError, TooLargeError
from whatsnext_core.model import AttemptEnd, Cause, Job
from whatsnext_core.model.limits import MAX_NAME, MAX_PARAMETERS, dump_parameters, shorten

KEY: Final = "$result"
"""The one key of a reference."""
SHOWN: Final = 10
"""Names that a message lists, at most."""
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<place>[^.\[\]]+)\]")
_PATH = re.compile(rf"({_STEP.pattern.replace('?P<key>', '').replace('?P<place>', '')})*")
_CUT = re.compile(r"[.\[]|$")
_ID = re.compile(r"[0-9]{1,19}")
_PLACE = re.compile(r"-?[0-9]{1,9}")


@frozen
class _Wish:
    """What one reference asks for."""

    job: int
    """The job whose result it is."""
    path: tuple[str, ...] = ()
    """The way into the result."""

    def __str__(self) -> str:
        way = f"{shorten('.'.join(self.path))} in the result" if self.path else "the result"
        return f"asks for {way} of job {self.job}"


def refers(parameters: Mapping[str, Any]) -> bool:
    """Return whether parameters may hold a reference."""
    return KEY in parameters or any(map(_refers, parameters.values()))


def check_references(parameters: Mapping[str, Any], parents: Mapping[int, str], what: str) -> frozenset[int]:
    """Return the jobs whose results the parameters ask for.

    ``parents`` are the jobs that this one depends on, each with its name; ``what`` is what messages call it.

    Raises:
        InvalidError: a reference is malformed, or names no dependency, or several.
    """
    found: set[int] = set()
    known = _Parents(parents)

    def note(wish: Any, where: str) -> None:
        found.add(_read(wish, known, where).job)

    _replace(parameters, "", what, note)
    return frozenset(found)


def results_needed(job: Job) -> frozenset[int]:
    """Return the jobs whose results a stored job asks for; none if what it says cannot be read."""
    try:
        return check_references(job.parameters, job.depends, f"job {job.id}")
    except InvalidError:
        return frozenset()


def with_results(job: Job, results: Mapping[int, Any]) -> Job:
    """Return a job with the values in place of its references.

    ``results`` are those of the jobs that are still there; None for one that gave none.

    Raises:
        InvalidError: something that it asks for is not there; the message says what is.
        TooLargeError: the parameters become too large.
    """
    what = f"job {job.id} ({shorten(job.name)})"
    known = _Parents(job.depends)
    room = MAX_PARAMETERS

    def value_of(wish: Any, where: str) -> Any:
        nonlocal room
        value = _look_up(_read(wish, known, where), known, results, where)
        room -= len(json.dumps(value))
        if room < 0:
            raise TooLargeError(
                f"The parameters of {what} take more than {MAX_PARAMETERS} bytes with the results that they ask for; "
                f"let the jobs before it return less, or pass a file."
            )
        return value

    parameters = _replace(job.parameters, "", what, value_of)
    dump_parameters(parameters, f"parameters of {what} with the results that they ask for")
    return evolve(job, parameters=parameters)


def lacking(job: Job, fence: int, error: InvalidError) -> AttemptEnd:
    """Return how the attempt of a job ends for which ``with_results`` found nothing."""
    return AttemptEnd(job_id=job.id, fence=fence, succeeded=False, cause=Cause.FORMAT_ERROR, message=str(error))


def renamed(parameters: Mapping[str, Any], names: Mapping[str, int | str], what: str) -> Mapping[str, Any]:
    """Return parameters whose references call the jobs with these names by other ones, or by id.

    What names no such job is left as it is, for ``check_references`` to read.

    Raises:
        InvalidError: a reference is malformed.
    """
    new = list(names.values())
    known = _Parents({-place: name for place, name in enumerate(names, 1)})  # numbers that nobody writes

    def changed(wish: Any, where: str) -> Any:
        try:
            found = _read(wish, known, where)
        except _UnknownError:
            return {KEY: wish}
        job = new[-found.job - 1]
        return {KEY: {"job": job, "path": list(found.path)} if found.path else {"job": job}}

    result: Mapping[str, Any] = _replace(parameters, "", what, changed)
    return result


class _UnknownError(InvalidError):
    """A reference names no job that is known."""


class _Parents:
    """The jobs before a job, by what they may be called."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self._ids: dict[str, list[int]] = {}
        for number, name in names.items():
            self._ids.setdefault(name, []).append(number)

    def called(self, name: str) -> set[int]:
        """Return those of this name, or with this id."""
        found = set(self._ids.get(name, ()))
        if _ID.fullmatch(name) and int(name) in self.names:
            found.add(int(name))
        return found

    def __str__(self) -> str:
        shown = [f"{number} ({shorten(name)})" for number, name in list(self.names.items())[:SHOWN]]
        more = f" and {len(self.names) - SHOWN} more" if len(self.names) > SHOWN else ""
        return f"it depends on {', '.join(shown)}{more}" if shown else "it depends on no job"


def _refers(value: Any) -> bool:
    if type(value) in _SCALARS:
        return False
    if isinstance(value, Mapping):
        return KEY in value or any(map(_refers, value.values()))
    return isinstance(value, list | tuple) and any(map(_refers, value))


def _replace(value: Any, place: str, what: str, change: Callable[[Any, str], Any]) -> Any:
    """Return a value with each reference in it replaced by what ``change`` makes of it, told where it stands."""
    if isinstance(value, Mapping):
        if KEY not in value:
            return {
                key: _replace(member, f"{place}.{key}" if place else key, what, change) for key, member in value.items()
            }
        where = f"The parameter {shorten(place)} of {what}"
        if not place:
            _refuse(f"The parameters of {what}", "are one reference; ask for a result in one of them.")
        if len(value) > 1:
            others = ", ".join(shorten(key) for key in list(value)[:SHOWN] if key != KEY)
            _refuse(where, f"has {others} beside {KEY!r}, which stands alone; remove one or the other.")
        return change(value[KEY], where)
    if isinstance(value, list | tuple):
        return [_replace(member, f"{place}[{number}]", what, change) for number, member in enumerate(value)]
    return value


def _read(wish: Any, parents: _Parents, where: str) -> _Wish:
    """Return what a reference asks for, of what stands under its key."""
    if isinstance(wish, str):
        return _read_text(wish, parents, where)
    if not isinstance(wish, Mapping):
        _refuse(where, f"asks for the result of {shorten(wish)}; write 'JOB.KEY', or an object with job and path.")
    if not {"job"} <= wish.keys() <= {"job", "path"}:
        _refuse(where, f"asks for a result by {shorten(dict(wish))}; give a 'job', a 'path' if need be, and no more.")
    job = wish["job"]
    if isinstance(job, bool) or not isinstance(job, int | str):
        _refuse(where, f"asks for the result of the job {shorten(job)}; give the job's id or name.")
    found = parents.called(job) if isinstance(job, str) else {max(job, 0)} & parents.names.keys()
    return _Wish(_only(found, job, parents, where), _steps(wish["path"], where) if "path" in wish else ())


def _read_text(wish: str, parents: _Parents, where: str) -> _Wish:
    found: dict[int, str] = {}
    for cut in _CUT.finditer(wish, 0, MAX_NAME + 1):
        name = wish[: cut.start()]
        found |= dict.fromkeys(parents.called(name), wish[len(name) :])
    if not found:
        name = _CUT.split(wish, maxsplit=1)[0]
        _only((), name, parents, where)
    job = _only(found, wish, parents, where)
    return _Wish(job, _split(found[job], where))


def _only(found: Collection[int], name: object, parents: _Parents, where: str) -> int:
    if not found:
        raise _UnknownError(
            f"{where} asks for the result of {shorten(name)}, but {parents}; add that job to the dependencies."
        )
    if len(found) > 1:
        those = " or ".join(f"{number} ({shorten(parents.names[number])})" for number in sorted(found)[:SHOWN])
        _refuse(where, f'asks for the result of {shorten(name)}, which may be job {those}; write {{"job": ID}}.')
    return next(iter(found))


def _steps(path: Any, where: str) -> tuple[str, ...]:
    if isinstance(path, str):
        return _split(path if path.startswith("[") else f".{path}", where)
    if not isinstance(path, list | tuple):
        _refuse(where, f"has the path {shorten(path)}; write text such as 'a.b[0]', or a list of keys and places.")
    for step in path:
        if isinstance(step, bool) or not isinstance(step, int | str) or step == "":
            _refuse(where, f"has the path {shorten(list(path))}; each part is a key or a number, and none is empty.")
    return tuple(map(str, path))


def _split(path: str, where: str) -> tuple[str, ...]:
    if not _PATH.fullmatch(path):
        _refuse(where, f"has the path {shorten(path)}, which has an empty part; write it as 'key.key[0]'.")
    return tuple(step["key"] or step["place"] for step in _STEP.finditer(path))


def _look_up(wish: _Wish, parents: _Parents, results: Mapping[int, Any], where: str) -> Any:
    name = shorten(parents.names[wish.job])
    if wish.job not in results:
        _refuse(where, f"{wish} ({name}), which was deleted.")
    value = results[wish.job]
    if value is None:
        _refuse(where, f"{wish} ({name}), which gave no result.")
    for step in wish.path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and _is_place(step, len(value)):
            value = value[int(step)]
        else:
            _refuse(where, f"{wish} ({name}), and {shorten(step)} is not there; there is {_describe(value)}.")
    return value


def _is_place(step: str, length: int) -> bool:
    return _PLACE.fullmatch(step) is not None and -length <= int(step) < length


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        shown = ", ".join(shorten(key) for key in list(value)[:SHOWN])
        return f"{shown} and {len(value) - SHOWN} more" if len(value) > SHOWN else shown or "an empty object"
    return f"a list of {len(value)}" if isinstance(value, list) else shorten(value)


def _refuse(where: str, why: str) -> NoReturn:
    raise InvalidError(f"{where} {why}")
