"""What Kubernetes says of a job, and what that means."""

from typing import Any

import pytest

from whatsnext_core.formatting import ExecutionState
from whatsnext_core.model import Cause
from whatsnext_formatter_kubernetes.states import judge

FAILED = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}
DEADLINE = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}}
OPEN: dict[str, Any] = {"status": {}}


def pod(terminated: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "job", "state": {"terminated": terminated}}] if terminated else []
    return {"status": {"containerStatuses": containers, **status}}


def disrupted(reason: str) -> list[dict[str, str]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason}]


@pytest.mark.parametrize(
    ("job", "found", "cause", "code"),
    [
        (FAILED, pod({"exitCode": 3, "reason": "Error"}), Cause.EXIT, 3),
        (FAILED, pod({"exitCode": 137, "reason": "OOMKilled"}), Cause.OOM, 137),
        (DEADLINE, pod({"exitCode": 143, "reason": "Error"}), Cause.WALLTIME, 143),
        (DEADLINE, None, Cause.WALLTIME, None),
        (FAILED, pod(reason="Evicted", phase="Failed"), Cause.PREEMPTED, None),
        (FAILED, pod(conditions=disrupted("PreemptionByScheduler")), Cause.PREEMPTED, None),
        (FAILED, pod(conditions=disrupted("DeletionByTaintManager")), Cause.LOST, None),
        (FAILED, pod(reason="OutOfcpu", phase="Failed"), Cause.LOST, None),
        (FAILED, pod({"exitCode": 128, "reason": "StartError"}), Cause.ENGINE, None),
        (FAILED, None, Cause.LOST, None),
    ],
)
def test_failure_has_its_cause(job: dict[str, Any], found: dict[str, Any] | None, cause: Cause, code: int) -> None:
    execution = judge(job, found)
    assert (execution.state, execution.cause, execution.exit_code) == (ExecutionState.ENDED, cause, code)
    assert execution.message


def test_container_that_ended_runs_until_its_job_says_how() -> None:
    assert judge(OPEN, pod({"exitCode": 143, "reason": "Error"})).state is ExecutionState.RUNNING


def test_pod_that_finds_no_node_waits_and_says_why() -> None:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no gpu"}]
    execution = judge(OPEN, pod(phase="Pending", conditions=conditions))
    assert (execution.state, execution.message) == (ExecutionState.WAITING, "Unschedulable: no gpu")
