"""Submits the workload of a run while everything goes wrong, and notes what was acknowledged."""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from whatsnext_core.testing.chaos.evidence import Submitted
from whatsnext_core.testing.chaos.rest import RefusedError, Rest
from whatsnext_core.testing.chaos.workload import PlannedJob

SERVER_FAULT: Final = 500
CONFLICT: Final = 409
PAUSE: Final = 0.1
"""Seconds between two tries."""
SOON: Final = 1.5
"""Seconds after its submission within which a job is cancelled."""


class Submitter:
    """A person who submits and cancels jobs, and tries again what was not acknowledged.

    Args:
        rest: The server.
        project_id: The project.
        batches: What to submit.
        dice: Decides when jobs are cancelled.
    """

    def __init__(self, rest: Rest, project_id: int, batches: Sequence[Sequence[PlannedJob]], dice: Random) -> None:
        self.submitted: list[Submitted] = []
        """What was acknowledged."""
        self.uncertain: list[list[str]] = []
        """Names of the jobs of each batch whose answer never came."""
        self.cancelled: set[int] = set()
        """The jobs whose cancelling was acknowledged."""
        self.refusal: str | None = None
        """What the server refused though it was right; the submitter gave up then."""
        self._rest = rest
        self._project_id = project_id
        self._batches = deque(batches)
        self._dice = dice
        self._ids: dict[str, int] = {}
        self._to_cancel: list[tuple[float, int]] = []
        self._allowed = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="chaos-submitter", daemon=True)

    def start(self) -> None:
        """Begin, as far as is allowed."""
        self._thread.start()

    def allow(self, jobs: int) -> None:
        """Let so many jobs be submitted, counted from the beginning."""
        with self._changed:
            self._allowed = max(self._allowed, jobs)
            self._changed.notify_all()

    @property
    def done(self) -> bool:
        """Whether all is submitted and cancelled."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Give up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._batches and not self._closed:
            if self._may_submit():
                self._submit(self._batches.popleft())
            self._cancel(until=time.monotonic())
        while self._to_cancel and not self._closed:
            time.sleep(PAUSE)
            self._cancel(until=time.monotonic())

    def _may_submit(self) -> bool:
        with self._changed:
            if len(self.submitted) >= self._allowed and not self._closed:
                self._changed.wait(PAUSE)
            return len(self.submitted) < self._allowed and not self._closed

    def _submit(self, batch: Sequence[PlannedJob]) -> None:
        for number in range(1_000):
            suffix = "" if not number else f"~{number}"
            body = {"jobs": [self._draft(job, suffix, {each.name for each in batch}) for job in batch]}
            answer = self._try("POST", f"/projects/{self._project_id}/jobs/batch", body)
            if answer is not None:
                self._note(batch, suffix, answer["job_ids"])
                return
            if self._closed or self.refusal:
                return
            self.uncertain.append([job.name + suffix for job in batch])
            time.sleep(PAUSE * min(number + 1, 5))

    def _draft(self, job: PlannedJob, suffix: str, inside: set[str]) -> dict[str, Any]:
        """Return a job as it is sent; one that waits for a job whose submission failed does not wait for it."""
        edges: list[dict[str, Any]] = []
        for parent, condition in job.parents.items():
            if parent in inside:
                edges.append({"job": parent, "condition": condition.value})
            elif parent in self._ids:
                edges.append({"job": self._ids[parent], "condition": condition.value})
        return {
            "name": job.name + suffix,
            "task": job.behaviour.value,
            "parameters": {"behaviour": job.behaviour.value, "seconds": job.seconds or 0},
            "ref": job.name,
            "depends_on": edges,
        }

    def _note(self, batch: Sequence[PlannedJob], suffix: str, ids: Sequence[int]) -> None:
        known = {**self._ids, **{job.name: number for job, number in zip(batch, ids, strict=True)}}
        for job, number in zip(batch, ids, strict=True):
            parents = {known[name]: condition.value for name, condition in job.parents.items() if name in known}
            self.submitted.append(Submitted(job_id=number, name=job.name + suffix, parents=parents))
            if job.cancelled:
                self._to_cancel.append((time.monotonic() + self._dice.uniform(0, SOON), number))
        self._ids = known

    def _cancel(self, until: float) -> None:
        """Cancel what is due; what has no answer stays due."""
        for due, job_id in list(self._to_cancel):
            if due > until or self._closed:
                continue
            answer = self._try("POST", f"/jobs/{job_id}/cancel", None, fine=CONFLICT)
            if answer is None:
                return
            self._to_cancel.remove((due, job_id))
            if answer:
                self.cancelled.add(job_id)

    def _try(self, method: str, path: str, body: Any, *, fine: int | None = None) -> Mapping[str, Any] | None:
        """Return an answer; an empty one for a refusal that is ``fine``, None if there was none."""
        try:
            answer: Mapping[str, Any] = self._rest.call(method, path, body)
        except RefusedError as error:
            if error.status == fine:
                return {}
            if error.status < SERVER_FAULT:
                self.refusal = f"{method} {path}: {error}"
                self._closed = True
            return None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        return answer
