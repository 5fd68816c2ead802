"""Scenarios of following the events: filters, places, and the cursors that are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from whatsnext_core.errors import ConflictError, NotFoundError
from whatsnext_core.model import Cursor, Event, EventKind, JobSpec
from whatsnext_core.storage import EventFilter, Reader
from whatsnext_core.testing.storage.base import Reopen, StorageFixtures
from whatsnext_core.testing.storage.story import LEASE, Story

K = EventKind


class FollowingScenarios(StorageFixtures):
    """E: following events; U: cursors."""

    def test_events_are_filtered(self, story: Story) -> None:
        """E01 (Reader.events, EventFilter): by project, jobs and kinds, all at once; and up to a number."""
        one, two = story.task("one"), story.task("two")
        jobs = [story.job(task) for task in (one, two, one)]
        story.cancel(*jobs)
        story.retry(jobs[0])

        def found(after: int = 0, limit: int = 100, until: int | None = None, **only: object) -> list[tuple[int, str]]:
            def ask(reader: Reader) -> list[tuple[int, str]]:
                events = reader.events(after, limit, EventFilter(**only), until=until)  # type: ignore[arg-type]
                return [(event.job_id, event.kind.value) for event in events]

            return story.read(ask)

        assert found(job_ids={jobs[0]}) == [(jobs[0], "submitted"), (jobs[0], "cancelled"), (jobs[0], "retried")]
        assert found(job_ids={jobs[0], jobs[1]}, kinds={K.CANCELLED}) == [
            (jobs[0], "cancelled"),
            (jobs[1], "cancelled"),
        ]
        assert found(job_ids={jobs[0], jobs[1]}, project_id=two.project_id, limit=1) == [(jobs[1], "submitted")]
        assert found(kinds={K.SUBMITTED, K.RETRIED}, project_id=one.project_id) == [
            (jobs[0], "submitted"),
            (jobs[2], "submitted"),
            (jobs[0], "retried"),
        ]
        assert found(job_ids={999_999}) == found(kinds={K.LOST}) == []
        numbers = [event.id for event in story.events()]
        assert found(kinds={K.CANCELLED}, until=numbers[3]) == [(jobs[0], "cancelled")]
        assert found(after=numbers[3], until=numbers[4]) == [(jobs[1], "cancelled")]
        assert found(job_ids={jobs[0]}, after=numbers[0], until=numbers[3]) == [(jobs[0], "cancelled")]
        assert found(after=numbers[-1], until=numbers[0]) == []

    def test_every_later_event_has_a_higher_number(self, story: Story) -> None:
        """E02 (Reader.last_event): than the last one so far, also once that is gone."""
        assert story.read(lambda reader: reader.last_event()) == 0
        task = story.task()
        story.job(task)
        last = story.read(lambda reader: reader.last_event())
        assert last == story.events()[-1].id
        story.write(lambda writer: writer.delete_project(task.project_id))
        story.settle()
        story.job(story.task("another"))
        assert [event.id > last for event in story.events()] == [True]

    def test_place_is_found_by_time(self, story: Story) -> None:
        """E03 (Reader.event_before): that of the last event before it."""
        task = story.task()
        assert story.read(lambda reader: reader.event_before(story.now)) == 0
        moments = []
        for _ in range(6):
            story.tick(10)
            moments.append(story.now)
            story.jobs(task, 2)
        numbers = [event.id for event in story.events()]
        for place, moment in enumerate(moments):
            expected = numbers[2 * place - 1] if place else 0
            assert story.read(lambda reader, at=moment: reader.event_before(at)) == expected  # type: ignore[misc]
        later = story.now + timedelta(microseconds=1)
        assert story.read(lambda reader: reader.event_before(later)) == numbers[-1]

    def test_events_of_batches_are_read_from_any_place(self, story: Story) -> None:
        """E04 (Reader.events): one by one, in the order of their jobs, however a backend keeps them."""
        one, two = story.task("one"), story.task("two")
        first, second, third = story.jobs(one, 300), story.jobs(two, 40), story.jobs(one, 300)
        story.cancel(*first[:100], *first[110:], second[3])
        story.retry(*(job for job in first[::2] if job not in first[100:110]))
        everything = story.events()
        assert [event.job_id for event in everything[:640]] == [*first, *second, *third]
        assert [event.job_id for event in everything[640:931]] == [*first[:100], *first[110:], second[3]]
        assert [event.job_id for event in everything[931:]] == [job for job in first[::2] if job not in first[100:110]]
        numbers = [event.id for event in everything]
        assert numbers == sorted(set(numbers))

        def found(after: int, limit: int, until: int | None = None, **only: object) -> list[Event]:
            return list(story.read(lambda reader: reader.events(after, limit, EventFilter(**only), until=until)))  # type: ignore[arg-type]

        for place in (0, 1, 150, 254, 255, 256, 257, 299, 300, 338, 339, 340, 640, 739, 740, 929, 930, 1_000):
            after = numbers[place]
            for limit in (1, 2, 7, 300, 1_000):
                assert found(after, limit) == everything[place + 1 : place + 1 + limit]
            for further in (0, 1, 5, 260, 700):
                assert found(after, 1_000, after + further) == [
                    e for e in everything if after < e.id <= after + further
                ]
            rest = [event for event in everything if event.id > after and event.project_id == two.project_id]
            assert found(after, 10, project_id=two.project_id) == rest[:10]
        for job_ids in ({first[0]}, {first[105], second[3], third[299]}, set(first[90:120]), {first[-1], second[0]}):
            wanted = [event for event in everything if event.job_id in job_ids]
            assert found(0, 1_000, job_ids=job_ids) == wanted
            assert found(wanted[0].id, 1_000, job_ids=job_ids) == wanted[1:]
            assert found(0, 1_000, wanted[0].id, job_ids=job_ids) == wanted[:1]

    def test_events_of_a_published_batch_have_the_next_numbers(self, story: Story) -> None:
        """E05 (Writer.publish_submission): one for each job, in their order, also where ids are missing between."""
        task = story.task()
        before = story.job(task)
        ids = [job_id for job_id in story.reserve(600) if job_id % 200]
        number = story.open(task)
        story.submit(*(JobSpec(id=job_id, name="job", task_id=task.id) for job_id in ids), submission=number)
        story.publish(number)
        story.settle()
        after = story.job(task)
        everything = story.events()
        assert [event.job_id for event in everything] == [before, *ids, after]
        numbers = [event.id for event in everything]
        assert numbers == sorted(set(numbers))
        assert {(event.kind, event.data["to"]) for event in everything} == {(K.SUBMITTED, "PENDING")}
        for job_id in ids[::50]:
            (event,) = story.read(lambda reader, one=job_id: reader.events(0, 9, EventFilter(job_ids={one})))  # type: ignore[misc]
            assert event.job_id == job_id

    def test_cursor_begins_behind_the_newest_event(self, story: Story) -> None:
        """U01 (Writer.take_cursor, Reader.cursors): and is held by who took it."""
        assert story.read(lambda reader: reader.cursors()) == []
        story.job(story.task())
        last = story.events()[-1].id
        taken = story.take_cursor("webhook", "one")
        assert taken == Cursor(
            name="webhook", place=last, holder="one", expires_at=story.now + LEASE, seen_at=story.now
        )
        assert story.take_cursor("a mail", "two").place == last
        assert [cursor.name for cursor in story.read(lambda reader: reader.cursors())] == ["a mail", "webhook"]
        assert story.read(lambda reader: reader.cursors())[1] == taken

    def test_one_holds_a_cursor_until_its_lease_lapses(self, story: Story) -> None:
        """U02 (Writer.take_cursor): or it gives it back; taking it again renews."""
        first = story.take_cursor("webhook", "one")
        story.tick(60)
        assert story.take_cursor("webhook", "two") == first
        renewed = story.take_cursor("webhook", "one")
        assert renewed.expires_at == story.now + LEASE
        story.tick(89)
        assert story.take_cursor("webhook", "two") == renewed
        story.tick(1)
        assert story.take_cursor("webhook", "two").holder == "two"
        assert story.take_cursor("webhook", "one").holder == "two"

    def test_cursor_is_moved_by_its_holder_only(self, story: Story) -> None:
        """U03 (Writer.move_cursor): also when its lease has lapsed and nobody took it; with what failed."""
        story.take_cursor("webhook", "one")
        story.tick(200)
        moved = story.move_cursor("webhook", "one", 7)
        assert (moved.place, moved.expires_at, moved.seen_at) == (7, story.now + LEASE, story.now)
        failed = story.move_cursor("webhook", "one", 7, failures=3, error="no answer: ü")
        assert (failed.failures, failed.error) == (3, "no answer: ü")
        assert story.read(lambda reader: reader.cursors()) == [failed]
        with pytest.raises(ConflictError):
            story.move_cursor("webhook", "two", 8)
        with pytest.raises(NotFoundError):
            story.move_cursor("another", "one", 8)
        story.tick(90)
        taken = story.take_cursor("webhook", "two")
        assert (taken.place, taken.failures, taken.error) == (7, 3, "no answer: ü")
        with pytest.raises(ConflictError):
            story.move_cursor("webhook", "one", 9)
        assert story.move_cursor("webhook", "two", 8).failures == 0

    def test_cursor_that_was_given_back_is_free_at_once(self, story: Story) -> None:
        """U04 (Writer.release_cursor): and keeps its place; who does not hold it changes nothing."""
        taken = story.take_cursor("webhook", "one")
        story.write(lambda writer: writer.release_cursor("webhook", "two"))
        story.write(lambda writer: writer.release_cursor("another", "one"))
        assert story.read(lambda reader: reader.cursors()) == [taken]
        story.move_cursor("webhook", "one", 5)
        story.write(lambda writer: writer.release_cursor("webhook", "one"))
        (free,) = story.read(lambda reader: reader.cursors())
        assert (free.holder, free.expires_at, free.place) == (None, None, 5)
        with pytest.raises(ConflictError):
            story.move_cursor("webhook", "one", 6)
        assert story.take_cursor("webhook", "two").holder == "two"

    def test_cursors_are_there_after_reopening(self, story: Story, reopen: Reopen | None) -> None:
        """U05 (Writer.move_cursor): where they were."""
        if reopen is None:
            pytest.skip("this storage keeps nothing")
        story.take_cursor("webhook", "one")
        moved = story.move_cursor("webhook", "one", 12, failures=1, error="gone")
        again = Story(reopen())
        assert again.read(lambda reader: reader.cursors()) == [moved]
