"""What happens to both storages: rules of people and of clients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from whatsnext_core.model import (
    Assignment,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    Cause,
    ClientChanges,
    ClientSpec,
    JobChanges,
    JobSpec,
    JobStatus,
    LogPiece,
    ProjectChanges,
    ProjectStatus,
    TaskSpec,
)
from whatsnext_core.scheduling import Offer
from whatsnext_core.states import REQUESTS
from whatsnext_core.storage import ClaimRequest, Writer
from whatsnext_core.testing.machine import strategies as draw_from
from whatsnext_core.testing.machine.base import UNKNOWN, SideBySide, one_of, some_of


class PeopleRules(SideBySide):
    """What people do to projects and tasks, and how they submit jobs."""

    @initialize(
        data=st.data(), specs=st.lists(draw_from.TASKS, min_size=1, max_size=3, unique_by=lambda spec: spec.name)
    )
    def begin(self, data: st.DataObject, specs: list[TaskSpec]) -> None:
        """There are a project with tasks and jobs, and two clients."""
        self.both(lambda writer: writer.create_project("first", "", self.now))
        self.both(lambda writer: [writer.create_task(1, spec, self.now) for spec in specs])
        clients = [ClientSpec(id=name, name=name) for name in ("one", "two")]
        self.both(lambda writer: [writer.register_client(client, self.now) for client in clients])
        self.submit(data, 4)

    @rule(data=st.data(), name=draw_from.NAMES, what=st.integers(0, 7))
    def administrate_projects(self, data: st.DataObject, name: str, what: int) -> None:
        """A person creates, renames, archives, revives or deletes a project."""
        project = data.draw(one_of(self.project_ids()))
        match what:
            case 0 | 1 if len(self.project_ids()) < 3:
                self.both(lambda writer: writer.create_project(name, "", self.now))
            case 2:
                changes = ProjectChanges(status=ProjectStatus.ARCHIVED)
                self.both(lambda writer: writer.update_project(project, changes, self.now))
            case 3 if len(self.project_ids()) > 1:
                self.both(lambda writer: writer.delete_project(project))
                self.settle()
            case _:
                changes = ProjectChanges(name=name, status=ProjectStatus.ACTIVE)
                self.both(lambda writer: writer.update_project(project, changes, self.now))

    @rule(data=st.data(), spec=draw_from.TASKS, what=st.integers(0, 4))
    def administrate_tasks(self, data: st.DataObject, spec: TaskSpec, what: int) -> None:
        """A person creates, changes or deletes a task."""
        task = data.draw(one_of(self.task_ids()))
        match what:
            case 0 | 1:
                project = data.draw(one_of(self.project_ids()))
                self.both(lambda writer: writer.create_task(project, spec, self.now))
            case 2 if len(self.task_ids()) > 1:
                self.both(lambda writer: writer.delete_task(task))
                self.settle()
            case _:
                self.both(lambda writer: writer.update_task(task, spec, self.now))

    @precondition(lambda self: self.task_ids())
    @rule(data=st.data(), size=st.integers(1, 4))
    def submit(self, data: st.DataObject, size: int) -> None:
        """A person submits some jobs that depend on each other and on others."""
        project, specs = self._draw_specs(data, size)
        self.both(lambda writer: writer.submit(project, specs, self.now))

    @rule(data=st.data(), size=st.integers(1, 3), end=draw_from.SELDOM, discard=draw_from.SELDOM)
    def submit_in_parts(self, data: st.DataObject, size: int, end: bool, discard: bool) -> None:
        """A person begins a batch, sends a part of one, publishes it, or gives it up."""
        if not self.submissions:
            self._open_submission(data.draw(one_of(self.project_ids())))
        elif not end and self.task_ids():
            project, specs = self._draw_specs(data, size)
            number, other = data.draw(st.sampled_from(sorted(self.submissions.items())))
            self.both(
                lambda writer: writer.submit(project, specs, self.now, number),
                lambda writer: writer.submit(project, specs, self.now, other),
            )
        else:
            self._end_submission(data.draw(st.sampled_from(sorted(self.submissions))), publish=not discard)

    def _open_submission(self, project: int) -> None:
        numbers: list[int] = []

        def act(writer: Writer) -> None:
            numbers.append(writer.open_submission(project, self.now))

        self.both(act)
        if len(numbers) == 2:
            self.submissions[numbers[0]] = numbers[1]

    def _end_submission(self, number: int, *, publish: bool) -> None:
        other = self.submissions.pop(number)
        if publish:
            self.both(
                lambda writer: writer.publish_submission(number, self.now),
                lambda writer: writer.publish_submission(other, self.now),
            )
        self.both(lambda writer: writer.discard_submission(number), lambda writer: writer.discard_submission(other))
        self.settle()

    def _draw_specs(self, data: st.DataObject, size: int) -> tuple[int, list[JobSpec]]:
        with self.model.read() as reader:
            task = data.draw(st.sampled_from(self.task_ids()))
            project = reader.task(task).project_id
        reserved = list(self.both(lambda writer: writer.reserve_job_ids(size)))
        specs = []
        for place, job in enumerate(reserved):
            parents = data.draw(st.lists(one_of([*self.job_ids(), *reserved[:place]]), max_size=2))
            wrong = UNKNOWN in parents and data.draw(draw_from.SELDOM)
            parents = [parent for parent in parents if parent != UNKNOWN or wrong]
            specs.append(
                JobSpec(
                    name=data.draw(draw_from.NAMES),
                    task_id=task,
                    id=job,
                    parameters=data.draw(draw_from.parameters(parents)),
                    priority=data.draw(draw_from.PRIORITIES),
                    timeout=data.draw(draw_from.TIMEOUTS),
                    depends={parent: data.draw(draw_from.CONDITIONS) for parent in parents},
                )
            )
        return project, data.draw(st.permutations(specs))


class JobRules(SideBySide):
    """What people do to single jobs."""

    @precondition(lambda self: self.job_ids())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A person cancels jobs."""
        jobs = data.draw(some_of(self.job_ids()))[:2]
        self.both(lambda writer: writer.cancel(jobs, self.now))

    @precondition(lambda self: self.job_ids())
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """A person retries jobs, most often such as can be."""
        ended = [job.id for job in self.jobs() if REQUESTS[job.status] == {JobStatus.PENDING}]
        jobs = data.draw(some_of(ended or self.job_ids()))
        self.both(lambda writer: writer.retry(jobs, self.now))

    @precondition(lambda self: self.job_ids())
    @rule(data=st.data())
    def set_status(self, data: st.DataObject) -> None:
        """A person sets a status, most often one that can be set."""
        job = data.draw(one_of(self.job_ids()))
        old = next((seen.status for seen in self.jobs() if seen.id == job), JobStatus.PENDING)
        status = data.draw(st.sampled_from([*sorted(REQUESTS[old])] * 3 + list(JobStatus)))
        self.both(lambda writer: writer.update_job(job, JobChanges(status=status), self.now))

    @precondition(lambda self: self.ready())
    @rule(data=st.data(), status=st.sampled_from([JobStatus.COMPLETED, JobStatus.FAILED]))
    def run_by_hand(self, data: st.DataObject, status: JobStatus) -> None:
        """A person runs a ready job."""
        job = data.draw(st.sampled_from(self.ready()))
        self.both(lambda writer: writer.update_job(job, JobChanges(status=JobStatus.QUEUED), self.now))
        self.both(lambda writer: writer.update_job(job, JobChanges(status=status), self.now))

    @precondition(lambda self: self.job_ids())
    @rule(data=st.data())
    def change_job(self, data: st.DataObject) -> None:
        """A person changes fields of a job."""
        job = data.draw(one_of(self.job_ids()))
        parents = st.lists(one_of(self.job_ids()), max_size=2)
        values: dict[str, st.SearchStrategy[Any]] = {
            "name": draw_from.NAMES,
            "priority": draw_from.PRIORITIES,
            "parameters": draw_from.PARAMETERS | draw_from.REFERENCES,
            "task_id": one_of(self.task_ids()),
            "project_id": one_of(self.project_ids()),
            "status": st.sampled_from(JobStatus),
        }
        names = data.draw(st.lists(st.sampled_from([*values, "depends", "depends"]), min_size=1, max_size=2))
        changes = {name: data.draw(values[name]) for name in names if name in values}
        if "depends" in names:
            changes["depends"] = {parent: data.draw(draw_from.CONDITIONS) for parent in data.draw(parents)}
        self.both(lambda writer: writer.update_job(job, JobChanges(**changes), self.now))

    @precondition(lambda self: len(self.job_ids()) > 4)
    @rule(data=st.data(), what=st.integers(0, 2), limit=st.integers(0, 3))
    def remove(self, data: st.DataObject, what: int, limit: int) -> None:
        """A person deletes jobs or clears a part of a queue; the server prunes."""
        match what:
            case 0:
                jobs = data.draw(some_of(self.job_ids()))
                self.both(lambda writer: writer.delete_jobs(jobs, self.now))
            case 1:
                project = data.draw(one_of(self.project_ids()))
                self.both(lambda writer: writer.clear_queue(project, self.now, limit))
            case _:
                self.both(lambda writer: writer.prune(self.now, limit))

    @rule(seconds=draw_from.TICKS, limit=st.sampled_from([100, 1, 3, None]), attended=st.booleans())
    def pass_time(self, seconds: float, limit: int | None, attended: bool) -> None:
        """Time passes, and the server settles what is due, in steps of any size, or is late with it, or was away."""
        self.tick(seconds)
        if attended:
            self.both(lambda writer: writer.attend(self.now, gap=draw_from.LEASE / 2, grace=draw_from.LEASE))
        if limit is not None:
            self.settle(limit)


class ClientRules(SideBySide):
    """What clients do."""

    @rule(
        client=draw_from.CLIENTS,
        what=st.integers(0, 3),
        session=draw_from.SESSIONS,
        changes=st.builds(
            ClientChanges,
            draining=st.sampled_from([None, False, True]),
            is_active=st.sampled_from([None, True, False]),
            available_accelerators=st.none() | st.integers(0, 2),
        ),
    )
    def manage_client(self, client: str, what: int, session: str, changes: ClientChanges) -> None:
        """A client registers, is heard of, is changed or deleted."""
        match what:
            case 0:
                spec = ClientSpec(id=client, name=client, session_id=session)
                self.both(lambda writer: writer.register_client(spec, self.now))
            case 1:
                self.both(lambda writer: writer.update_client(client, changes, self.now))
            case 2:
                self.both(lambda writer: writer.heartbeat(client, self.now))
            case _:
                self.both(lambda writer: writer.delete_client(client, self.now))

    @precondition(lambda self: self.job_ids())
    @rule(data=st.data(), client=draw_from.CLIENTS, session=draw_from.SESSIONS)
    def work(self, data: st.DataObject, client: str, session: str) -> None:
        """A client registers, claims what it can get, and reports that some of it runs."""
        self.both(lambda writer: writer.register_client(ClientSpec(id=client, name=client), self.now))
        self.numbers[session] += 1
        request = ClaimRequest(
            offer=draw_from.WHOLE_OFFER,
            client_id=client,
            session_id=session,
            request=self.numbers[session],
            lease=draw_from.LEASE,
        )
        taken = self.both(lambda writer: writer.claim(request, self.now))
        starts = [AttemptStart(job_id=each.job.id, fence=each.fence) for each in taken if data.draw(st.booleans())]
        self.both(lambda writer: writer.start(starts, session, self.now))

    @precondition(lambda self: self.job_ids())
    @rule(
        data=st.data(),
        offer=draw_from.offers(),
        client=st.sampled_from(["one", "two", "one", None]),
        session=draw_from.SESSIONS,
        lease=draw_from.LEASES,
        again=draw_from.SELDOM,
        wait=st.sampled_from([0, 30, 300]),
    )
    def claim(
        self,
        data: st.DataObject,
        offer: Offer,
        client: str | None,
        session: str,
        lease: Any,
        again: bool,
        wait: float,
    ) -> None:
        """A client claims jobs, or repeats its last request; somebody fetches without a client."""
        self.numbers[session] += not again
        some = st.lists(one_of(self.project_ids()), max_size=2).map(tuple)
        projects = data.draw(some) if data.draw(draw_from.SELDOM) else None
        request = ClaimRequest(
            offer=offer,
            project_ids=projects,
            client_id=client,
            session_id=session if client else None,
            request=self.numbers[session] if client else None,
            lease=lease if client else None,
            reserve_after=draw_from.LEASE * wait / 60,
        )
        self.both(lambda writer: writer.claim(request, self.now))

    @precondition(lambda self: self.attempts())
    @rule(data=st.data(), handle=st.none() | st.just({"pid": 1}))
    def start(self, data: st.DataObject, handle: Any) -> None:
        """A client reports that attempts run."""
        refs, session = self._draw_held(data)
        starts = [AttemptStart(job_id=ref.job_id, fence=ref.fence, handle=handle) for ref in refs]
        self.both(lambda writer: writer.start(starts, session or "s1", self.now))

    @precondition(lambda self: self.attempts())
    @rule(data=st.data(), how=st.integers(0, 3))
    def keep_or_give_back(self, data: st.DataObject, how: int) -> None:
        """A client renews attempts, gives them back, or tells why they wait."""
        refs, session = self._draw_held(data)
        session = session or "s1"
        match how:
            case 0:
                self.both(lambda writer: writer.release(refs, session, self.now))
            case 1:
                words = data.draw(st.sampled_from(["Resources", "Priority", "", None]))
                notes = [AttemptNote(job_id=ref.job_id, fence=ref.fence, message=words) for ref in refs]
                self.both(lambda writer: writer.note(notes, session))
            case _:
                self.both(lambda writer: writer.renew(refs, session, draw_from.LEASE, self.now))

    @precondition(lambda self: self.attempts())
    @rule(data=st.data(), client=draw_from.CLIENTS, session=draw_from.SESSIONS)
    def adopt(self, data: st.DataObject, client: str, session: str) -> None:
        """A restarted client adopts what its earlier session began."""
        refs, _ = self._draw_held(data)
        self.both(lambda writer: writer.adopt(refs, client, session, draw_from.LEASE, self.now))

    @precondition(lambda self: self.ready())
    @rule(free=st.integers(1, 3), wait=st.sampled_from([0, 0, 30]), seconds=st.sampled_from([0, 30, 121]))
    def compete(self, free: int, wait: float, seconds: float) -> None:
        """Two clients that have little free claim after each other, and may drain for a wide job."""
        whole = draw_from.WHOLE_OFFER
        request = ClaimRequest(
            offer=evolve(whole, free=evolve(whole.free, cpu=free), limit=1),
            session_id="s1",
            lease=draw_from.LEASE,
            reserve_after=timedelta(seconds=wait),
        )
        for client in ("one", "two", "one"):
            asked = evolve(request, client_id=client)
            self.both(partial(self._claim, asked))
            self.tick(seconds)

    def _claim(self, request: ClaimRequest, writer: Writer) -> Sequence[Assignment]:
        return writer.claim(request, self.now)

    @precondition(lambda self: self.attempts())
    @rule(data=st.data(), duration=st.sampled_from([None, 0.0, 7.5]))
    def succeed(self, data: st.DataObject, duration: float | None) -> None:
        """A client reports that attempts succeeded."""
        refs, session = self._draw_held(data)
        fields: dict[str, Any] = {"succeeded": True, "duration": duration, "exit_code": 0, "result": {"n": 1.0}}
        ends = [AttemptEnd(job_id=ref.job_id, fence=ref.fence, **fields) for ref in refs]
        self.both(lambda writer: writer.finish(ends, session, self.now))

    @precondition(lambda self: self.attempts())
    @rule(data=st.data(), cause=draw_from.CAUSES, stop=st.booleans())
    def fail(self, data: st.DataObject, cause: Cause, stop: bool) -> None:
        """A client reports that attempts failed, and that some of them want their siblings to stop."""
        refs, session = self._draw_held(data)
        fields: dict[str, Any] = {"succeeded": False, "cause": cause, "exit_code": 1, "message": "broken"}
        fields["stop_siblings"] = stop
        ends = [AttemptEnd(job_id=ref.job_id, fence=ref.fence, **fields) for ref in refs]
        self.both(lambda writer: writer.finish(ends, session, self.now))

    @precondition(lambda self: self.attempts())
    @rule(data=st.data(), offset=st.integers(0, 6), size=st.integers(0, 4), skipped=st.integers(0, 3))
    def append_log(self, data: st.DataObject, offset: int, size: int, skipped: int) -> None:
        """A client sends a piece of a log, and may leave out what comes before it."""
        ref, piece = self._draw_held(data)[0][0], b"abcd"[:size]
        fields = {"skipped": skipped, "head": 3, "tail": 3}
        self.both(lambda writer: writer.append_log(ref, "stdout", offset, piece, **fields, now=self.now))

    @precondition(lambda self: self.attempts())
    @rule(data=st.data(), offsets=st.lists(st.integers(0, 6), max_size=3), size=st.integers(0, 4))
    def append_logs(self, data: st.DataObject, offsets: list[int], size: int) -> None:
        """A client sends pieces of logs."""
        named = [(ref.job_id, ref.fence) for ref in self._draw_held(data)[0]]
        fields: dict[str, Any] = {"stream": "stdout", "data": b"wxyz"[:size]}
        pieces = [LogPiece(job_id=job, fence=at, offset=to, **fields) for job, at in named for to in offsets]
        self.both(lambda writer: writer.append_logs(pieces, head=3, tail=3, now=self.now))

    def _draw_held(self, data: st.DataObject) -> tuple[list[AttemptRef], str | None]:
        """Draw attempts, most often live ones, and a session, most often that of the first of them."""
        attempts = self.attempts()
        live = [attempt for attempt in attempts if attempt.status.is_live]
        drawn = data.draw(st.lists(st.sampled_from(live * 4 + attempts), min_size=1, max_size=3))
        session = data.draw(st.sampled_from([drawn[0].session_id] * 4 + ["s1", "s2"]))
        return [AttemptRef(job_id=attempt.job_id, fence=attempt.fence) for attempt in drawn], session
