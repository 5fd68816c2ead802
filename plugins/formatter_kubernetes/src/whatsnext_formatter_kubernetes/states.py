"""What Kubernetes says of a job and its pod, and what that means; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whatsnext_core.formatting import Execution, ExecutionState
from whatsnext_core.model import Cause

Document = Mapping[str, Any]

DISRUPTIONS: Final = {
    "DeletionByPodGC": (Cause.LOST, "Its node has gone"),
    "DeletionByTaintManager": (Cause.LOST, "Its node stopped to answer, or was closed"),
    "EvictionByEvictionAPI": (Cause.PREEMPTED, "It was evicted"),
    "PreemptionByScheduler": (Cause.PREEMPTED, "Kubernetes gave its resources to another pod"),
    "TerminationByKubelet": (Cause.PREEMPTED, "Its node ended it"),
}
"""The reasons of a pod's condition ``DisruptionTarget``."""
REASONS: Final = {
    "Evicted": (Cause.PREEMPTED, "It was evicted"),
    "NodeLost": (Cause.LOST, "Its node has gone"),
    "NodeShutdown": (Cause.PREEMPTED, "Its node was shut down"),
    "Preempting": (Cause.PREEMPTED, "Its node needed its resources"),
    "Shutdown": (Cause.PREEMPTED, "Its node was shut down"),
    "Terminated": (Cause.PREEMPTED, "Its node was shut down"),
    "DeadlineExceeded": (Cause.WALLTIME, "Kubernetes ended it at its deadline"),
    "NodeAffinity": (Cause.LOST, "Its node does not admit it any more"),
    "UnexpectedAdmissionError": (Cause.LOST, "Its node did not admit it"),
}
"""The reasons of a pod that failed as a whole."""
NOT_STARTED: Final = frozenset({"ContainerCannotRun", "CreateContainerError", "RunContainerError", "StartError"})
"""The reasons of a container that ended before its program had begun."""
STUCK: Final = frozenset(
    {
        *("CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ErrImagePull"),
        *("ImageInspectError", "ImagePullBackOff", "InvalidImageName", "RunContainerError"),
    }
)
"""The reasons of a container that waits, and that will start only if somebody changes something."""


def judge(job: Document | None, pod: Document | None) -> Execution:
    """Return how a job stands; one that has no job any more ends when its pod has."""
    condition = _condition(job, "Complete", "SuccessCriteriaMet") if job else None
    if condition:
        return Execution(state=ExecutionState.ENDED, succeeded=True, exit_code=0)
    failed = _condition(job, "Failed", "FailureTarget") if job else None
    terminated = _terminated(pod)
    if failed or (job is None and terminated):
        return _failure(failed or {}, pod or {}, terminated)
    if pod is None:
        return Execution(state=ExecutionState.WAITING)
    status = pod.get("status", {})
    if terminated or status.get("phase") in {"Running", "Succeeded", "Failed"}:
        return Execution(state=ExecutionState.RUNNING)
    return Execution(state=ExecutionState.WAITING, message=_why_it_waits(pod))


def stuck(pod: Document | None) -> str:
    """Return why the container of a pod will not start by itself; empty if nothing is known to hinder it."""
    for container in (pod or {}).get("status", {}).get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in STUCK:
            return _sentence(waiting["reason"], waiting.get("message"))
    return ""


def began(pod: Document | None) -> bool:
    """Return whether the pod's container has begun, so that it may have output."""
    return any(
        container.get("state", {}).get("running") or container.get("state", {}).get("terminated")
        for container in (pod or {}).get("status", {}).get("containerStatuses", [])
    )


def _failure(failed: Document, pod: Document, terminated: Document) -> Execution:
    code = terminated.get("exitCode")
    if not failed and code == 0:
        return Execution(state=ExecutionState.ENDED, succeeded=True, exit_code=0)
    status = pod.get("status", {})
    disruption = _condition(pod, "DisruptionTarget")
    told = terminated.get("message")
    match terminated.get("reason"):
        case "OOMKilled":
            return _ended(Cause.OOM, "Kubernetes ended it for its use of memory", told, code)
        case reason if reason in NOT_STARTED:
            return _ended(Cause.ENGINE, f"Its container did not start ({reason})", told, None)
    if failed.get("reason") == "DeadlineExceeded":
        return _ended(Cause.WALLTIME, "Kubernetes ended it at its deadline", failed.get("message"), code)
    if disruption and disruption.get("reason") in DISRUPTIONS:
        cause, words = DISRUPTIONS[disruption["reason"]]
        return _ended(cause, words, status.get("message") or disruption.get("message"), code)
    reason = status.get("reason", "")
    if reason in REASONS or reason.startswith("OutOf"):
        cause, words = REASONS.get(reason, (Cause.LOST, "Its node had no room for it any more"))
        return _ended(cause, words, status.get("message"), code)
    if code is not None:
        return _ended(Cause.EXIT, f"Exit code {code}", told, code)
    return _ended(Cause.LOST, "It failed, and its pod has gone", failed.get("message"), None)


def _ended(cause: Cause, words: str, told: str | None, code: int | None) -> Execution:
    return Execution(state=ExecutionState.ENDED, exit_code=code, cause=cause, message=_sentence(words, told))


def _sentence(words: str, told: str | None) -> str:
    """The words, and behind them the last line of what was told."""
    lines = [line.strip() for line in (told or "").splitlines() if line.strip()]
    shown = "".join(character for character in lines[-1] if character.isprintable()) if lines else ""
    return f"{words}: {shown}" if shown else f"{words}."


def _condition(document: Document | None, *types: str) -> Document | None:
    for condition in (document or {}).get("status", {}).get("conditions", []):
        if condition.get("type") in types and condition.get("status") == "True":
            found: Document = condition
            return found
    return None


def _terminated(pod: Document | None) -> Document:
    for container in (pod or {}).get("status", {}).get("containerStatuses", []):
        found: Document | None = container.get("state", {}).get("terminated")
        if found:
            return found
    return {}


def _why_it_waits(pod: Document) -> str:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _sentence(condition.get("reason", "Unschedulable"), condition.get("message"))
    return stuck(pod)
