"""What follows a failure is said by the task, cause by cause: lost always, out of memory with more, exits never."""

from collections.abc import Mapping

from attrs import evolve

from tests.client.conftest import MakeClient
from tests.client.support import Python
from whatsnext.api.client import Project
from whatsnext_core.formatting import Execution, Handle
from whatsnext_core.model import Cause

POLICY = {"retries": 4, "delay": 0, "causes": ["oom"], "memory_factor": 2, "max_losses": 1000}
"""Retried: lost ones, whatever happens, and those that ran out of memory, with twice as much each time."""
NEEDS = "import os, sys; sys.exit(0 if int(os.environ['WHATSNEXT_MEMORY']) >= 4 * 2**20 else 137)"
FICKLE = "import os, sys; sys.exit(0 if os.environ['WHATSNEXT_ATTEMPT'] > '7' else 75)"


class Judging(Python):
    """Says what an engine with limits of its own says: 137 is a memory kill, 75 a node that went away."""

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        causes = {137: Cause.OOM, 75: Cause.LOST}
        return {
            key: evolve(each, cause=causes.get(each.exit_code or 0, each.cause))
            for key, each in super().poll(handles).items()
        }


def test_job_that_ran_out_of_memory_is_given_more(project: Project, make_client: MakeClient) -> None:
    project.create_task("train", required_memory="1MiB", retry=POLICY)
    job = project.append("job", "train", {"code": NEEDS})
    assert make_client(formatter=Judging(), memory=6 * 2**20).work() == 3
    assert job.refresh().status == "COMPLETED"
    assert [attempt.cause for attempt in job.attempts()] == ["oom", "oom", None]
    assert [attempt.allocation.memory for attempt in job.attempts()] == [2**20, 2 * 2**20, 4 * 2**20]


def test_job_that_exits_is_not_tried_again(project: Project, make_client: MakeClient) -> None:
    project.create_task("train", retry=POLICY)
    job = project.append("job", "train", {"code": "raise SystemExit(3)"})
    assert make_client(formatter=Judging()).work() == 1
    assert (job.refresh().status, job.cause, job.exit_code) == ("FAILED", "exit", 3)


def test_job_that_is_lost_is_tried_again_whatever_happens(project: Project, make_client: MakeClient) -> None:
    project.create_task("patient", retry={**POLICY, "retries": 0})
    project.create_task("hasty", retry={**POLICY, "max_losses": 2})
    patient, hasty = (project.append(name, name, {"code": FICKLE}) for name in ("patient", "hasty"))
    assert make_client(formatter=Judging(), available_cpu=2).work() == 8 + 3
    assert (patient.refresh().status, len(patient.attempts())) == ("COMPLETED", 8)
    assert (hasty.refresh().status, hasty.cause, len(hasty.attempts())) == ("FAILED", "lost", 3)
