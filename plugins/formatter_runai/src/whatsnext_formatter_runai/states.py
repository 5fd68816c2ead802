"""What Run:ai says of a job, and what that means; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from whatsnext_core.formatting import Execution, ExecutionState
from whatsnext_core.model import Cause

WAITING: Final = frozenset(
    {"containercreating", "creating", "initializing", "pending", "podinitializing", "queued", "resuming"}
)
RUNNING: Final = frozenset({"degraded", "deleting", "error", "running", "stopping", "terminating", "updating"})
"""With no retries on Run:ai, ``Error`` is a short while on the way to ``Failed``."""
SUCCEEDED: Final = frozenset({"completed", "succeeded"})
FAILED: Final = frozenset({"crashloopbackoff", "fail", "failed"})
STUCK: Final = frozenset({"createcontainerconfigerror", "errimagepull", "imagepullbackoff", "invalidimagename"})
"""States of a job that starts only if somebody changes something."""
ENDED: Final = {
    "containercannotrun": (Cause.ENGINE, "Its container could not run"),
    "deleted": (Cause.CANCELLED, "It was deleted on Run:ai"),
    "evicted": (Cause.PREEMPTED, "Run:ai evicted it"),
    "nodelost": (Cause.LOST, "Its node has gone"),
    "preempted": (Cause.PREEMPTED, "Run:ai gave its resources to another job"),
    "timedout": (Cause.WALLTIME, "Run:ai ended it at the time limit of its project"),
}
"""The states in which a job ended, other than by its own exit code."""
NOT_STARTED: Final = frozenset({"ContainerCannotRun", "StartError"})


@frozen(kw_only=True)
class Seen:
    """What Run:ai says of a job."""

    status: str
    """Its status, as written."""
    document: Mapping[str, Any]
    """All that the list has on it."""

    @property
    def key(self) -> str:
        """The status in small letters."""
        return self.status.replace(" ", "").casefold()

    @property
    def failed(self) -> bool:
        """Whether it failed, so that more can be learned by asking for it alone."""
        return self.key in FAILED

    @property
    def began(self) -> bool:
        """Whether it may have output."""
        return self.key not in WAITING | STUCK


def judge(seen: Seen, terminated: Mapping[str, Any]) -> Execution:
    """Return how a job stands; ``terminated`` says how its container ended, as far as that is known."""
    if seen.key in SUCCEEDED:
        return Execution(state=ExecutionState.ENDED, succeeded=True, exit_code=0)
    if seen.key in RUNNING:
        return Execution(state=ExecutionState.RUNNING)
    if seen.key in WAITING:
        return Execution(state=ExecutionState.WAITING, message=_message(seen.document))
    if seen.key in STUCK or seen.key == "stopped":
        words = f"Run:ai says {seen.status}"
        return Execution(state=ExecutionState.WAITING, message=_sentence(words, _message(seen.document)))
    if seen.failed:
        return _failure(terminated, _message(seen.document))
    if seen.key in ENDED:
        cause, words = ENDED[seen.key]
        return _ended(cause, words, _message(seen.document), None)
    return Execution(state=ExecutionState.UNKNOWN, message=f"Run:ai calls its state {seen.status!r}.")


def _failure(terminated: Mapping[str, Any], message: str) -> Execution:
    code = terminated.get("exitCode")
    code = code if isinstance(code, int) else None
    reason = terminated.get("reason")
    told = str(terminated.get("message") or "") or message
    if reason == "OOMKilled":
        return _ended(Cause.OOM, "Run:ai ended it for its use of memory", told, code)
    if reason in NOT_STARTED:
        return _ended(Cause.ENGINE, f"Its container did not start ({reason})", told, None)
    words = "It failed; Run:ai tells no exit code" if code is None else f"Exit code {code}"
    return _ended(Cause.EXIT, words, told, code)


def name_of(document: Mapping[str, Any]) -> str:
    """Return the name of a job in a list; empty if it has none."""
    value = _field(document, "name") or _field(_field(document, "metadata"), "name")
    return value if isinstance(value, str) else ""


def status_of(document: Mapping[str, Any]) -> str:
    """Return the status of a job in a list; empty if it has none."""
    value = _field(document, "phase") or _field(document, "status")
    if isinstance(value, Mapping):
        value = _field(value, "phase") or _field(value, "status")
    return value if isinstance(value, str) else ""


def find(document: Any, key: str) -> Mapping[str, Any]:
    """Return the object that stands under a key, however deep; empty if there is none."""
    if isinstance(document, Mapping):
        if isinstance(value := document.get(key), Mapping):
            return value
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            if found := find(each, key):
                return found
    return {}


def _message(document: Mapping[str, Any]) -> str:
    value = _field(document, "phaseMessage") or _field(document, "message")
    return value if isinstance(value, str) else ""


def _field(document: object, name: str) -> Any:
    """The value of a field, whose name is compared without regard to case."""
    if not isinstance(document, Mapping):
        return None
    return next((value for key, value in document.items() if str(key).casefold() == name.casefold()), None)


def _ended(cause: Cause, words: str, told: str, code: int | None) -> Execution:
    return Execution(state=ExecutionState.ENDED, exit_code=code, cause=cause, message=_sentence(words, told))


def _sentence(words: str, told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    shown = "".join(character for character in lines[-1] if character.isprintable()) if lines else ""
    return f"{words}: {shown}" if shown else f"{words}."
