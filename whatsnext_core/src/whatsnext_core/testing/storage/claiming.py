"""Scenarios of claims: who gets what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import (
    Allocation,
    AttemptStatus,
    Capacity,
    Cause,
    Device,
    EventKind,
    JobStatus,
    Requirement,
    Share,
)
from whatsnext_core.resources import numbered_devices
from whatsnext_core.scheduling import AHEAD, RESERVATION_HOLDS
from whatsnext_core.storage import JobQuery
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import LEASE, STEADY, Story

S = JobStatus


class ClaimScenarios(StorageFixtures):
    """C: claims."""

    def test_best_come_first(self, story: Story) -> None:
        """C01 (Writer.claim): highest priority, then oldest; of all projects; each as everybody sees it."""
        task, other = story.task("task"), story.task("other", cpu=2)
        low, old = story.job(task, priority=-5, name="low"), story.job(task, parameters={"number": 2})
        high, young = story.job(other, priority=7, timeout=9.5), story.job(other, name="young")
        story.client()
        taken = story.claim(cpu=100)
        assert [each.job.id for each in taken] == [high, old, young, low]
        assert [each.job for each in taken] == [story.see(job_id) for job_id in (high, old, young, low)]
        assert story.claim(cpu=100) == []

    def test_claim_writes_attempt_fence_and_lease(self, story: Story) -> None:
        """C02 (Writer.claim, Reader.attempts): as the client gets them and as everybody sees them."""
        task = story.task(cpu=2, memory=1_000)
        job = story.job(task)
        client = story.client()
        story.tick(3)
        free = Capacity(cpu=4, memory=5_000)
        (taken,) = story.claim(free=free, session="s-1", request=17)
        assert (taken.fence, taken.allocation) == (1, Allocation(cpu=2, memory=1_000))
        assert taken.task == task
        assert taken.job == story.see(job)
        seen = taken.job
        assert (seen.status, seen.attempt, seen.client_id, seen.updated_at) == (S.QUEUED, 1, client.id, story.now)
        (attempt,) = story.attempts(job)
        assert (attempt.job_id, attempt.fence, attempt.status) == (job, 1, AttemptStatus.CLAIMED)
        assert (attempt.client_id, attempt.session_id, attempt.request) == (client.id, "s-1", 17)
        assert (attempt.allocation, attempt.claimed_at) == (taken.allocation, story.now)
        assert (attempt.started_at, attempt.finished_at, attempt.expires_at) == (None, None, story.now + LEASE)
        assert story.read(lambda reader: reader.live_attempts(client.id)) == [attempt]
        event = story.events(job)[-1]
        assert (event.kind, event.at) == (EventKind.CLAIMED, story.now)
        assert event.data == {"from": "PENDING", "to": "QUEUED", "fence": 1, "client": client.id}

    def test_only_what_fits_is_given(self, story: Story) -> None:
        """C03 (resources.allocate): CPUs, memory, accelerators and labels; what doesn't fit hides nothing."""
        project = story.project()
        needs = {
            "cpu": Requirement(cpu=5),
            "memory": Requirement(memory=2_001),
            "devices": Requirement(accelerators=3),
            "kind": Requirement(accelerators=1, accelerator_kind="h100"),
            "size": Requirement(accelerators=1, accelerator_memory=101),
            "label": Requirement(labels=frozenset({"ssd"})),
            "fits": Requirement(
                cpu=4, memory=2_000, accelerators=2, accelerator_kind="a100", labels=frozenset({"zone=b"})
            ),
        }
        jobs = {}
        for name, requirement in needs.items():
            jobs[name] = story.job(story.task(name, project=project, requirement=requirement))
        story.client()
        devices = tuple(Device(id=name, kind="NVIDIA A100-SXM4", memory=100) for name in ("GPU-b", "GPU-a"))
        free = Capacity(cpu=4, memory=2_000, devices=devices, labels=frozenset({"zone=b", "os=linux"}))
        (taken,) = story.claim(free=free)
        assert taken.job.id == jobs["fits"]
        shares = (Share(device="GPU-b", millis=1_000), Share(device="GPU-a", millis=1_000))
        assert taken.allocation == Allocation(cpu=4, memory=2_000, devices=shares)
        (attempt,) = story.attempts(jobs["fits"])
        assert attempt.allocation == taken.allocation

    def test_shares_of_devices_are_given(self, story: Story) -> None:
        """C04 (resources.allocate): several jobs on one device, and the next device left whole."""
        task, whole = story.task("share", cpu=0, accelerators=0.25), story.task("whole", cpu=0, accelerators=1)
        story.jobs(task, 3)
        last = story.job(whole)
        story.client()
        taken = story.claim(free=Capacity(cpu=1, devices=numbered_devices(2)))
        assert [each.allocation.device_ids for each in taken] == [("0",), ("0",), ("0",), ("1",)]
        assert taken[-1].job.id == last
        assert taken[0].allocation.devices == (Share(device="0", millis=250),)

    def test_offer_may_ignore_resources(self, story: Story) -> None:
        """C05 (Offer.ignore_cpu, ignore_accelerators): whatever a job needs of them, it gets none of them."""
        job = story.job(story.task(cpu=64, accelerators=8))
        assert story.claim(None, session=None, lease=None) == []
        (taken,) = story.claim(None, session=None, lease=None, ignore=True)
        assert (taken.job.id, taken.allocation) == (job, Allocation())

    def test_limit_is_kept(self, story: Story) -> None:
        """C06 (Offer.limit): at most so many, and 0 gives none."""
        jobs = story.jobs(story.task(), 5)
        story.client()
        assert story.claim(limit=0) == []
        assert [each.job.id for each in story.claim(limit=2)] == list(jobs[:2])
        assert [each.job.id for each in story.claim(limit=100)] == list(jobs[2:])[:4]

    def test_only_jobs_of_the_projects_asked_for(self, story: Story) -> None:
        """C07 (ClaimRequest.project_ids): None asks for all, nothing for none; unknown ones have none."""
        tasks = [story.task(name) for name in ("a", "b", "c")]
        jobs = [story.job(task) for task in tasks]
        story.client()
        assert story.claim(project_ids=()) == []
        assert story.claim(project_ids=(999,)) == []
        wanted = (tasks[2].project_id, tasks[0].project_id)
        assert [each.job.id for each in story.claim(project_ids=wanted)] == [jobs[0], jobs[2]]
        assert [each.job.id for each in story.claim()] == [jobs[1]]

    def test_repeated_request_gets_the_same_again(self, story: Story) -> None:
        """C08 (ClaimRequest.request): those that the session still holds, and nothing new."""
        task = story.task()
        story.jobs(task, 4)
        story.client()
        first = story.claim(limit=2, request=1)
        assert len(first) == 2
        assert story.claim(limit=2, request=1) == first
        story.end(first[0])
        story.change(first[1].job.id, priority=3)
        (again,) = story.claim(limit=2, request=1)
        assert (again.job.id, again.fence, again.job.priority) == (first[1].job.id, 1, 3)
        story.end(again)
        assert story.claim(limit=2, request=1) == []
        other = story.claim(limit=1, request=1, session="another")
        assert len(other) == 1
        assert len(story.claim(limit=2, request=2)) == 1

    def test_repeat_comes_best_first(self, story: Story) -> None:
        """C09 (ClaimRequest.request): as they are ranked now."""
        task = story.task()
        low, high = story.job(task), story.job(task, priority=1)
        story.client()
        story.claim(request=1)
        assert [each.job.id for each in story.claim(request=1)] == [high, low]
        story.change(low, priority=2)
        assert [each.job.id for each in story.claim(request=1)] == [low, high]

    def test_client_that_drains_or_is_inactive_gets_nothing(self, story: Story) -> None:
        """C10 (Writer.claim): and an unknown one is told."""
        story.job(story.task())
        with pytest.raises(NotFoundError, match="nobody"):
            story.claim("nobody")
        story.client()
        story.change_client(draining=True)
        assert story.claim() == []
        story.change_client(draining=False, is_active=False)
        assert story.claim() == []
        story.client()
        assert len(story.claim()) == 1

    def test_claim_without_lease_never_lapses(self, story: Story) -> None:
        """C11 (ClaimRequest.lease): the documented fetch cannot renew."""
        job = story.job(story.task())
        (taken,) = story.claim(None, session=None, lease=None)
        assert story.see(job).client_id is None
        (attempt,) = story.attempts(job)
        assert (attempt.client_id, attempt.session_id, attempt.expires_at) == (None, None, None)
        assert story.events(job)[-1].data == {"from": "PENDING", "to": "QUEUED", "fence": 1}
        story.tick(10**7)
        assert story.settle().next_at is None
        assert story.status(job) is S.QUEUED
        assert story.end(taken, session=None).accepted

    def test_wide_job_is_reserved_for_after_a_wait(self, story: Story) -> None:
        """C12 (scheduling.plan_claim): the client drains for it, and others get it if they have room."""
        small, wide = story.task("small"), story.task("wide", cpu=4)
        large = story.job(wide)
        story.jobs(small, 8)
        story.client("one")
        story.client("two")
        total = Capacity(cpu=4)

        def claimed(client: str, free: int) -> list[int]:
            wait = timedelta(seconds=60)
            taken = story.claim(client, free=Capacity(cpu=free), total=total, limit=1, reserve_after=wait)
            return [each.job.id for each in taken]

        assert claimed("one", 3) == [large + 1]
        story.tick(60)
        assert claimed("one", 3) == []
        assert claimed("two", 3) == [large + 2]
        story.tick(RESERVATION_HOLDS.total_seconds())
        assert claimed("two", 3) == [large + 3]
        story.tick(1)
        assert claimed("two", 3) == []
        assert claimed("one", 3) == [large + 4]
        story.change_client("two", is_active=False)
        assert claimed("one", 3) == []
        story.client("two")
        assert claimed("two", 4) == [large]
        assert claimed("one", 3) == [large + 5]

    def test_change_of_priority_moves_a_job_in_its_line(self, story: Story) -> None:
        """C13 (Writer.update_job): at once."""
        task = story.task()
        jobs = story.jobs(task, 3)
        story.change(jobs[2], priority=1)
        story.change(jobs[0], priority=-1)
        assert story.ready() == [jobs[2], jobs[1], jobs[0]]

    def test_job_in_its_back_off_is_not_given(self, story: Story) -> None:
        """C14 (Writer.settle): before its time has come and settle has seen it."""
        job = story.job(story.task(retry=STEADY))
        story.change(job, status=S.QUEUED)
        story.change(job, status=S.FAILED)
        assert story.settle().next_at == story.now + timedelta(seconds=10)
        assert story.ready() == []
        story.tick(10)
        assert story.ready() == []
        assert story.see(job).not_before == story.now
        story.settle()
        assert story.see(job).not_before is None
        assert story.ready() == [job]

    def test_no_job_is_given_to_two_clients_at_once(self, story: Story) -> None:
        """C15 (Storage.write): whatever number of threads claims, starts and finishes."""
        task = story.task()
        jobs = story.jobs(task, 60)
        for number in range(4):
            story.client(f"worker-{number}")
        seen: list[tuple[int, int]] = []
        failures: list[BaseException] = []

        def work(client: str) -> None:
            try:
                while taken := story.claim(client, limit=3, session=client):
                    story.start(*taken, session=client)
                    for each in taken:
                        assert story.end(each, session=client).accepted
                        seen.append((each.job.id, each.fence))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test's own thread shows it
                failures.append(error)

        run_together([partial(work, f"worker-{number}") for number in range(4)])
        assert not failures, failures
        assert sorted(seen) == [(job, 1) for job in jobs]
        found = story.read(lambda reader: reader.jobs(JobQuery(statuses={S.COMPLETED})))
        assert len(found) == 60

    def test_a_client_that_will_be_taken_away_gets_only_what_ends_in_time(self, story: Story) -> None:
        """C16 (Writer.claim): with its grace; a limit of the job's own outweighs that of its task."""
        task = story.task("task", timeout=100, grace=20)
        free = story.task("free", project=story.read(lambda reader: reader.project(task.project_id)), grace=20)
        long, own, unlimited = story.job(task, priority=3), story.job(task, timeout=30), story.job(free)
        bounded = story.job(free, timeout=60, priority=2)
        story.client()
        assert [each.job.id for each in story.claim(time_left=0)] == [unlimited]
        assert [each.job.id for each in story.claim(time_left=79.5)] == [own]
        assert [each.job.id for each in story.claim(time_left=119.5)] == [bounded]
        assert story.ready() == [long]
        assert [each.job.id for each in story.claim(time_left=120, session="s", request=1)] == [long]
        assert [each.job.id for each in story.claim(time_left=10, session="s", request=1)] == [long]

    def test_each_job_of_a_claim_keeps_what_is_its_own(self, story: Story) -> None:
        """C18 (Writer.claim): however much it is like the ones around it."""
        task = story.task(retry=STEADY)
        parent, once = story.job(task, name="parent"), story.job(task, name="once", parameters={"x": 1})
        story.client(cpu=9)
        for taken in story.claim():
            story.end(taken, Cause.EXIT if taken.job.id == once else None)
        story.tick(10)
        story.settle()
        for value in (1, 1.0, True):
            story.job(task, parameters={"x": value})
        story.job(task, after=[parent], priority=-1, parameters={"x": 1})
        story.tick(1)
        story.job(task, name="late", timeout=5.0, priority=-1, parameters={"x": 1})
        taken_now = story.claim(cpu=9)
        assert [each.job for each in taken_now] == [story.see(each.job.id) for each in taken_now]
        assert [repr(each.job.parameters) for each in taken_now[1:4]] == ["{'x': 1}", "{'x': 1.0}", "{'x': True}"]
        assert [each.fence for each in taken_now] == [2, 1, 1, 1, 1, 1]
        assert [each.job.depends for each in taken_now[-2:]] == [{parent: "parent"}, {}]
        told = story.events()[-len(taken_now) :]
        assert [(event.job_id, event.data["fence"]) for event in told] == [
            (each.job.id, each.fence) for each in taken_now
        ]

    def test_jobs_that_take_too_long_hide_no_others_in_their_line(self, story: Story) -> None:
        """C17 (scheduling.AHEAD): as far as a client that will be taken away looks."""
        task = story.task(timeout=100)
        story.jobs(task, AHEAD - 1)
        last, behind = (story.job(task, timeout=5) for _ in range(2))
        story.client()
        assert [each.job.id for each in story.claim(time_left=40)] == [last]
        assert story.claim(time_left=40, limit=1)[0].job.id == behind


def run_together(acts: list[Callable[[], None]]) -> None:
    """Run functions in threads and wait for all of them."""
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
