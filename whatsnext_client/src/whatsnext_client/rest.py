"""The server's endpoints as methods: plain documents in, plain documents out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from attrs import frozen

from whatsnext_client import answers
from whatsnext_client.connection import Parameters
from whatsnext_client.errors import UnexpectedAnswerError
from whatsnext_client.events import KINDS, read_event
from whatsnext_client.transport import Transport
from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import Event

Document: TypeAlias = dict[str, Any]

PAGE: Final = 1000
"""Items that one request for a list asks for."""
MANY: Final = 100
"""Jobs in a batch from which on it is worth to import what writes them faster."""


@frozen(kw_only=True)
class LogPart:
    """Some bytes of a log."""

    data: bytes
    """The bytes."""
    offset: int
    """Where they begin: behind the place asked for, if what was there was dropped."""
    size: int
    """The size of the whole log, as far as it was received."""
    fence: int
    """The attempt that wrote it; 0 if there is none yet."""
    complete: bool
    """Whether the attempt has ended, so that nothing follows."""

    def gap(self, offset: int) -> bytes:
        """Return the line that stands for what was dropped between ``offset`` and here; none if nothing."""
        missing = self.offset - offset if self.data else 0
        return b"\n[whatsnext: %d bytes were dropped here]\n" % missing if missing > 0 else b""


class Rest:
    """The endpoints of one server."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    # -- projects ------------------------------------------------------------------------------------------------------

    def projects(self, *, limit: int = PAGE, skip: int = 0, status: str | None = None) -> list[Document]:
        """Return one page of projects, by id."""
        return self._list("/projects/", {"limit": limit, "skip": skip, "status": status})

    def all_projects(self) -> Iterator[Document]:
        """Yield every project, by id."""
        return self._pages("/projects/", {})

    def project(self, project_id: int) -> Document:
        """Return a project; NotFoundError if there is none of this id."""
        return self._document(self.transport.get(f"/projects/{project_id}"))

    def project_named(self, name: str) -> Document | None:
        """Return the project of this name, or None if there is none."""
        try:
            return self._document(self.transport.get(f"/projects/name/{_quoted(name)}"))
        except NotFoundError:
            return None

    def create_project(self, name: str, description: str = "") -> Document:
        """Create a project; ConflictError if the name is taken."""
        return self._document(self.transport.post("/projects/", {"name": name, "description": description}))

    def update_project(self, project_id: int, changes: Mapping[str, Any]) -> Document:
        """Change name, description or status of a project."""
        return self._document(self.transport.put(f"/projects/{project_id}", changes))

    def delete_project_named(self, name: str) -> None:
        """Delete the project of this name with all that it holds; NotFoundError if there is none."""
        self.transport.delete(f"/projects/name/{_quoted(name)}")

    def counts(self, project_id: int) -> dict[str, int]:
        """Return how many jobs of the project there are in each status."""
        return self._document(self.transport.get(f"/projects/{project_id}/counts"))

    def demand(self, project_id: int | None = None, *, wait: float = 0.0) -> list[Document]:
        """Return what the jobs that could start now need, one document for all that need the same.

        While there are none, the server holds the request for up to ``wait`` seconds.
        """
        return self._list("/demand", {"project_id": project_id, "wait": wait or None})

    def fetch_job(self, project_id: int, *, cpu: int, accelerators: int, client_id: str | None = None) -> Document:
        """Claim the next job that fits: ``{"job": ... or None, "num_pending": n}``."""
        params: Parameters = {"available_cpu": cpu, "available_accelerators": accelerators, "client_id": client_id}
        found = self.transport.get(f"/projects/{project_id}/fetch_job", params, idempotent=False)
        return self._document(found)

    def clear_queue(self, project_id: int) -> int:
        """Delete all PENDING jobs of the project and return how many there were."""
        return int(self._document(self.transport.delete(f"/projects/{project_id}/queue"))["deleted"])

    # -- tasks ---------------------------------------------------------------------------------------------------------

    def tasks(self, project_id: int | None = None) -> Iterator[Document]:
        """Yield every task of the project, by id."""
        return self._pages("/tasks/", {"project_id": project_id})

    def task(self, task_id: int) -> Document:
        """Return a task; NotFoundError if there is none of this id."""
        return self._document(self.transport.get(f"/tasks/{task_id}"))

    def task_named(self, project_id: int, name: str) -> Document:
        """Return the task of this name in the project; NotFoundError if there is none."""
        return self._document(self.transport.get(f"/tasks/name/{_quoted(name)}", {"project_id": project_id}))

    def create_task(self, body: Mapping[str, Any]) -> Document:
        """Create a task; ConflictError if the name is taken in its project."""
        return self._document(self.transport.post("/tasks/", body))

    def update_task(self, task_id: int, changes: Mapping[str, Any]) -> Document:
        """Change fields of a task."""
        return self._document(self.transport.put(f"/tasks/{task_id}", changes))

    def delete_task(self, task_id: int) -> None:
        """Delete a task and its ended jobs; ConflictError while others are left."""
        self.transport.delete(f"/tasks/{task_id}")

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def jobs(self, **params: Any) -> list[Document]:
        """Return one page of jobs; the parameters are those of ``GET /jobs/``."""
        return self._list("/jobs/", params)

    def all_jobs(self, **params: Any) -> Iterator[Document]:
        """Yield every job that the parameters describe, by id: none twice, none left out, whatever changes."""
        last = 0
        while True:
            page = self._list("/jobs/", {**params, "order": "oldest", "after_id": last, "limit": PAGE})
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1]["id"]

    def job(self, job_id: int) -> Document:
        """Return a job; NotFoundError if there is none of this id."""
        return self._document(self.transport.get(f"/jobs/{job_id}"))

    def create_job(self, body: Mapping[str, Any]) -> Document:
        """Submit one job."""
        return self._document(self.transport.post("/jobs/", body))

    def create_jobs(
        self, project_id: int, jobs: Sequence[Mapping[str, Any]], *, timeout: float | None = None
    ) -> list[int]:
        """Submit jobs, all or none, and return their ids in the same order; their values were checked before."""
        sent: dict[str, Any] = {"body": {"jobs": jobs}}
        if len(jobs) >= MANY:
            from whatsnext_client import bulk

            data = bulk.write(sent["body"])
            if data is not None:
                sent = {"data": data, "content_type": "application/json"}
        found = self.transport.post(f"/projects/{project_id}/jobs/batch", timeout=timeout, **sent)
        return list(self._document(found)["job_ids"])

    def update_job(self, job_id: int, changes: Mapping[str, Any]) -> Document:
        """Change fields of a job."""
        return self._document(self._document(self.transport.put(f"/jobs/{job_id}", changes))["data"])

    def delete_job(self, project_id: int, job_id: int) -> None:
        """Delete a job of the project; NotFoundError if it has none of this id."""
        self.transport.delete(f"/projects/{project_id}/jobs/{job_id}")

    def cancel_job(self, job_id: int) -> Document:
        """Cancel a job; at once if it waits, once its worker confirms if it runs."""
        return self._document(self._document(self.transport.post(f"/jobs/{job_id}/cancel", idempotent=True))["data"])

    def retry_job(self, job_id: int) -> Document:
        """Bring a job that failed or was cancelled back."""
        return self._document(self._document(self.transport.post(f"/jobs/{job_id}/retry"))["data"])

    def dependencies(self, job_id: int) -> list[Document]:
        """Return the jobs before a job, each with id, name and status."""
        return list(self._document(self.transport.get(f"/jobs/{job_id}/dependencies"))["dependencies"])

    def why(self, job_id: int) -> Document:
        """Return why a job stands where it stands."""
        return self._document(self.transport.get(f"/jobs/{job_id}/why"))

    def attempts(self, job_id: int) -> list[Document]:
        """Return the attempts of a job, oldest first."""
        return list(self.transport.get(f"/jobs/{job_id}/attempts"))

    def read_log(self, job_id: int, stream: str, *, offset: int = 0, limit: int, fence: int | None = None) -> LogPart:
        """Return up to ``limit`` bytes of ``stdout`` or ``stderr`` from an offset; of the newest attempt by default."""
        params: Parameters = {"offset": offset, "limit": limit, "fence": fence}
        response = self.transport.send("GET", f"/jobs/{job_id}/logs/{stream}", params=params)
        headers = response.headers
        return LogPart(
            data=response.content,
            offset=int(headers.get("X-Log-Offset", offset)),
            size=int(headers.get("X-Log-Size", 0)),
            fence=int(headers.get("X-Log-Fence", fence or 0)),
            complete=headers.get("X-Log-Complete", "false") == "true",
        )

    def append_log(
        self,
        job_id: int,
        stream: str,
        data: bytes,
        *,
        fence: int,
        offset: int,
        skipped: int = 0,
        retry_for: float | None = None,
    ) -> int:
        """Append bytes to the log of an attempt and return its size; safe to repeat.

        ``skipped`` bytes before ``offset`` are left out for good; whoever reads is told how many.

        Raises:
            OffsetError: the log ends at another offset.
        """
        path, params = f"/jobs/{job_id}/logs/{stream}", {"fence": fence, "offset": offset, "skipped": skipped}
        response = self.transport.send("PATCH", path, params=params, data=data, retry_for=retry_for)
        return int(response.json()["size"])

    # -- artifacts -----------------------------------------------------------------------------------------------------

    def artifacts(self, job_id: int) -> Iterator[Document]:
        """Yield the files of a job, by name."""
        return self._pages(f"/jobs/{job_id}/artifacts", {})

    def artifact(self, job_id: int, name: str) -> Document:
        """Return the file of this name; NotFoundError if the job has none."""
        found = self._list(f"/jobs/{job_id}/artifacts", {"name": name})
        if not found:
            raise NotFoundError(f"Job {job_id} has no artifact {name!r}.")
        return found[0]

    def artifact_bytes(self, job_id: int, name: str, begin: int, end: int, *, sha256: str) -> bytes:
        """Return a part of a file that must have this checksum.

        Raises:
            ConflictError: another file has taken its place.
        """
        wanted = {"Range": f"bytes={begin}-{end - 1}", "If-Match": f'"{sha256}"', "Accept-Encoding": "identity"}
        return self.transport.send("GET", _file(job_id, name), extra=wanted).content

    def send_artifact(
        self,
        job_id: int,
        name: str,
        data: bytes,
        *,
        offset: int,
        size: int,
        sha256: str,
        content_type: str,
        fence: int | None = None,
        retry_for: float | None = None,
    ) -> Document:
        """Send a part of a file and return how much is there, and the file once it is whole; safe to repeat.

        Raises:
            OffsetError: the server has less than what comes before the offset.
        """
        params: Parameters = {"offset": offset, "size": size, "sha256": sha256, "fence": fence}
        path = _file(job_id, name)
        options: dict[str, Any] = {"content_type": content_type, "retry_for": retry_for}
        return self._document(self.transport.send("PATCH", path, params=params, data=data, **options).json())

    def delete_artifact(self, job_id: int, name: str) -> None:
        """Delete a file; NotFoundError if the job has none of this name."""
        self.transport.delete(_file(job_id, name))

    # -- events --------------------------------------------------------------------------------------------------------

    def event_pages(
        self, params: Mapping[str, Any], *, after: int | None = None, since: datetime | None = None
    ) -> Iterator[tuple[list[Event], int]]:
        """Yield events up to now, page by page, each with the number after which to go on.

        The parameters are those of ``GET /events``; it begins after a number, or at a time, or with the oldest.
        """
        query = {**params, "limit": PAGE, "after": after, "since": None if since is None else since.isoformat()}
        complete = False
        while not complete:
            response = self.transport.send("GET", "/events", params=query)
            found = answers.document(response)
            query = {**params, "limit": PAGE, "after": int(response.headers.get("X-Events-After", 0))}
            complete = response.headers.get("X-Events-Complete", "true") == "true"
            events = [read_event(each) for each in found if each["kind"] in KINDS]
            yield events, int(query["after"])

    # -- clients -------------------------------------------------------------------------------------------------------

    def register(self, body: Mapping[str, Any]) -> Document:
        """Register a client, or update the one of this id."""
        return self._document(self.transport.post("/clients/register", body, idempotent=True))

    def clients(self, *, active_only: bool = True) -> Iterator[Document]:
        """Yield the clients."""
        return self._pages("/clients/", {"active_only": active_only})

    def client(self, client_id: str) -> Document:
        """Return a client; NotFoundError if there is none of this id."""
        return self._document(self.transport.get(f"/clients/{_quoted(client_id)}"))

    def update_client(self, client_id: str, changes: Mapping[str, Any]) -> Document:
        """Change fields of a client; ``draining`` asks it to finish what it runs and take no more."""
        return self._document(self.transport.put(f"/clients/{_quoted(client_id)}", changes))

    def delete_client(self, client_id: str, *, retry_for: float | None = None) -> None:
        """Delete a client; what it holds returns to the queue."""
        self.transport.delete(f"/clients/{_quoted(client_id)}", retry_for=retry_for)

    def deactivate(self, client_id: str, *, retry_for: float | None = None) -> None:
        """Mark a client as one that takes no jobs."""
        self.transport.post(f"/clients/{_quoted(client_id)}/deactivate", idempotent=True, retry_for=retry_for)

    def sync(self, client_id: str, body: Mapping[str, Any], *, timeout: float, retry_for: float = 0.0) -> Document:
        """Exchange results, states and orders for jobs; see ``whatsnext_core.sync``."""
        path = f"/clients/{_quoted(client_id)}/sync"
        options: dict[str, Any] = {"idempotent": True, "timeout": timeout, "retry_for": retry_for}
        return self._document(answers.document(self.transport.send("POST", path, body=body, **options), sync=True))

    # ------------------------------------------------------------------------------------------------------------------

    def _pages(self, path: str, params: Mapping[str, Any]) -> Iterator[Document]:
        skip = 0
        while True:
            page = self._list(path, {**params, "limit": PAGE, "skip": skip})
            yield from page
            if len(page) < PAGE:
                return
            skip += len(page)

    def _list(self, path: str, params: Mapping[str, Any]) -> list[Document]:
        return list(self.transport.get(path, {key: _plain(value) for key, value in params.items()}))

    @staticmethod
    def _document(found: Any) -> Document:
        if not isinstance(found, dict):
            raise UnexpectedAnswerError(f"The server answered {found!r:.80} where a JSON object was expected.")
        return found


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _file(job_id: int, name: str) -> str:
    return f"/jobs/{job_id}/artifacts/{quote(name, safe='/')}"


def _quoted(text: str) -> str:
    return quote(text, safe="")
