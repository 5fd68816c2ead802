"""Schemathesis tries the whole described API: whatever is sent, no 5xx, and every answer is as described."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.components import PostgreSQLServer
from tests.server.serving import Api, serving
from tests.server.storages import opened, opened_on
from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DESCRIPTION = create_app(ServerSettings(database="memory://")).openapi()
FOUND: Any = schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations()
OPERATIONS = [each.ok() for each in FOUND]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=[each.label for each in OPERATIONS])


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with opened("sqlite", tmp_path_factory.mktemp("sqlite")) as storage, serving(storage) as api:
        yield people(api)


@pytest.fixture(scope="module")
def on_postgresql(postgresql: PostgreSQLServer) -> Iterator[Api]:
    with opened_on(postgresql) as storage, serving(storage) as api:
        yield people(api)


def people(api: Api) -> Api:
    """The server, with something of everything, so that small ids are found."""
    project_id, task_id = api.queue()
    first = api.job(project_id, task_id)
    api.job(project_id, task_id, depends={first: "job"})
    api.call("POST", "/clients/register", {"id": "worker-1", "name": "worker"}, 201)
    return api


@each_operation
def test_what_fits_the_description_is_answered_as_described(on_sqlite: Api, operation: Any) -> None:
    attack(on_sqlite, operation, GenerationMode.POSITIVE, 12)


@each_operation
def test_postgresql_answers_as_described(on_postgresql: Api, operation: Any) -> None:
    attack(on_postgresql, operation, GenerationMode.POSITIVE, 8)


@each_operation
def test_what_does_not_fit_is_refused_as_described(memory_api: Api, operation: Any) -> None:
    with suppress(Unsatisfiable):  # nothing that could be sent to `GET /` is wrong
        attack(memory_api, operation, GenerationMode.NEGATIVE, 12)


def attack(api: Api, operation: Any, mode: GenerationMode, examples: int) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def attempt(case: schemathesis.Case[Any]) -> None:
        if operation.path.endswith("/sync") and isinstance(case.body, dict):
            case.body.pop("wait", None)  # nobody sends a job meanwhile
        if operation.path == "/demand" and mode is GenerationMode.POSITIVE:
            case.query.pop("wait", None)  # likewise
        if operation.path == "/events":
            case.headers["Accept"] = "application/json"  # a stream has no end
        case.call_and_validate(base_url=api.url, checks=CHECKS)

    attempt()
