"""Scenarios of lists, counts, events, clients and logs."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import pytest
from attrs import evolve

from whatsnext_core.errors import LogOffsetError, NotFoundError
from whatsnext_core.model import (
    AttemptRef,
    Capacity,
    Cause,
    ClientChanges,
    Device,
    EventKind,
    JobStatus,
    LogPiece,
    ProjectChanges,
    ProjectStatus,
)
from whatsnext_core.resources import numbered_devices
from whatsnext_core.storage import EventFilter, JobOrder, LogPart, Page
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import STEADY, Story, ref_of

S = JobStatus


class ReadingScenarios(StorageFixtures):
    """R: lists, counts and events; K: clients; L: logs."""

    def test_jobs_are_found_by_every_filter(self, story: Story) -> None:
        """R01 (Reader.jobs): alone and together."""
        one, two = story.project("one"), story.project("two")
        train, test = story.task("train", project=one), story.task("test", project=one)
        train_too = story.task("train", project=two)
        a, b, c = story.job(train, name="a"), story.job(train, name="b"), story.job(test, name="a")
        d = story.job(train_too, name="a")
        story.finish(b)
        story.cancel(c)

        found = story.found
        assert found() == [a, b, c, d]
        assert found(project_id=one.id) == [a, b, c]
        assert found(project_id=999) == []
        assert found(statuses={S.PENDING}) == [a, d]
        assert found(statuses={S.CANCELLED, S.COMPLETED}) == [b, c]
        assert found(task_id=train.id) == [a, b]
        assert found(task_name="train") == [a, b, d]
        assert found(task_name="nothing") == []
        assert found(name="a") == [a, c, d]
        assert found(after_id=a) == [b, c, d]
        assert found(before_id=c) == [a, b]
        assert found(after_id=a, before_id=d, name="a") == [c]
        assert found(project_id=one.id, task_name="train", statuses={S.PENDING}, name="a") == [a]

    def test_jobs_come_in_three_orders_and_in_pages(self, story: Story) -> None:
        """R02 (JobOrder): each is total."""
        task = story.task()
        low, first, second, high = (story.job(task, priority=priority) for priority in (-1, 0, 0, 1))
        orders = {
            JobOrder.OLDEST: [low, first, second, high],
            JobOrder.NEWEST: [high, second, first, low],
            JobOrder.QUEUE: [high, first, second, low],
        }
        for order, ids in orders.items():
            for skip in range(5):
                assert story.found(order=order, page=Page(limit=2, skip=skip)) == ids[skip : skip + 2]
            assert story.found(order=order, page=Page(limit=0)) == []
        assert story.found(order=JobOrder.NEWEST, before_id=high, after_id=low) == [second, first]
        for place, job_id in enumerate(orders[JobOrder.QUEUE], 1):
            behind = (story.see(job_id).priority, job_id)
            for statuses in ({S.PENDING}, set(S), set()):
                found = story.found(order=JobOrder.QUEUE, behind=behind, statuses=statuses)
                assert found == orders[JobOrder.QUEUE][place:]

    def test_counts_are_those_of_the_jobs(self, story: Story) -> None:
        """R03 (Reader.counts): all seven statuses, always."""
        task = story.task()
        assert story.counts(task.project_id) == dict.fromkeys(S, 0)
        jobs = story.jobs(task, 8)
        story.job(task, after=[jobs[4]])
        story.change(jobs[1], status=S.QUEUED)
        for status in (S.RUNNING, S.COMPLETED, S.FAILED):
            story.change(jobs[list(S).index(status)], status=S.QUEUED)
            story.change(jobs[list(S).index(status)], status=status)
        story.cancel(jobs[5], jobs[6])
        story.delete(jobs[6])
        expected = {
            S.PENDING: 2,
            S.QUEUED: 1,
            S.RUNNING: 1,
            S.COMPLETED: 1,
            S.FAILED: 1,
            S.CANCELLED: 1,
            S.BLOCKED: 1,
        }
        assert story.counts(task.project_id) == expected
        for status, count in expected.items():
            assert len(story.found(statuses={status})) == count

    def test_demand_is_what_ready_jobs_need(self, story: Story) -> None:
        """R05 (Reader.demand): by project, requirement and longest time; no deeper than asked for."""
        one, two, archived = story.project("one"), story.project("two"), story.project("archived")
        small = story.task("small", project=one, grace=10)
        wide, same = story.task("wide", project=one, cpu=4, timeout=50, grace=10), story.task("same", project=two)
        story.jobs(small, 3)
        story.job(small, timeout=20)
        story.jobs(wide, 2)
        story.jobs(same, 2)
        story.job(story.task("hidden", project=archived))
        story.write(lambda w: w.update_project(archived.id, ProjectChanges(status=ProjectStatus.ARCHIVED), story.now))
        waits = story.job(wide, after=[story.job(small)])

        def demand(depth: int = 100) -> list[tuple[int, int, float | None, int]]:
            found = story.read(lambda reader: reader.demand(depth))
            return [(each.project_id, each.requirement.cpu, each.longest, each.jobs) for each in found]

        assert demand() == [(one.id, 1, 30, 1), (one.id, 1, None, 4), (one.id, 4, 60, 2), (two.id, 1, None, 2)]
        assert demand(1) == [(one.id, 1, None, 1), (one.id, 4, 60, 1), (two.id, 1, None, 1)]
        assert demand(0) == []
        story.client(cpu=100)
        story.claim(cpu=100)
        assert demand() == []
        assert story.status(waits) is S.PENDING

    def test_waiting_and_held_jobs_are_listed_as_they_come_and_go(self, story: Story) -> None:
        """R06 (Reader.jobs): each status alone and with others, in each order, in pages; waiting ones are cleared."""
        task, other = story.task("task", retry=STEADY), story.task("other")
        ids = [story.job(task, priority=number % 3) for number in range(7)]
        elsewhere = story.job(other, priority=9)
        statuses = dict.fromkeys([*ids, elsewhere], S.PENDING)
        priorities = {job_id: story.see(job_id).priority for job_id in statuses}

        def check() -> None:
            for size in (1, 2, 3):
                for wanted in combinations((S.PENDING, S.QUEUED, S.RUNNING, S.COMPLETED), size):
                    for project_id in (task.project_id, None):
                        among = [each for each in statuses if project_id is None or each != elsewhere]
                        check_lists([each for each in among if statuses[each] in wanted], set(wanted), project_id)

        def check_lists(expected: list[int], wanted: set[JobStatus], project_id: int | None) -> None:
            orders = {
                JobOrder.OLDEST: expected,
                JobOrder.NEWEST: expected[::-1],
                JobOrder.QUEUE: sorted(expected, key=lambda job_id: (-priorities[job_id], job_id)),
            }
            for order, rows in orders.items():
                found = partial(story.found, statuses=wanted, project_id=project_id, order=order)
                assert found() == rows
                assert found(page=Page(limit=2, skip=1)) == rows[1:3]
                assert found(page=Page(limit=2, skip=20)) == []

        check()
        story.client()
        given = {taken.job.id: taken for taken in story.claim(cpu=6)}
        assert len(given) == 6
        statuses |= dict.fromkeys(given, S.QUEUED)
        check()
        back, done, runs = [given[job_id] for job_id in sorted(given)][:3]
        story.start(back, done, runs)
        statuses |= {taken.job.id: S.RUNNING for taken in (back, done, runs)}
        check()
        story.end(back, Cause.EXIT)
        story.end(done)
        statuses |= {back.job.id: S.PENDING, done.job.id: S.COMPLETED}
        check()
        waiting = [job_id for job_id in ids if statuses[job_id] is S.PENDING]
        assert story.write(lambda writer: writer.clear_queue(task.project_id, story.now, 100)) == len(waiting)
        for job_id in waiting:
            del statuses[job_id]
        check()

    def test_events_are_numbered_and_read_in_parts(self, story: Story) -> None:
        """R04 (Reader.events): ascending, after a number, of one project or all."""
        one, two = story.task("one"), story.task("two")
        jobs = [story.job(task) for task in (one, two, one)]
        story.cancel(*jobs)
        everything = story.events()
        assert [event.job_id for event in everything] == [*jobs, *jobs]
        numbers = [event.id for event in everything]
        assert numbers == sorted(set(numbers))
        assert story.read(lambda reader: reader.events(numbers[1], 2)) == everything[2:4]
        assert story.read(lambda reader: reader.events(numbers[-1], 10)) == []
        assert story.read(lambda reader: reader.events(0, 0)) == []
        of_one = story.read(lambda reader: reader.events(numbers[0], 10, EventFilter(project_id=one.project_id)))
        assert [(event.job_id, event.kind) for event in of_one] == [
            (jobs[2], EventKind.SUBMITTED),
            (jobs[0], EventKind.CANCELLED),
            (jobs[2], EventKind.CANCELLED),
        ]
        assert story.read(lambda reader: reader.events(0, 10, EventFilter(project_id=999))) == []

    def test_client_is_registered_and_registered_again(self, story: Story) -> None:
        """K01 (Writer.register_client): as old as it was, active again, with what it says now."""
        story.tick(1)
        client = story.client("a-1_Z", cpu=3, available_accelerators=2, entity="team", session_id="s1")
        assert client.capacity == Capacity(cpu=3, devices=numbered_devices(2))
        assert (client.created_at, client.last_heartbeat) == (story.now, story.now)
        assert (client.is_active, client.draining, client.entity, client.session_id) == (True, False, "team", "s1")
        assert story.read(lambda reader: reader.client("a-1_Z")) == client
        born = story.now
        story.change_client("a-1_Z", is_active=False, draining=True)
        story.tick(1)
        device = Device(id="GPU-1", kind="H100", memory=2**36, free=250)
        capacity = Capacity(cpu=2, memory=2**33, devices=(device,), labels=frozenset({"a=b", "c"}))
        again = story.client("a-1_Z", name="new", cpu=2, capacity=capacity)
        assert (again.name, again.capacity, again.session_id) == ("new", capacity, None)
        assert (again.created_at, again.last_heartbeat, again.is_active, again.draining) == (
            born,
            story.now,
            True,
            False,
        )
        assert story.read(lambda reader: reader.client("a-1_Z")) == again

    def test_client_changes_in_any_subset_of_its_fields(self, story: Story) -> None:
        """K02 (Writer.update_client, heartbeat): and is heard of only by its heartbeat."""
        client = story.client(cpu=4)
        story.tick(1)
        changed = story.change_client(entity="e", description="d", available_cpu=8, available_accelerators=1)
        assert (changed.name, changed.entity, changed.description) == ("worker", "e", "d")
        assert changed.capacity == Capacity(cpu=8, devices=numbered_devices(1))
        assert (changed.available_cpu, changed.available_accelerators) == (8, 1)
        assert changed.last_heartbeat == client.last_heartbeat
        heard = story.write(lambda writer: writer.heartbeat("worker", story.now))
        assert heard == story.read(lambda reader: reader.client("worker"))
        assert heard == evolve(changed, last_heartbeat=story.now)

    def test_unknown_clients_are_not_found(self, story: Story) -> None:
        """K03 (Reader.client, Writer): and hold nothing."""
        for act in (
            lambda writer: writer.client("nobody"),
            lambda writer: writer.update_client("nobody", ClientChanges(name="x"), story.now),
            lambda writer: writer.delete_client("nobody", story.now),
            lambda writer: writer.heartbeat("nobody", story.now),
        ):
            with pytest.raises(NotFoundError, match="nobody"):
                story.write(act)
        assert story.read(lambda reader: reader.live_attempts("nobody")) == []
        story.client()
        story.write(lambda writer: writer.delete_client("worker", story.now))
        with pytest.raises(NotFoundError):
            story.read(lambda reader: reader.client("worker"))

    def test_clients_are_listed_by_id_in_pages(self, story: Story) -> None:
        """K04 (Reader.clients): byte by byte, the active ones or all."""
        clients = {name: story.client(name) for name in ("b", "a", "Z", "_", "1", "aa", "-")}
        clients["a"] = story.change_client("a", is_active=False)
        everybody = [clients[name] for name in sorted(clients)]
        assert story.read(lambda reader: reader.clients(Page(), active_only=False)) == everybody
        active = [client for client in everybody if client.id != "a"]
        assert story.read(lambda reader: reader.clients(Page(), active_only=True)) == active
        assert story.read(lambda reader: reader.clients(Page(limit=2, skip=1), active_only=True)) == active[1:3]

    def test_live_attempts_of_a_client_are_listed_by_job(self, story: Story) -> None:
        """K05 (Reader.live_attempts): its own, while it holds them."""
        task = story.task()
        jobs = story.jobs(task, 4)
        story.change(jobs[2], priority=5)
        story.client()
        story.client("other")
        story.claim(limit=3)
        story.claim("other")
        story.end(AttemptRef(job_id=jobs[0], fence=1))
        held = story.read(lambda reader: reader.live_attempts("worker"))
        assert [attempt.job_id for attempt in held] == [jobs[1], jobs[2]]

    def test_log_grows_at_its_end_and_is_safe_to_repeat(self, story: Story) -> None:
        """L01 (Writer.append_log): bytes that are there are skipped; both streams and all attempts are apart."""
        story.job(story.task())
        ref = ref_of(story.take())

        append, read = partial(story.append, ref), partial(story.log, ref)
        assert read(0, 10) == LogPart(data=b"", offset=0, size=0)
        assert append(0, b"\x00hello\xff") == 7
        assert append(0, b"\x00hello\xff") == 7
        assert append(5, b"o\xff world") == 13
        assert append(3, b"") == 13
        assert append(0, b"other", "stderr") == 5
        with pytest.raises(LogOffsetError, match="13") as caught:
            append(14, b"too far")
        assert caught.value.size == 13
        assert read(0, 100) == LogPart(data=b"\x00hello\xff world", offset=0, size=13)
        assert read(4, 4) == LogPart(data=b"lo\xff ", offset=4, size=13)
        assert read(13, 4) == LogPart(data=b"", offset=13, size=13)
        assert read(stream="stderr").data == b"other"
        story.end(ref)
        assert append(13, b"!") == 14

    def test_middle_of_a_long_log_is_dropped_in_whole_chunks(self, story: Story) -> None:
        """L02 (Writer.append_log): what lies wholly behind the head and before the tail."""
        story.job(story.task())
        ref = ref_of(story.take())
        for number in range(10):
            story.append(ref, number * 10, bytes([ord("0") + number]) * 10, head=15, tail=25)
        read = partial(story.log, ref)
        head, tail = b"0" * 10 + b"1" * 10, b"7" * 10 + b"8" * 10 + b"9" * 10
        assert read(0) == LogPart(data=head, offset=0, size=100)
        assert read(5, 10) == LogPart(data=head[5:15], offset=5, size=100)
        for offset in (20, 45, 69, 70):
            assert read(offset) == LogPart(data=tail, offset=70, size=100)
        assert read(30, 12) == LogPart(data=tail[:12], offset=70, size=100)
        assert read(95) == LogPart(data=b"9" * 5, offset=95, size=100)
        assert read(100) == LogPart(data=b"", offset=100, size=100)

    def test_pieces_of_many_logs_are_appended_at_once(self, story: Story) -> None:
        """L04 (Writer.append_logs): as one by one, and what would be refused hurts no other."""
        task = story.task()
        story.jobs(task, 2)
        one, other = ref_of(story.take()), ref_of(story.take())
        story.append(one, 0, b"old ")
        story.end(other)

        def piece(ref: AttemptRef, offset: int, data: bytes, stream: str = "stdout") -> LogPiece:
            return LogPiece(job_id=ref.job_id, fence=ref.fence, stream=stream, offset=offset, data=data)

        pieces = [
            piece(one, 2, b"d new"),
            piece(other, 0, b"\x00\xff"),
            piece(AttemptRef(job_id=one.job_id, fence=2), 0, b"of nobody"),
            piece(one, 8, b"too far"),
            piece(one, 7, b"!"),
            piece(other, 0, b"", "stderr"),
            piece(one, 0, b"apart", "stderr"),
            piece(AttemptRef(job_id=999_999, fence=1), 0, b"of nobody"),
        ]
        assert list(story.append_pieces(*pieces)) == [7, 2, None, 7, 8, 0, 5, None]
        assert list(story.append_pieces(*pieces[:3])) == [8, 2, None]
        assert list(story.append_pieces(piece(one, 8, b"too far"))) == [15]
        assert story.log(one) == LogPart(data=b"old new!too far", offset=0, size=15)
        assert story.log(one, stream="stderr").data == b"apart"
        assert story.log(other).data == b"\x00\xff"
        assert list(story.append_pieces()) == []

    def test_many_pieces_are_appended_and_their_middles_dropped(self, story: Story) -> None:
        """L05 (Writer.append_logs): of each stream by itself, in whole chunks."""
        task = story.task()
        story.jobs(task, 30)
        refs = [ref_of(story.take()) for _ in range(30)]
        for part in range(6):
            pieces = [
                LogPiece(job_id=ref.job_id, fence=1, stream="stdout", offset=part * 5, data=b"%d" % part * 5)
                for ref in refs
            ]
            assert list(story.append_pieces(*pieces, head=5, tail=10)) == [part * 5 + 5] * 30
        for ref in refs:
            assert story.log(ref) == LogPart(data=b"00000", offset=0, size=30)
            assert story.log(ref, 5) == LogPart(data=b"4444455555", offset=20, size=30)

    def test_what_a_sender_leaves_out_of_a_log_counts_and_reads_like_what_was_dropped(self, story: Story) -> None:
        """L06 (Writer.append_log): to the byte, also when it is repeated, or its own surroundings are dropped later."""
        story.job(story.task())
        ref = ref_of(story.take())
        append, read = partial(story.append, ref, head=3_000), partial(story.log, ref)
        assert append(1_000, b"begin", skipped=1_000) == 1_005
        assert append(1_000, b"begin", skipped=1_000) == 1_005
        assert append(1_002, b"gin on", skipped=1_002) == 1_008
        with pytest.raises(LogOffsetError) as caught:
            append(2_000, b"x", skipped=991)
        assert caught.value.size == 1_008
        assert append(1_500, b"", skipped=1_500) == 1_008
        assert append(2_000, b"end", skipped=992) == 2_003
        assert read() == LogPart(data=b"begin on", offset=1_000, size=2_003)
        assert read(1_008) == LogPart(data=b"end", offset=2_000, size=2_003)
        assert append(5_000, b"last", skipped=4_000, head=10, tail=4) == 5_004
        assert read() == LogPart(data=b"last", offset=5_000, size=5_004)

    def test_log_of_an_unknown_attempt_is_not_found(self, story: Story) -> None:
        """L03 (Reader.log, Writer.append_log): of an unknown job too."""
        job = story.job(story.task())
        story.take()
        for job_id, fence in ((job, 2), (999_999, 1)):
            ref = AttemptRef(job_id=job_id, fence=fence)
            with pytest.raises(NotFoundError):
                story.log(ref)
            with pytest.raises(NotFoundError):
                story.append(ref, 0, b"")
