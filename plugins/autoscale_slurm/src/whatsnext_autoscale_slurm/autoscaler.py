"""The loop that looks at the queue and at Slurm, decides, and does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from attrs import evolve, frozen

from whatsnext_autoscale_slurm import slurm
from whatsnext_autoscale_slurm.decision import Plan, Refusal, Snapshot, Want, decide
from whatsnext_autoscale_slurm.launch import Launch
from whatsnext_autoscale_slurm.pilots import Pilot, PilotState
from whatsnext_autoscale_slurm.slurm import SlurmAwayError, SlurmRefusedError
from whatsnext_client.rest import Rest
from whatsnext_core.converters import from_json
from whatsnext_core.errors import WhatsNextError
from whatsnext_core.model import Requirement

REMEMBERED: Final = 3600.0
"""Seconds for which a pilot that ended, and a refusal, count."""
STOP_WITHIN: Final = 60.0
"""Seconds that pilots have to end their jobs and leave when they are stopped."""
LOOK_EVERY: Final = 0.5
"""Seconds between two looks whether they have."""

HOLD: Final = 1.0
"""Seconds for which the server is asked to tell of jobs that come; a signal that ends the program waits as long."""


@frozen(kw_only=True)
class Round:
    """What one round saw and did."""

    snapshot: Snapshot
    """What was seen."""
    plan: Plan
    """What was decided."""
    submitted: tuple[tuple[str, str], ...]
    """The pilots that were submitted: their ids on the server and on Slurm."""


class Autoscaler:
    """Starts pilots as the queue needs them.

    It keeps nothing on disk: its pilots are found again on Slurm by their comments, so it may be restarted at any time.

    Args:
        api: The server.
        project_id: The project whose jobs count; None for all.
        launch: How pilots are submitted.
        tell: Takes a sentence for people, when something changes.
    """

    def __init__(self, api: Rest, project_id: int | None, launch: Launch, tell: Callable[[str], object]) -> None:
        self._api = api
        self._project_id = project_id
        self._launch = launch
        self._tell = tell
        self._seen: dict[str, Pilot] = {}
        self._refusals: list[Refusal] = []
        self._workers: set[str] = set()
        self._said: frozenset[str] = frozenset()

    def run(self, stopped: threading.Event) -> None:
        """Go on until that is set; a server or a Slurm that does not answer is asked again."""
        while not stopped.is_set():
            idle = False
            try:
                idle = not self.step().snapshot.wants
            except (ConnectionError, WhatsNextError) as error:
                self._say({f"Nothing is done now: {error}"})
            self._pause(stopped, until_jobs=idle)

    def step(self, *, act: bool = True) -> Round:
        """Look once, decide, and unless that is not wanted, do it.

        Raises:
            SlurmAwayError: Slurm does not answer.
            SlurmRefusedError: there is no Slurm here.
            ServerUnreachableError: the server does not answer.
        """
        now = time.time()
        snapshot = Snapshot(wants=self._wants(), pilots=self._pilots(now), refusals=tuple(self._refusals))
        plan = decide(snapshot, self._launch.settings, now)
        submitted = []
        if act:
            if plan.withdraw:
                slurm.withdraw(plan.withdraw)
                self._tell(f"Withdrew {len(plan.withdraw)} pilots that nothing needs any more.")
            for shape in plan.submit:
                try:
                    submitted.append(self._launch.submit(shape))
                except SlurmRefusedError as error:
                    self._refusals.append(Refusal(shape=shape, at=now, words=f"Slurm refused it: {error}"))
                    self._tell(f"Slurm refused a pilot with {shape}: {error}")
                    break
                self._tell(f"Submitted pilot {submitted[-1][0]} with {shape} as job {submitted[-1][1]} of Slurm.")
        self._say(plan.notes)
        return Round(snapshot=snapshot, plan=plan, submitted=tuple(submitted))

    def stop_pilots(self) -> int:
        """End all pilots: those that wait at once, the others in order, by force at last; returns how many there were.

        Raises:
            SlurmAwayError: Slurm does not answer.
        """
        jobs = self._live_jobs()
        if jobs:
            slurm.withdraw(jobs)
            slurm.terminate(jobs)
            slurm.terminate(jobs)
        deadline = time.monotonic() + STOP_WITHIN
        left = jobs
        while left and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
            left = self._live_jobs()
        if left:
            slurm.cancel(left)
        return len(jobs)

    def live(self) -> int:
        """Return how many pilots had not ended at the last look."""
        return sum(pilot.state.is_live for pilot in self._seen.values())

    # ------------------------------------------------------------------------------------------------------------------

    def _live_jobs(self) -> list[str]:
        return [pilot.job for pilot in slurm.pilots(self._launch.name) if pilot.state.is_live]

    def _pause(self, stopped: threading.Event, *, until_jobs: bool) -> None:
        """Wait until the next look is due; if that is wanted, only until the server tells of jobs."""
        due = time.monotonic() + self._launch.settings.interval
        while until_jobs and not stopped.is_set() and (left := due - time.monotonic()) > 0:
            asked, hold = time.monotonic(), min(left, HOLD)
            try:
                if self._api.demand(self._project_id, wait=hold):
                    return
            except (ConnectionError, WhatsNextError):
                break
            until_jobs = time.monotonic() - asked >= hold / 2  # one that goes down, or is older, holds no request
        stopped.wait(max(0.0, due - time.monotonic()))

    def _wants(self) -> tuple[Want, ...]:
        found = self._api.demand(self._project_id)
        return tuple(
            Want(
                requirement=from_json(each["requirement"], Requirement),
                longest=each["longest"],
                jobs=each["jobs"],
            )
            for each in found
        )

    def _pilots(self, now: float) -> tuple[Pilot, ...]:
        """Return the pilots that Slurm knows, and those that it has forgotten but that still count."""
        found = {pilot.job: pilot for pilot in slurm.pilots(self._launch.name)}
        if any(pilot.state is PilotState.RUNNING for pilot in found.values()):
            self._workers |= {client["id"] for client in self._api.clients()} & {each.id for each in found.values()}
        for job, pilot in found.items():
            known = self._seen.get(job)
            if known is not None and not known.state.is_live:
                continue
            self._seen[job] = self._judged(evolve(pilot, works=pilot.id in self._workers), known)
        for job, pilot in list(self._seen.items()):
            if pilot.state.is_live and job not in found:
                self._seen[job] = evolve(pilot, state=PilotState.ENDED, ended_at=now)
            elif not pilot.state.is_live and now - (pilot.ended_at or now) > REMEMBERED:
                del self._seen[job]
                self._workers.discard(pilot.id)
        self._refusals = [refusal for refusal in self._refusals if now - refusal.at <= REMEMBERED]
        return tuple(self._seen.values())

    def _judged(self, pilot: Pilot, known: Pilot | None) -> Pilot:
        """Return a pilot with what its output says of its end, and tell what is new."""
        if pilot.state is PilotState.FAILED:
            words = self._launch.last_words(pilot.id)
            pilot = evolve(pilot, reason=f"Slurm says {pilot.reason}" + (f": {words}" if words else "."))
            if known is not None:
                self._tell(f"Pilot {pilot.id} (job {pilot.job}) failed. {pilot.reason}")
        elif pilot.state is PilotState.ENDED:
            if self._launch.had_no_job(pilot.id):
                pilot = evolve(pilot, state=PilotState.FAILED, reason="It left without having had a job.")
            self._launch.output(pilot.id).unlink(missing_ok=True)
            if known is not None:
                self._tell(f"Pilot {pilot.id} (job {pilot.job}) has left.")
        elif pilot.works and (known is None or not known.works):
            self._tell(f"Pilot {pilot.id} (job {pilot.job}) works.")
        return pilot

    def _say(self, notes: Iterable[str]) -> None:
        """Tell what was not told the last time."""
        for note in notes:
            if note not in self._said:
                self._tell(note)
        self._said = frozenset(notes)


__all__ = ["Autoscaler", "Round", "SlurmAwayError", "SlurmRefusedError"]
