"""What jobs are told of where they run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, frozen

from whatsnext_core.formatting import Invocation, JobContext
from whatsnext_core.model import Allocation, Assignment


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

    def context(self, assignment: Assignment, directory: Path) -> JobContext:
        """Return what a formatter needs to know of an attempt."""
        given = assignment.allocation
        return JobContext(
            job=assignment.job,
            task=assignment.task,
            fence=assignment.fence,
            allocation=given if self.filters else Allocation(cpu=given.cpu),
            directory=directory,
            server=self.server,
            client_id=self.client_id,
            devices_dealt_out=self.deals_devices and self.filters,
        )

    def complete(self, invocation: Invocation, context: JobContext) -> Invocation:
        """Return the invocation with the variables that only this worker knows, unless they are set already.

        ``WHATSNEXT_PROJECT`` is the name of the project. ``OMP_NUM_THREADS`` is the number of CPUs that the job was
        given: numeric libraries else start as many threads as the machine has CPUs, in each of the jobs that share it.
        """
        variables: dict[str, str] = {}
        if name := self.project_names.get(context.job.project_id):
            variables["WHATSNEXT_PROJECT"] = name
        if context.allocation.cpu and self.filters and "OMP_NUM_THREADS" not in os.environ:
            variables["OMP_NUM_THREADS"] = str(context.allocation.cpu)
        return evolve(invocation, env={**variables, **invocation.env})
