"""What the API says of itself is complete."""

from typing import Any

import jsonschema_rs
import pytest

from tests.server.serving import Api
from whatsnext_server.app import create_app
from whatsnext_server.schemas.examples import EXAMPLES

DESCRIPTION = create_app().openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
}
DOCUMENTED = [
    "GET /",
    "GET /checkdb",
    "GET /projects/",
    "POST /projects/",
    "GET /projects/{project_id}",
    "PUT /projects/{project_id}",
    "DELETE /projects/{project_id}",
    "GET /projects/name/{name}",
    "DELETE /projects/name/{name}",
    "GET /projects/{project_id}/fetch_job",
    "GET /projects/{project_id}/counts",
    "DELETE /projects/{project_id}/queue",
    "GET /demand",
    "POST /projects/{project_id}/jobs/batch",
    "DELETE /projects/{project_id}/jobs/{job_id}",
    "GET /tasks/",
    "POST /tasks/",
    "GET /tasks/{task_id}",
    "PUT /tasks/{task_id}",
    "DELETE /tasks/{task_id}",
    "GET /tasks/name/{name}",
    "GET /jobs/",
    "POST /jobs/",
    "GET /jobs/{job_id}",
    "PUT /jobs/{job_id}",
    "DELETE /jobs/{job_id}",
    "GET /jobs/{job_id}/dependencies",
    "GET /jobs/{job_id}/attempts",
    "GET /jobs/{job_id}/why",
    "POST /jobs/{job_id}/cancel",
    "POST /jobs/{job_id}/retry",
    "GET /jobs/{job_id}/logs/{stream}",
    "PATCH /jobs/{job_id}/logs/{stream}",
    "GET /events",
    "GET /jobs/{job_id}/artifacts",
    "GET /jobs/{job_id}/artifacts/{name}",
    "HEAD /jobs/{job_id}/artifacts/{name}",
    "PUT /jobs/{job_id}/artifacts/{name}",
    "PATCH /jobs/{job_id}/artifacts/{name}",
    "DELETE /jobs/{job_id}/artifacts/{name}",
    "GET /notifiers",
    "POST /clients/register",
    "GET /clients/",
    "GET /clients/{client_id}",
    "PUT /clients/{client_id}",
    "DELETE /clients/{client_id}",
    "POST /clients/{client_id}/heartbeat",
    "POST /clients/{client_id}/deactivate",
    "POST /clients/{client_id}/sync",
]


def test_every_documented_endpoint_is_described_and_no_other() -> None:
    assert set(OPERATIONS) == set(DOCUMENTED)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_operation_is_described_with_examples(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    for parameter in operation.get("parameters", []):
        assert parameter.get("description"), parameter["name"]
    for status, response in operation["responses"].items():
        assert response["description"], status
        if status[0] in "45" and status != "422":
            assert response["content"]["application/json"]["example"]["detail"]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        assert "example" in media or media["schema"].get("format") == "binary" or example_of(media["schema"])
    if "200" in operation["responses"] or "201" in operation["responses"]:
        success = operation["responses"].get("200") or operation["responses"]["201"]
        for media in success["content"].values():
            assert "example" in media or media["schema"].get("format") == "binary" or example_of(media["schema"])


def example_of(schema: dict[str, Any]) -> Any:
    """An example of what a schema describes, given with it or with the schema that it refers to."""
    if schema.get("type") == "array":
        return example_of(schema["items"])
    if "$ref" in schema:
        schema = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema.get("examples") or schema.get("example")


@pytest.mark.parametrize("name", sorted(DESCRIPTION["components"]["schemas"]))
def test_schema_and_its_fields_are_described(name: str) -> None:
    schema = DESCRIPTION["components"]["schemas"][name]
    if name in {"HTTPValidationError", "ValidationError"}:
        return
    assert schema.get("description"), name
    for field, described in schema.get("properties", {}).items():
        assert described.get("description") or name == "ProjectCounts", f"{name}.{field}"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_fit_their_schemas(name: str) -> None:
    schema = {**DESCRIPTION["components"]["schemas"][name], "components": DESCRIPTION["components"]}
    jsonschema_rs.validator_for(schema).validate(EXAMPLES[name])


def test_tags_are_explained() -> None:
    used = {tag for operation in OPERATIONS.values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in DESCRIPTION["tags"] if tag["description"]}


def test_pages_show_the_description(memory_api: Api) -> None:
    assert "WhatsNext" in memory_api.http.get("/docs").text
    assert "WhatsNext" in memory_api.http.get("/redoc").text
    assert memory_api.http.get("/openapi.json").json()["info"]["title"] == "WhatsNext"
