"""A client, as the library shows it: a worker on this machine."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import evolve

from whatsnext_client.config import load_client_settings
from whatsnext_client.engine import StateFolder, Worker, WorkPlan
from whatsnext_client.engine.folder import default_root
from whatsnext_client.engine.pinning import check_pins
from whatsnext_client.errors import WorkerError
from whatsnext_client.interrupts import interrupted_by_signals
from whatsnext_client.project import Project
from whatsnext_client.resource import Resource
from whatsnext_client.server import Server
from whatsnext_core.converters import to_json
from whatsnext_core.errors import ConflictError, InvalidError, WhatsNextError
from whatsnext_core.formatting import Engine
from whatsnext_core.model import Capacity, Device, Requirement
from whatsnext_core.model.limits import check_name
from whatsnext_core.probing import Probe
from whatsnext_core.resources import allocate, give_back, numbered_devices, shortfalls, take

_log = logging.getLogger(__name__)


class Client:
    """A worker: takes jobs of a project that fit this machine, and runs them through a formatter.

    Args:
        entity: Who it belongs to: a team or a person.
        name: What people call it; a worker of the same name that is started again here goes on where it stopped.
        project: The project whose jobs it takes, or several; a Server for all projects, also those that come later.
        formatter: Makes commands of jobs, and runs them.
        description: Free text.
        available_cpu: CPUs that it offers.
        available_accelerators: Accelerators that it offers, with the ids "0", "1", ...
        register_with_server: Whether the server shall know it at once; otherwise it does when it begins to work.
        devices: The accelerators in detail, instead of their number.
        memory: Bytes of main memory that it offers; None for no limit.
        labels: Labels that tasks may ask for, ``name`` or ``name=value``.
        id: Its id on the server; None for one that is made up once, and kept in the state directory.
        state_dir: Where it keeps what it needs to go on after a restart; None for the configured place.
        probe: What measures the devices again while it works, so that none is dealt out while others use it; None if
            nobody else does.
        probe_interval: Seconds between two measurements.
        cpu_ids: The CPUs that it deals out, by number (``os.sched_getaffinity(0)``): each job that needs CPUs runs on
            its own ones and no others. At least as many as it offers; empty for no pinning. On Linux, and for
            formatters that run local processes, or containers of Docker.

    Raises:
        InvalidError: there is no pinning to these CPUs here.
        WorkerError: the state directory cannot be written, or another process has the ``id``.
    """

    def __init__(
        self,
        entity: str,
        name: str,
        project: Project | Sequence[Project] | Server,
        formatter: Engine,
        description: str = "",
        available_cpu: int = 1,
        available_accelerators: int = 0,
        register_with_server: bool = True,
        *,
        devices: Sequence[Device] | None = None,
        memory: int | None = None,
        labels: Iterable[str] = (),
        id: str | None = None,  # noqa: A002 - it is the name of the field everywhere
        state_dir: str | Path | None = None,
        probe: Probe | None = None,
        probe_interval: float = 10.0,
        cpu_ids: Iterable[int] = (),
    ) -> None:
        self.entity = entity
        self.name = check_name(name, "name of the client")
        self.projects = _projects(project)
        """The projects whose jobs it takes; empty for all."""
        self.formatter = formatter
        self.description = description
        self.probe = probe
        self.probe_interval = probe_interval
        found = tuple(devices) if devices is not None else numbered_devices(available_accelerators)
        self.capacity = Capacity(cpu=available_cpu, memory=memory, devices=found, labels=frozenset(labels))
        """All that it offers."""
        self.cpu_ids = check_pins(frozenset(cpu_ids), available_cpu)
        """The CPUs that it deals out, by number; empty if it pins nothing."""
        if not self.projects and not isinstance(project, Server):
            raise InvalidError(f"Client {name!r} has no project; give at least one.")
        if not isinstance(formatter, Engine):
            raise InvalidError(
                f"The formatter of client {name!r} is {formatter!r:.80}; give an object of a subclass of Formatter."
            )
        self._rest = project.rest if isinstance(project, Server) else self.projects[0].rest
        self._wanted_id = id
        self._root = _state_root(self._rest.transport.address.slug, state_dir)
        self._free = self.capacity
        self._resources: list[Resource] = []
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._worker: Worker | None = None
        self._folder = self._acquire_folder()
        if register_with_server:
            self.register()

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Its id on the server."""
        return self._folder.client_id

    @property
    def project(self) -> Project:
        """The project whose jobs it takes; the first of several.

        Raises:
            ConflictError: it takes the jobs of all projects.
        """
        if not self.projects:
            raise ConflictError(f"Client {self.name!r} takes the jobs of all projects, so it has none of its own.")
        return self.projects[0]

    @property
    def available_cpu(self) -> int:
        """CPUs that it offers."""
        return self.capacity.cpu

    @property
    def available_accelerators(self) -> int:
        """Accelerators that it offers."""
        return len(self.capacity.devices)

    def register(self) -> None:
        """Make the server know it, and count on it."""
        self._rest.register(
            {
                "id": self.id,
                "name": self.name,
                "entity": self.entity,
                "description": self.description,
                "available_cpu": self.available_cpu,
                "available_accelerators": self.available_accelerators,
                "capacity": to_json(self.capacity),
            }
        )

    def unregister(self) -> None:
        """Let the server forget it, as one that does not come back; what it still holds returns to the queue.

        The history of the jobs keeps its attempts. A server that is away is not waited for.
        """
        try:
            self._rest.delete_client(self.id, retry_for=0.0)
        except WhatsNextError as error:
            _log.warning("The server was not told to forget client %s: %s", self.id, error)

    # -- working -------------------------------------------------------------------------------------------------------

    def work(
        self,
        resource: Resource | None = None,
        poll_interval: float = 5.0,
        run_forever: bool = False,
        use_resource_filter: bool = True,
        *,
        idle_time: float | None = None,
        lifetime: float | None = None,
        ends_at: datetime | None = None,
        margin: float = 60.0,
    ) -> int:
        """Run jobs until the queue is empty, and return how many were executed.

        As many run at once as fit. The queue is empty for this worker when nothing runs here any more and its projects
        have no PENDING job of a task that fits the worker. A job that waits for others, wherever those run, or for a
        retry is PENDING, so the worker waits for it too; a job that needs more than the worker has is not waited for.

        SIGINT and SIGTERM let it finish what runs, take no more, and return; a second one ends the running jobs too,
        which then return to the queue. Both need the main thread; ``stop`` does the same from any.

        Args:
            resource: Use only this part of the client.
            poll_interval: Seconds between two looks whether a queue with nothing ready has become empty.
            run_forever: Whether to wait for more when the queue is empty.
            use_resource_filter: Whether jobs are taken by what they need. If not, they are taken whatever they need, as
                many at once as there are CPUs, and see all devices of the machine.
            idle_time: Seconds without a job after which it returns.
            lifetime: Seconds after which it takes no more jobs.
            ends_at: When this machine is taken away, as at the end of a batch allocation: no job is taken that may take
                longer than that, by its timeout and grace, and what still runs before is ended and returns to the
                queue.
            margin: Seconds before ``ends_at`` at which that happens.

        Raises:
            WorkerError: it works already, or another process has become this worker.
            ServerUnreachableError: the server was away for minutes, and nothing ran here any more.
        """
        if not self._working.acquire(blocking=False):
            raise WorkerError(f"Client {self.name!r} works already; make another Client to work twice at once.")
        try:
            if self._folder.pid != os.getpid():
                self._folder = self._acquire_folder()
            self.register()
            plan = WorkPlan(
                total=self._offer(resource),
                project_names={project.id: project.label for project in self.projects},
                run_forever=run_forever,
                poll_interval=poll_interval,
                use_resource_filter=use_resource_filter,
                cpu_ids=self.cpu_ids,
                idle_time=idle_time,
                lifetime=lifetime,
                ends_at=None if ends_at is None else time.monotonic() + (ends_at - datetime.now(UTC)).total_seconds(),
                margin=margin,
                probe=self.probe,
                probe_interval=self.probe_interval,
            )
            self._worker = Worker(self._rest, self._folder, self.formatter, plan, register=self.register)
            with interrupted_by_signals(self._worker.drain, self._worker.abort):
                count = self._worker.run()
                self._deactivate()
                return count
        finally:
            self._worker = None
            self._working.release()

    @property
    def is_working(self) -> bool:
        """Whether ``work`` runs, so that ``stop`` has something to end."""
        return self._worker is not None

    def stop(self, *, jobs_too: bool = False) -> None:
        """Let ``work`` return when the running jobs have ended; with ``jobs_too`` they are ended, and queued again."""
        worker = self._worker
        if worker is not None:
            (worker.abort if jobs_too else worker.drain)()

    # -- resources -----------------------------------------------------------------------------------------------------

    def allocate_resource(self, cpu: int, accelerator: float = 0) -> Resource:
        """Set CPUs and accelerators aside: ``work`` does not use them unless it is given the resource.

        Args:
            cpu: Number of CPUs.
            accelerator: Number of accelerators; below 1, a share of one.

        Raises:
            ConflictError: so much is not free.
        """
        requirement = Requirement(cpu=cpu, accelerators=accelerator)
        with self._lock:
            allocation = allocate(requirement, self._free)
            if allocation is None:
                lacks = "; ".join(words for _, words in shortfalls(requirement, self._free))
                raise ConflictError(f"Client {self.name!r} cannot set so much aside: {lacks} free.")
            self._free = take(self._free, allocation)
            resource = Resource(cpu, allocation.devices, self)
            self._resources.append(resource)
        return resource

    def free_resource(self, resource: Resource) -> None:
        """Give a resource back; one that was given back already is left alone."""
        with self._lock:
            if resource not in self._resources:
                return
            self._resources.remove(resource)
            self._free = give_back(self._free, resource.allocation)
        resource.set_status("inactive")

    @property
    def active_resources(self) -> list[Resource]:
        """What is in use, which is the resources that were set aside and one for each job that runs."""
        worker = self._worker
        running = [] if worker is None else worker.live()
        used = [Resource(held.allocation.cpu, held.allocation.devices, self) for held in running]
        with self._lock:
            return [*self._resources, *used]

    # ------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release the state directory and the formatter; what runs goes on running."""
        self._folder.close()
        self.formatter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _acquire_folder(self) -> StateFolder:
        if self._wanted_id is not None:
            return StateFolder.acquire_named(self._root, self._wanted_id)
        return StateFolder.acquire(self._root, f"{self.entity}-{self.name}" if self.entity else self.name)

    def _offer(self, resource: Resource | None) -> Capacity:
        with self._lock:
            if resource is None:
                return self._free
        shares = {share.device: share.millis for share in resource.shares}
        devices = tuple(evolve(each, free=shares[each.id]) for each in self.capacity.devices if each.id in shares)
        return evolve(self.capacity, cpu=resource.cpus, devices=devices)

    def _deactivate(self) -> None:
        try:
            self._rest.deactivate(self.id, retry_for=0.0)
        except WhatsNextError as error:
            _log.warning("The server was not told that client %s has stopped: %s", self.id, error)

    def __repr__(self) -> str:
        return f"Client(id={self.id!r}, name={self.name!r}, entity={self.entity!r})"


def _projects(given: Project | Sequence[Project] | Server) -> tuple[Project, ...]:
    if isinstance(given, Server):
        return ()
    return (given,) if isinstance(given, Project) else tuple(given)


def _state_root(slug: str, given: str | Path | None) -> Path:
    """Return where the workers of a server keep their folders."""
    chosen = given if given is not None else load_client_settings().state_dir
    return Path(chosen).expanduser().absolute() / slug if chosen is not None else default_root(slug)
