"""Servers for tests: in a thread of this process, or as the program that users start."""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Match

from tests.support import Daemon, wait_until
from whatsnext_core.storage import Storage
from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings
from whatsnext_server.process.joining import JoiningProtocol
from whatsnext_server.process.serving import listen
from whatsnext_server.process.siblings import Siblings

TIMEOUT = 60.0


class Api:
    """A server's REST API, with what most tests need to begin."""

    def __init__(self, url: str, app: FastAPI | None = None, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.app = app
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT, headers=headers, trust_env=False)
        self._number = 0

    def name(self, stem: str) -> str:
        """A name that nobody has used on this server."""
        self._number += 1
        return f"{stem}-{self._number}-{os.urandom(4).hex()}"

    def call(self, method: str, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        """What the server answers, as JSON, once the status was checked."""
        if body is not None:
            options["json"] = body
        response = self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        if self.app is not None:
            check_documented(self.app, method, response)
        return response.json() if response.content else None

    def project(self) -> int:
        """The id of a new project."""
        made = self.call("POST", "/projects/", {"name": self.name("project")}, 201)
        return int(made["id"])

    def task(self, project_id: int, name: str = "train", **fields: Any) -> int:
        """The id of a new task."""
        made = self.call("POST", "/tasks/", {"name": name, "project_id": project_id, **fields}, 201)
        return int(made["id"])

    def queue(self) -> tuple[int, int]:
        """A new project with one task, and their ids."""
        project_id = self.project()
        return project_id, self.task(project_id)

    def job(self, project_id: int, task_id: int, name: str = "job", **fields: Any) -> int:
        """The id of a new job."""
        body = {"name": name, "project_id": project_id, "task_id": task_id, **fields}
        return int(self.call("POST", "/jobs/", body, 201)["id"])

    def worker(self, **fields: Any) -> str:
        """The id of a new client."""
        client_id = self.name("worker")
        self.call("POST", "/clients/register", {"id": client_id, "name": client_id, **fields}, 201)
        return client_id

    def status(self, job_id: int) -> str:
        """The status of a job."""
        return str(self.call("GET", f"/jobs/{job_id}")["status"])

    def sync(self, client_id: str, request: int = 1, *, session: str = "", cpu: int = 4, **fields: Any) -> Any:
        """What a sync answers; the client has so many CPUs, all free unless said otherwise."""
        capacity, session_id = {"cpu": cpu}, f"{client_id}-{session}"
        body = {"session_id": session_id, "request": request, "total": capacity, "free": capacity, **fields}
        return self.call("POST", f"/clients/{client_id}/sync", body)

    def send_and_leave_open(self, method: str, path: str, body: Any) -> socket.socket:
        """A connection on which a request was sent and no answer was read."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        content = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        connection = socket.create_connection((host, int(port)))
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        return connection

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_documented(app: FastAPI, method: str, response: httpx.Response) -> None:
    """Check that the description of the API names the status of an answer, and the answer fits its schema."""
    scope = {"type": "http", "method": method, "path": response.url.path, "headers": []}
    routes = [route for route in app.router.routes if isinstance(route, APIRoute)]
    route = next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
    if route is None:
        return
    operation = app.openapi()["paths"][route.path_format][method.lower()]
    assert str(response.status_code) in operation["responses"], f"{method} {route.path}: {response.status_code}"
    model: Any = route.responses.get(response.status_code, {}).get("model")
    if response.is_success and response.status_code == (route.status_code or 200):
        model = route.response_model
    if model is not None:
        TypeAdapter(model).validate_json(response.content)


@contextmanager
def serving(
    storage: Storage, settings: ServerSettings | None = None, siblings: Siblings | None = None, /, **headers: str
) -> Iterator[Api]:
    """A server in a thread of this process."""
    settings = settings or ServerSettings(database="memory://")
    app = create_app(settings, storage, siblings=siblings)
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app, http=JoiningProtocol, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=10
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    api = Api(f"http://127.0.0.1:{listener.getsockname()[1]}", app, headers)
    try:
        wait_until(lambda: server.started or not thread.is_alive(), why="the server listens")
        yield api
    finally:
        api.close()
        server.should_exit = True
        thread.join()
        listener.close()


class Program:
    """The program ``whatsnext-server run`` on a free port, with its files in a folder of its own."""

    def __init__(self, folder: Path, database: str, *options: str, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port_file = folder / "port"
        self.port_file.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "whatsnext_server", "run", "--port", "0", "--port-file", str(self.port_file)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WHATSNEXT_")}
        self.daemon = Daemon(
            [*argv, "--database", database, *options],
            folder / "log",
            cwd=folder,
            env={**clean, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), **(environ or {})},
        )
        wait_until(lambda: self.port_file.exists() or not self.daemon.alive(), 60, "the server listens")
        assert self.daemon.alive(), self.daemon.tail()
        self.api = Api(f"http://127.0.0.1:{self.port_file.read_text().strip()}")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit status."""
        self.api.close()
        return self.daemon.stop(with_signal, 30)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.api.close()
        self.daemon.kill()


@contextmanager
def program(folder: Path, database: str, *options: str, environ: Mapping[str, str] | None = None) -> Iterator[Program]:
    """The program, stopped at the end."""
    running = Program(folder, database, *options, environ=environ)
    try:
        yield running
    finally:
        running.stop()
