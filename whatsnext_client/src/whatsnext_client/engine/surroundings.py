"""What jobs are told of where they run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import evolve, field, frozen

from whatsnext_core.formatting import Invocation, JobContext
from whatsnext_core.model import Allocation, Assignment

THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables by which numeric libraries learn how many threads to start; the first one counts for all of them."""


@frozen(kw_only=True)
class Surroundings:
    """What all jobs of one worker have in common."""

    server: str
    """URL of the server."""
    client_id: str
    """The worker."""
    project_names: Mapping[int, str]
    """Names of its projects."""
    deals_devices: bool
    """Whether the worker has accelerators to deal out."""
    filters: bool = True
    """Whether jobs get what they were given, rather than the machine as it is."""
    unset: tuple[str, ...] = field(factory=lambda: tuple(name for name in THREADS if name not in os.environ))
    """Those of the variables that the environment of this worker does not set."""

    def context(self, assignment: Assignment, directory: Path, cpu_ids: tuple[int, ...] = ()) -> JobContext:
        """Return what a formatter needs to know of an attempt; ``cpu_ids`` are the CPUs that it is pinned to."""
        given = assignment.allocation
        return JobContext(
            job=assignment.job,
            task=assignment.task,
            fence=assignment.fence,
            allocation=given if self.filters else Allocation(cpu=given.cpu),
            directory=directory,
            server=self.server,
            client_id=self.client_id,
            cpu_ids=cpu_ids,
            devices_dealt_out=self.deals_devices and self.filters,
        )

    def complete(self, invocation: Invocation, context: JobContext) -> Invocation:
        """Return the invocation with the variables that only this worker knows, unless they are set already.

        ``WHATSNEXT_PROJECT`` is the name of the project. ``OMP_NUM_THREADS`` and its like are the number of CPUs that
        the job was given: numeric libraries else start as many threads as the machine has CPUs, in each of the jobs
        that share it. Where somebody set the first of them, the libraries go by it, and the others are left alone.
        """
        variables: dict[str, str] = {}
        if name := self.project_names.get(context.job.project_id):
            variables["WHATSNEXT_PROJECT"] = name
        is_set = THREADS[0] in invocation.env or THREADS[0] not in self.unset
        if context.allocation.cpu and self.filters and not is_set:
            variables |= dict.fromkeys(self.unset, str(context.allocation.cpu))
        return evolve(invocation, env={**variables, **invocation.env})
