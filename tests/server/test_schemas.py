"""Schemas agree with the model in names, defaults, limits and descriptions."""

from typing import Any

import attrs
import pytest
from pydantic import BaseModel, ValidationError

from whatsnext_core.errors import WhatsNextError
from whatsnext_core.model import (
    Attempt,
    Capacity,
    Client,
    ClientChanges,
    ClientSpec,
    Device,
    Job,
    JobChanges,
    JobSpec,
    Project,
    ProjectChanges,
    Requirement,
    RetryPolicy,
    Task,
    TaskSpec,
)
from whatsnext_core.sync import SyncRequest, SyncResponse
from whatsnext_server import schemas
from whatsnext_server.schemas.clients import CapacityBody, DeviceBody
from whatsnext_server.schemas.common import ReadOnly
from whatsnext_server.schemas.documentation import field_docs
from whatsnext_server.schemas.jobs import FETCHED
from whatsnext_server.schemas.tasks import REQUIREMENTS

ALL = [getattr(schemas, name) for name in schemas.__all__]


def names(cls: type) -> set[str]:
    return {attribute.name for attribute in attrs.fields(cls)}


def defaults(cls: type) -> dict[str, Any]:
    """The defaults of an attrs class, those that are made included."""
    found = {}
    for attribute in attrs.fields(cls):
        if attribute.default is not attrs.NOTHING:
            factory = getattr(attribute.default, "factory", None)
            found[attribute.name] = attribute.default if factory is None else factory()
    return found


def changeable(schema: type[BaseModel]) -> set[str]:
    """The fields of an update that change something."""
    note = ReadOnly.__metadata__[0].description
    return {name for name, field in schema.model_fields.items() if field.description != note}


@pytest.mark.parametrize("schema", ALL, ids=[each.__name__ for each in ALL])
def test_every_field_is_described(schema: type[BaseModel]) -> None:
    properties = schema.model_json_schema()["properties"]
    undescribed = {name for name, value in properties.items() if "description" not in value}
    counters = {"PENDING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "BLOCKED"}
    assert undescribed <= counters
    assert schema.__doc__


@pytest.mark.parametrize(
    ("schema", "model", "renamed"),
    [
        (schemas.NewProject, Project, {}),
        (schemas.NewTask, TaskSpec, {}),
        (schemas.Retry, RetryPolicy, {}),
        (schemas.NewJob, JobSpec, {}),
        (schemas.BatchJob, JobSpec, {}),
        (schemas.ClientRegistration, ClientSpec, {}),
        (CapacityBody, Capacity, {}),
        (DeviceBody, Device, {}),
        (schemas.NewTask, Requirement, REQUIREMENTS),
    ],
)
def test_defaults_are_those_of_the_model(schema: type[BaseModel], model: type, renamed: dict[str, str]) -> None:
    expected = defaults(model)
    shared = renamed or {name: name for name in schema.model_fields if name in expected}
    assert shared
    for name, inner in shared.items():
        field, value = schema.model_fields[name], expected[inner]
        given = field.get_default(call_default_factory=True)
        if isinstance(given, BaseModel):
            given = model.__attrs_attrs__ and type(value)(**dict(given))  # type: ignore[attr-defined]  # attrs has it
        assert tuple(given) == value if isinstance(value, tuple) else given == value, name


@pytest.mark.parametrize(
    ("schema", "model", "but"),
    [
        (schemas.ProjectUpdate, ProjectChanges, set()),
        (schemas.JobUpdate, JobChanges, {"conditions"}),
        (schemas.ClientUpdate, ClientChanges, set()),
    ],
)
def test_updates_change_what_the_model_lets_change(schema: type[BaseModel], model: type, but: set[str]) -> None:
    assert changeable(schema) == names(model) | but


@pytest.mark.parametrize(
    ("schema", "model"),
    [(schemas.ProjectUpdate, Project), (schemas.JobUpdate, Job), (schemas.ClientUpdate, Client)],
)
def test_updates_take_every_field_of_a_document(schema: type[BaseModel], model: type) -> None:
    assert schema.model_fields.keys() == names(model)


def test_task_schemas_have_every_field_of_the_model() -> None:
    plain = names(Task) - {"requirement"}
    assert set(schemas.TaskDocument.model_fields) == plain | REQUIREMENTS.keys()
    assert set(REQUIREMENTS.values()) == names(Requirement)
    assert set(schemas.TaskUpdate.model_fields) == set(schemas.TaskDocument.model_fields)
    assert set(schemas.NewTask.model_fields) == names(TaskSpec) - {"requirement"} | REQUIREMENTS.keys() | {"project_id"}


def test_job_schemas_have_every_field_of_the_model() -> None:
    mine = {"task", "conditions"}
    assert set(schemas.NewJob.model_fields) == names(JobSpec) - {"id"} | mine | {"project_id"}
    assert set(schemas.BatchJob.model_fields) == names(JobSpec) - {"id"} | mine | {"ref", "depends_on"}
    assert tuple(schemas.FetchedJob.model_fields) == FETCHED


@pytest.mark.parametrize(
    ("schema", "model"),
    [
        (schemas.ProjectDocument, Project),
        (schemas.JobDocument, Job),
        (schemas.AttemptDocument, Attempt),
        (schemas.ClientDocument, Client),
        (schemas.SyncBody, SyncRequest),
        (schemas.SyncAnswer, SyncResponse),
        (schemas.ClientRegistration, ClientSpec),
        (schemas.Retry, RetryPolicy),
        (CapacityBody, Capacity),
        (DeviceBody, Device),
    ],
)
def test_documents_have_exactly_the_fields_of_the_model(schema: type[BaseModel], model: type) -> None:
    assert list(schema.model_fields) == [attribute.name for attribute in attrs.fields(model)]
    docs = field_docs(model)
    texts = {name: field.description for name, field in schema.model_fields.items() if name != "is_active"}
    assert texts == {name: docs[name] for name in texts}


TASK: dict[str, Any] = {"name": "t", "project_id": 1}
CLIENT: dict[str, Any] = {"id": "c", "name": "c"}
TEN_YEARS = 316_224_000.0
LIMITS: list[tuple[type[BaseModel], type, dict[str, Any], str, str, list[Any], list[Any]]] = [
    (schemas.NewTask, Requirement, TASK, "required_cpu", "cpu", [0, 65_536], [-1, 65_537]),
    (schemas.NewTask, Requirement, TASK, "required_accelerators", "accelerators", [0, 0.5, 4096], [-1, 4097]),
    (schemas.NewTask, Requirement, TASK, "required_memory", "memory", [0, 2**60], [-1, 2**60 + 1]),
    (schemas.NewTask, TaskSpec, TASK, "timeout", "timeout", [0.001, TEN_YEARS], [0, 1e10]),
    (schemas.NewTask, TaskSpec, TASK, "grace", "grace", [0, TEN_YEARS], [-1, 1e10]),
    (schemas.NewTask, TaskSpec, {"project_id": 1}, "name", "name", ["x" * 255], ["", "x" * 256]),
    (schemas.Retry, RetryPolicy, {}, "retries", "retries", [0, 1000], [-1, 1001]),
    (schemas.Retry, RetryPolicy, {}, "max_losses", "max_losses", [0, 1000], [-1, 1001]),
    (schemas.Retry, RetryPolicy, {}, "delay", "delay", [0, TEN_YEARS], [-1, 1e10]),
    (schemas.Retry, RetryPolicy, {}, "max_delay", "max_delay", [0, TEN_YEARS], [-1, 1e10]),
    (schemas.Retry, RetryPolicy, {}, "factor", "factor", [1, 100], [0.5, 101]),
    (schemas.Retry, RetryPolicy, {}, "memory_factor", "memory_factor", [1, 100], [0.5, 101]),
    (schemas.Retry, RetryPolicy, {}, "jitter", "jitter", [0, 1], [-0.1, 1.1]),
    (schemas.BatchJob, JobSpec, {"name": "j"}, "priority", "priority", [2**31 - 1, 1 - 2**31], [2**31, -(2**31)]),
    (schemas.BatchJob, JobSpec, {"name": "j"}, "timeout", "timeout", [0.001, TEN_YEARS], [0, 1e10]),
    (schemas.BatchJob, JobSpec, {}, "name", "name", ["x" * 255], ["", "x" * 256]),
    (schemas.ClientRegistration, ClientSpec, {"name": "c"}, "id", "id", ["a-B_9", "x" * 128], ["", "x" * 129, "a b"]),
    (schemas.ClientRegistration, ClientSpec, CLIENT, "available_cpu", "available_cpu", [0, 65_536], [-1, 65_537]),
    (
        schemas.ClientUpdate,
        ClientChanges,
        {},
        "available_accelerators",
        "available_accelerators",
        [0, 4096],
        [-1, 4097],
    ),
    (CapacityBody, Capacity, {}, "cpu", "cpu", [0, 65_536], [-1, 65_537]),
    (DeviceBody, Device, {"id": "0"}, "free", "free", [0, 1000], [-1, 1001]),
]


@pytest.mark.parametrize(("schema", "model", "rest", "name", "inner", "good", "bad"), LIMITS)
def test_limits_are_those_of_the_model(
    schema: type[BaseModel], model: type, rest: dict[str, Any], name: str, inner: str, good: list[Any], bad: list[Any]
) -> None:
    required = {each.name for each in attrs.fields(model) if each.default is attrs.NOTHING}
    own = {key: value for key, value in {"name": "x", "task_id": 1, "id": "x"}.items() if key in required - {inner}}
    for value in good:
        schema.model_validate({**rest, name: value})
        model(**own, **{inner: value})
    for value in bad:
        with pytest.raises(ValidationError):
            schema.model_validate({**rest, name: value})
        with pytest.raises(WhatsNextError):
            model(**own, **{inner: value})


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4G", 2**32),
        ("4 GiB", 2**32),
        ("4gb", 2**32),
        ("512MiB", 2**29),
        ("1.5k", 1536),
        ("1T", 2**40),
        (7, 7),
    ],
)
def test_memory_is_read_with_units_of_1024(text: object, size: int) -> None:
    body = {"name": "t", "project_id": 1, "required_memory": text}
    assert schemas.NewTask.model_validate(body).required_memory == size
