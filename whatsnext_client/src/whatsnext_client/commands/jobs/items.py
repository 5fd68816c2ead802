"""One job of a submission, as a person wrote it, checked by the rules that the server keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits
from whatsnext_core.model.job import JobSpec
from whatsnext_core.model.status import Condition
from whatsnext_core.references import refers, renamed

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
KEYS = ("name", "task", "task_id", "parameters", "priority", "ref", "depends_on", "depends", "timeout")
"""What a job may say."""


@frozen(kw_only=True)
class Edge:
    """One dependency of an item."""

    job: str | int
    """A ref of the same submission, or the id of a job that exists."""
    condition: Condition = Condition.SUCCESS
    """What that job must do."""


@frozen(kw_only=True)
class Item:
    """One job of a submission."""

    name: str
    """Name of the job."""
    task: str | int
    """Name or id of its task."""
    parameters: Mapping[str, Any] = field(factory=dict)
    """Values for the command."""
    priority: int = 0
    """Higher runs first."""
    ref: str | None = None
    """What other items of the submission call it."""
    edges: tuple[Edge, ...] = ()
    """What comes before it."""
    timeout: float | None = None
    """Seconds that an attempt may run."""

    def encode(self, mark: str = "") -> bytes:
        """Return the item as the server wants it; ``mark`` keeps the refs of each combination of a sweep apart."""
        task = "task" if isinstance(self.task, str) else "task_id"
        parameters = self.parameters
        if mark and refers(parameters):
            refs: dict[str, int | str] = {edge.job: edge.job + mark for edge in self.edges if isinstance(edge.job, str)}
            parameters = renamed(parameters, refs, f"job {limits.shorten(self.name)}")
        body: dict[str, Any] = {"name": self.name, task: self.task, "parameters": parameters}
        if self.priority:
            body["priority"] = self.priority
        if self.timeout is not None:
            body["timeout"] = self.timeout
        if self.ref is not None:
            body["ref"] = self.ref + mark
        if self.edges:
            body["depends_on"] = [_edge_body(edge, mark) for edge in self.edges]
        return _ENCODER.encode(body).encode()


def read_item(data: Any) -> Item:
    """Return the item that a JSON value describes.

    Raises:
        InvalidError: it breaks a rule; the message names the value.
    """
    if not isinstance(data, Mapping):
        raise InvalidError(f'a job is a JSON object such as {{"task": "train"}}, not {limits.shorten(data)}')
    unknown = sorted(data.keys() - set(KEYS))
    if unknown:
        raise InvalidError(f"the key {unknown[0]!r} is unknown; a job has {', '.join(KEYS)}")
    task = _task(data)
    ref = _text(data, "ref")
    if ref is not None:
        limits.check_name(ref, "ref")
    name = _text(data, "name") or ref or (task if isinstance(task, str) else f"task-{task}")
    return Item(
        name=name,
        task=task,
        parameters=_mapping(data, "parameters"),
        priority=_number(data, "priority", whole=True) or 0,
        ref=ref,
        edges=(*_ids(data), *_edges(data)),
        timeout=_number(data, "timeout"),
    )


def check(item: Item) -> None:
    """Raise InvalidError unless the server's own rules accept the item."""
    JobSpec(
        name=item.name,
        task_id=1,
        parameters=item.parameters,
        priority=item.priority,
        depends={edge.job: edge.condition for edge in item.edges if isinstance(edge.job, int)},
        timeout=item.timeout,
    )
    seen: set[str | int] = set()
    for edge in item.edges:
        if edge.job in seen:
            raise InvalidError(f"the dependency {edge.job!r} is named twice; keep one")
        seen.add(edge.job)


def _task(data: Mapping[str, Any]) -> str | int:
    name, task_id = _text(data, "task"), _number(data, "task_id", whole=True)
    if (name is None) == (task_id is None):
        raise InvalidError("a job has either a task (its name) or a task_id" + (", not both" if name else ""))
    return name if name is not None else limits.check_id(task_id or 0, "task_id")


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidError(f"{key} is {limits.shorten(value)}; it must be a string")
    return value


def _number(data: Mapping[str, Any], key: str, *, whole: bool = False) -> Any:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise InvalidError(f"{key} is {limits.shorten(value)}; it must be a {'whole ' if whole else ''}number")
    return value


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise InvalidError(f"{key} is {limits.shorten(value)}; it must be a JSON object")
    return value or {}


def _ids(data: Mapping[str, Any]) -> list[Edge]:
    """Return the edges of ``depends``: an object of ids and names, or a list of ids."""
    value = data.get("depends")
    if value is None:
        return []
    if not isinstance(value, Mapping | list):
        raise InvalidError(f"depends is {limits.shorten(value)}; it must be an object of job ids and names")
    return [Edge(job=_id(key)) for key in value]


def _id(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidError(f"depends names {limits.shorten(value)}, which is no job id; refs belong into depends_on")
    return value


def _edges(data: Mapping[str, Any]) -> list[Edge]:
    value = data.get("depends_on")
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidError(f"depends_on is {limits.shorten(value)}; it must be a list of refs and job ids")
    return [_edge(entry) for entry in value]


def _edge(entry: Any) -> Edge:
    condition = Condition.SUCCESS
    job = entry
    if isinstance(entry, Mapping):
        if entry.keys() - {"job", "condition"} or "job" not in entry:
            raise InvalidError(
                f'depends_on has {limits.shorten(entry)}; write {{"job": "ref", "condition": "failure"}}'
            )
        job = entry["job"]
        if entry.get("condition") is not None:
            condition = Condition.parse(str(entry["condition"]))
    if isinstance(job, bool) or not isinstance(job, str | int):
        raise InvalidError(f"depends_on has {limits.shorten(job)}; write a ref (a string) or a job id (a number)")
    return Edge(job=job, condition=condition)


def _edge_body(edge: Edge, mark: str) -> Any:
    job = edge.job + mark if isinstance(edge.job, str) else edge.job
    return job if edge.condition is Condition.SUCCESS else {"job": job, "condition": edge.condition.value}
