"""What decides about a job: all of one moment, gathered by somebody else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from whatsnext_core.dependencies import Fate, fate
from whatsnext_core.explaining.fleet import Wishes
from whatsnext_core.model import Attempt, Client, Job, JobStatus, Project, Requirement, Task
from whatsnext_core.states import needed
from whatsnext_core.storage.looks import Holding, Parent, PastRun, Place

LONGEST_CHAIN: Final = 50
"""Jobs that a chain is followed through."""


@frozen(kw_only=True)
class Chain:
    """A job that another one waits for; what that one waits for, as long as it is one job; and so on."""

    links: tuple[Parent, ...]
    """The job, the one that it waits for, ...; the last one holds all the others up."""
    forks: bool = False
    """Whether the last one waits for several jobs."""
    is_cut: bool = False
    """Whether the chain goes on."""

    @property
    def root(self) -> Parent:
        """The last one that is known."""
        return self.links[-1]

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of its jobs."""
        return tuple(link.id for link in self.links)


def follow(parent: Parent, unmet: Callable[[int, int], Sequence[Parent]]) -> Chain:
    """Return the chain that begins with a job; ``unmet`` is that of the storage's reader.

    From a BLOCKED job it goes on to the first one that can never do what is asked of it, from a PENDING one to the one
    that it waits for.
    """
    links = [parent]
    while links[-1].status in {JobStatus.PENDING, JobStatus.BLOCKED}:
        if len(links) == LONGEST_CHAIN:
            return Chain(links=tuple(links), is_cut=True)
        above = unmet(links[-1].id, 2)
        if links[-1].status is JobStatus.PENDING and len(above) > 1:
            return Chain(links=tuple(links), forks=True)
        if not above:
            break
        links.append(above[0])
    return Chain(links=tuple(links))


@frozen(kw_only=True)
class Facts:
    """What decides about a job, all of one moment."""

    now: datetime
    """That moment, in UTC."""
    job: Job
    """The job."""
    task: Task
    """Its task."""
    project: Project
    """Its project."""
    unmet: tuple[Parent, ...] = field(default=())
    """Jobs before it whose edges are not met, those that can never be first."""
    unmet_is_all: bool = True
    """Whether there are no further ones."""
    chains: tuple[Chain, ...] = field(default=())
    """What holds up the first of them."""
    place: Place | None = None
    """Its place in the queue, if it is ready."""
    clients: tuple[Client, ...] = field(default=())
    """The clients that are known, active or not."""
    clients_are_all: bool = True
    """Whether there are no further ones."""
    silent_after: timedelta = timedelta(seconds=90)
    """How long a client that is there may be silent."""
    wishes: Wishes = field(factory=Wishes)
    """What clients ask for, as far as it is known."""
    holdings: tuple[Holding, ...] = field(default=())
    """Live attempts on clients that fit it."""
    looked_at: Collection[str] = frozenset()
    """Those clients of which all live attempts are among these."""
    reservations: Mapping[str, tuple[int, datetime]] = field(factory=dict)
    """For each client that drains for a job, which one, and when it last said so."""
    reserve_after: timedelta = timedelta(minutes=5)
    """How long a job is ready before a client drains for it."""
    runs: tuple[PastRun, ...] = field(default=())
    """Past runs of the tasks that matter, newest first."""
    task_names: Mapping[int, str] = field(factory=dict)
    """Names of tasks, as far as they are known."""
    attempt: Attempt | None = None
    """Its newest attempt."""
    holder: Client | None = None
    """The client of that attempt."""
    children: int = 0
    """Jobs that depend directly on it, up to a bound."""
    children_are_all: bool = True
    """Whether there are no further ones."""

    @property
    def requirement(self) -> Requirement:
        """What its next attempt needs."""
        return needed(self.task.requirement, self.task.retry, self.job.ooms)

    def task_name(self, task_id: int) -> str:
        """Return what a sentence calls a task."""
        return self.task_names.get(task_id, f"task {task_id}")


def parent_fate(parent: Parent) -> Fate:
    """Return what the edge to a parent is by the parent's present status, whatever the child was told."""
    return fate(parent.condition, parent.status)
