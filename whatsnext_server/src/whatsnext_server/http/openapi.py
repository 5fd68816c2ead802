"""What the API says of itself: FastAPI's description of the endpoints, and what holds for all of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whatsnext_core.errors import WhatsNextError
from whatsnext_server import __version__
from whatsnext_server.http.errors import LastResort
from whatsnext_server.http.routing import PROBLEMS, accept_trailing_slash, problems
from whatsnext_server.http.security import is_open_path
from whatsnext_server.schemas import Batch, SyncBody
from whatsnext_server.schemas.examples import EXAMPLES

SUMMARY: Final = "A queue of jobs for machines of all kinds."
TEXT: Final = """\
Projects hold tasks (kinds of jobs: a command, what it needs, what happens when it fails) and jobs (a task with
parameters). Workers, called clients here, ask for jobs that fit what they have free, run them, and report.

* Times are ISO 8601 in UTC. Ids are whole numbers from 1.
* Paths answer with and without a trailing slash.
* An error has a `detail`: a sentence that names the value and says what to do, or, with status 422, a list of what in
  the body does not fit its schema.
* If the server has keys, send one in the header `X-API-Key`.
"""
TAGS: Final = [
    {"name": "projects", "description": "Names that hold tasks and jobs."},
    {"name": "tasks", "description": "Kinds of jobs: command, needs and policies."},
    {"name": "jobs", "description": "Tasks with parameters, from their submission to their end."},
    {"name": "queue", "description": "Fetching from a project's queue, clearing it, submitting many jobs at once."},
    {"name": "logs", "description": "What attempts write."},
    {"name": "events", "description": "Every change of a job, as a list or as it happens."},
    {"name": "artifacts", "description": "Files that jobs make, kept by name for people and for later jobs."},
    {"name": "clients", "description": "Workers, and how they stay in touch."},
    {"name": "health", "description": "Whether server and database are there."},
]
METHODS: Final = frozenset({"get", "head", "put", "post", "delete", "patch"})
SECURITY: Final = "ApiKey"


class Application(FastAPI):
    """The application, with a description of itself that says what holds for all endpoints."""

    def __init__(self, *, needs_key: bool, is_limited: bool, **options: Any) -> None:
        super().__init__(
            title="WhatsNext",
            version=__version__,
            summary=SUMMARY,
            description=TEXT,
            openapi_tags=TAGS,
            redirect_slashes=False,
            swagger_ui_oauth2_redirect_url=None,
            **options,
        )
        for route in self.router.routes:
            if isinstance(route, Route):
                accept_trailing_slash(route)
        self.refusal: WhatsNextError | None = None
        """Why it could not start."""
        self._needs_key = needs_key
        self._is_limited = is_limited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; say in a sentence, without a traceback, why the application could not start."""
        if scope["type"] == "http" and self.middleware_stack is not None and not self._is_observed:
            scope["app"] = self
            await self.middleware_stack(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and self.refusal is not None:
                message = {**message, "message": f"Error: {self.refusal}"}
            await send(message)

        await super().__call__(scope, receive, tell if scope["type"] == "lifespan" else send)

    @cached_property
    def _is_observed(self) -> bool:
        """Whether FastAPI tells anybody of requests: it looks anew for each, which takes longer than all our layers."""
        telemetry = getattr(self, "_native_telemetry", None)
        return telemetry is not None and telemetry.enabled()

    def build_middleware_stack(self) -> ASGIApp:
        """Return the layers: ours around those of the framework, which only what is not called directly passes."""
        ours, self.user_middleware = self.user_middleware, [Middleware(LastResort)]
        app = super().build_middleware_stack()
        self.user_middleware = ours
        for layer, arguments, options in reversed(ours):
            app = layer(app, *arguments, **options)
        return app

    def openapi(self) -> dict[str, Any]:
        """Return the description, made at the first call."""
        if self.openapi_schema is None:
            self.openapi_schema = self._complete(super().openapi())
        return self.openapi_schema

    def _complete(self, schema: dict[str, Any]) -> dict[str, Any]:
        template = "#/components/schemas/{model}"
        _, bodies = models_json_schema([(Batch, "validation"), (SyncBody, "validation")], ref_template=template)
        components = schema.setdefault("components", {})
        known = components.setdefault("schemas", {})
        for name, body in bodies["$defs"].items():
            known.setdefault(name, body)
        for name, example in EXAMPLES.items():
            known[name]["examples"] = [example]
        if self._needs_key:
            components["securitySchemes"] = {SECURITY: {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
        for path, operations in schema["paths"].items():
            for method in METHODS & operations.keys():
                self._complete_operation(operations[method], is_open=is_open_path(path))
        return schema

    def _complete_operation(self, operation: dict[str, Any], *, is_open: bool) -> None:
        statuses = [503]
        if not is_open:
            statuses.append(403)
        if self._needs_key and not is_open:
            operation["security"] = [{SECURITY: []}]
            statuses.append(401)
        if self._is_limited:
            statuses.append(429)
        if "requestBody" in operation:
            statuses.append(413)
        if "parameters" in operation:
            statuses.append(400)
        for status in statuses:
            operation["responses"].setdefault(str(status), _documented(status))


def _documented(status: int) -> dict[str, Any]:
    documented = problems(status)[status]
    content = {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": {"detail": PROBLEMS[status][1]},
        }
    }
    return {"description": documented["description"], "content": content}


__all__ = ["Application"]
