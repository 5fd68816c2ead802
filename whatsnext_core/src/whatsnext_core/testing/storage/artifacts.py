"""Scenarios of the files of jobs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from hashlib import sha256

import pytest

from whatsnext_core.errors import InvalidError, NotFoundError, OffsetError, StaleFenceError, TooLargeError
from whatsnext_core.model import AttemptRef, ProjectChanges, ProjectStatus
from whatsnext_core.model.limits import MAX_ID
from whatsnext_core.storage import UPLOAD_LASTS, Page, Reader, Writer
from whatsnext_core.testing.storage.base import Reopen, StorageFixtures
from whatsnext_core.testing.storage.claiming import run_together
from whatsnext_core.testing.storage.story import Story, ref_of

SECOND = timedelta(seconds=1)


class ArtifactScenarios(StorageFixtures):
    """F: files of jobs."""

    def test_file_is_seen_once_it_is_whole(self, story: Story) -> None:
        """F01 (Writer.open_artifact, append_artifact, finish_artifact, Reader.artifact): and as it was sent."""
        story.job(story.task())
        ref = ref_of(story.take())
        content = bytes(range(256)) * 3
        said = {"size": 768, "sha256": _sum(content), "content_type": "image/png", "fence": ref.fence}
        upload = story.open_upload(ref.job_id, "plots/löss '1\".png", **said)
        assert upload.received == 0
        assert story.send(upload.id, 0, content[:300]) == 300
        with pytest.raises(NotFoundError, match="löss"):
            story.file(ref.job_id, upload.spec.name)
        assert story.send(upload.id, 300, content[300:]) == 768
        story.tick(5)
        found = story.show(upload.id, content)
        assert found == story.file(ref.job_id, upload.spec.name)
        assert (found.id, found.job_id, found.name) == (upload.id, ref.job_id, upload.spec.name)
        assert (found.size, found.sha256, found.content_type) == (768, _sum(content), "image/png")
        assert (found.fence, found.created_at) == (1, story.now)
        assert story.bytes_of(found) == content

    def test_bytes_are_appended_at_their_offset_and_safe_to_repeat(self, story: Story) -> None:
        """F02 (Writer.append_artifact): no gap, no byte twice, and no more than was said."""
        job = story.job(story.task())
        upload = story.open_upload(job, "f", size=12)
        send = partial(story.send, upload.id)
        assert send(0, b"hello") == 5
        assert send(0, b"hello") == 5
        assert send(3, b"lo world") == 11
        assert send(2, b"") == 11
        with pytest.raises(OffsetError, match="11") as caught:
            send(12, b"x")
        assert caught.value.size == 11
        with pytest.raises(TooLargeError, match="12"):
            send(11, b"!!")
        assert send(11, b"!") == 12
        assert story.bytes_of(story.show(upload.id, b"hello world!")) == b"hello world!"

    def test_any_part_of_a_file_can_be_read(self, story: Story) -> None:
        """F03 (Reader.artifact_bytes): across pieces, also of one that is not whole yet."""
        job = story.job(story.task())
        upload = story.open_upload(job, "f")
        for place, piece in enumerate((b"abc", b"d", b"efgh")):
            story.send(upload.id, (0, 3, 4)[place], piece)
        content = b"abcdefgh"

        def part(offset: int, limit: int) -> bytes:
            return story.read(lambda reader: reader.artifact_bytes(upload.id, offset, limit))

        parts = [(offset, limit) for offset in range(10) for limit in (0, 1, 2, 5, 100)]
        assert [part(*each) for each in parts] == [content[offset : offset + limit] for offset, limit in parts]
        story.show(upload.id, content)
        assert part(2, 3) == b"cde"

    def test_file_that_is_not_what_was_said_is_refused(self, story: Story) -> None:
        """F04 (Writer.finish_artifact, discard_artifact): too short, or with another checksum."""
        job = story.job(story.task())
        upload = story.open_upload(job, "f", size=3, sha256=_sum(b"abc"))
        story.send(upload.id, 0, b"ab")
        with pytest.raises(InvalidError, match="2 bytes of 3"):
            story.show(upload.id, b"ab")
        story.send(upload.id, 2, b"x")
        with pytest.raises(InvalidError, match=_sum(b"abx")):
            story.show(upload.id, b"abx")
        assert story.files(job) == []
        story.write(lambda writer: writer.discard_artifact(upload.id))
        story.write(lambda writer: writer.discard_artifact(upload.id))
        for act in (partial(story.send, upload.id, 0, b"abc"), partial(story.show, upload.id, b"abc")):
            with pytest.raises(NotFoundError):
                act()
        assert not story.settle().more

    def test_sending_goes_on_where_it_stopped(self, story: Story) -> None:
        """F05 (Writer.open_artifact): for the same file only, and not if nobody can tell that it is the same."""
        job = story.job(story.task())
        said = {"size": 4, "sha256": _sum(b"abcd")}
        first = story.open_upload(job, "f", **said)
        story.send(first.id, 0, b"ab")
        again = story.open_upload(job, "f", **said)
        assert (again.id, again.received) == (first.id, 2)
        story.take()
        others = [
            story.open_upload(job, "f", size=4, sha256=_sum(b"abce")),
            story.open_upload(job, "g", **said),
            story.open_upload(job, "f", **said, fence=1),
            story.open_upload(job, "f", size=4),
            story.open_upload(job, "f", size=4),
            story.open_upload(job, "f", sha256=_sum(b"abcd")),
            story.open_upload(job, "f", sha256=_sum(b"abcd")),
        ]
        assert len({first.id, *(other.id for other in others)}) == 8
        assert {other.received for other in others} == {0}
        story.send(first.id, 2, b"cd")
        story.show(first.id, b"abcd")
        assert story.open_upload(job, "f", **said).id != first.id

    def test_file_takes_the_place_of_an_older_one_at_once(self, story: Story) -> None:
        """F06 (Writer.finish_artifact): the older one is there until then, and gone from then on."""
        job, other = story.jobs(story.task(), 2)
        older = story.upload(job, "f", b"old")
        story.upload(other, "f", b"other")
        upload = story.open_upload(job, "f")
        story.send(upload.id, 0, b"new")
        assert story.bytes_of(story.file(job, "f")) == b"old"
        newer = story.show(upload.id, b"new")
        assert story.files(job) == [newer]
        assert story.bytes_of(newer) == b"new"
        with pytest.raises(NotFoundError):
            story.bytes_of(older)
        story.settle()
        assert story.bytes_of(newer) == b"new"
        assert story.bytes_of(story.file(other, "f")) == b"other"

    def test_files_are_listed_by_the_codes_of_their_names(self, story: Story) -> None:
        """F07 (Reader.artifacts): in pages."""
        job = story.job(story.task())
        names = ["b", "B", "a/b", "a", "ä", "Z", "a b", "10", "9", "日本", "%s", "_x"]
        for name in names:
            story.upload(job, name, name.encode())
        assert [found.name for found in story.files(job)] == sorted(names)

        def page(skip: int) -> list[str]:
            found = story.read(lambda reader: reader.artifacts(job, Page(limit=5, skip=skip)))
            return [each.name for each in found]

        assert page(0) + page(5) + page(10) == sorted(names)
        assert page(10) == sorted(names)[10:]

    def test_files_of_a_stale_attempt_are_refused(self, story: Story) -> None:
        """F08 (Writer.open_artifact, append_artifact, finish_artifact): lost, or not the newest; an ended one may."""
        task = story.task()
        job = story.job(task)
        ref = ref_of(story.take())
        with pytest.raises(NotFoundError, match="attempt 2"):
            story.open_upload(job, "f", fence=2)
        early, late = (story.open_upload(job, name, fence=1) for name in ("early", "late"))
        story.send(late.id, 0, b"ab")
        story.send(early.id, 0, b"ab")
        story.show(early.id, b"ab")
        story.tick(91)
        story.settle()
        story.tick(1)

        def refuse() -> None:
            acts = (
                partial(story.open_upload, job, "f", fence=1),
                partial(story.send, late.id, 2, b"c"),
                partial(story.show, late.id, b"ab"),
            )
            for act in acts:
                with pytest.raises(StaleFenceError, match="Attempt 1"):
                    act()

        refuse()
        story.claim()
        refuse()
        story.end(AttemptRef(job_id=job, fence=2))
        refuse()
        assert story.upload(job, "f", b"x", fence=2).fence == 2
        assert [(found.name, found.fence) for found in story.files(job)] == [("early", 1), ("f", 2)]
        assert ref.fence == 1

    def test_what_is_not_finished_is_cleared_away_after_a_day(self, story: Story) -> None:
        """F09 (Writer.settle, Settled.next_at): counted from its last bytes."""
        job = story.job(story.task())
        upload = story.open_upload(job, "f")
        assert story.settle().next_at == story.now + UPLOAD_LASTS
        story.tick(UPLOAD_LASTS.total_seconds() - 1)
        story.send(upload.id, 0, b"abc")
        assert story.settle().next_at == story.now + UPLOAD_LASTS
        story.tick(UPLOAD_LASTS.total_seconds() - 1)
        story.settle(1)
        assert story.send(upload.id, 3, b"d") == 4
        story.tick(UPLOAD_LASTS.total_seconds())
        assert story.settle(1).next_at is None
        with pytest.raises(NotFoundError):
            story.send(upload.id, 4, b"e")
        kept = story.upload(job, "kept", b"kept")
        story.tick(10 * UPLOAD_LASTS.total_seconds())
        assert story.settle().next_at is None
        assert story.bytes_of(kept) == b"kept"

    def test_deleted_files_are_gone_at_once_and_cleared_in_small_steps(self, story: Story) -> None:
        """F10 (Writer.delete_artifact, settle): with all their pieces."""
        job = story.job(story.task())
        upload = story.open_upload(job, "f")
        for offset in range(5):
            story.send(upload.id, offset, b"x")
        found = story.show(upload.id, b"xxxxx")
        kept = story.upload(job, "g", b"kept")
        story.write(lambda writer: writer.delete_artifact(job, "f"))
        with pytest.raises(NotFoundError):
            story.write(lambda writer: writer.delete_artifact(job, "f"))
        with pytest.raises(NotFoundError):
            story.bytes_of(found)
        assert story.files(job) == [kept]
        calls = 1
        while (settled := story.write(lambda writer: writer.settle(story.now, 1))).more:
            assert settled.steps <= 1
            calls += 1
        assert calls > 3
        assert story.bytes_of(kept) == b"kept"

    def test_files_go_with_their_job_and_project(self, story: Story) -> None:
        """F11 (Writer.delete_jobs, prune, delete_project): whole ones and others."""
        task = story.task()
        deleted, pruned, held = story.jobs(task, 3)
        files = [story.upload(job, "f", b"abc") for job in (deleted, pruned, held)]
        open_ones = [story.open_upload(job, "g") for job in (deleted, pruned, held)]
        story.finish(pruned)
        story.delete(deleted)
        assert story.write(lambda writer: writer.prune(story.now + SECOND, 10)) == 1
        for place, job in enumerate((deleted, pruned, held)):
            if job == held:
                story.write(lambda writer: writer.delete_project(task.project_id))
            _expect_gone(story, job, files[place].id, open_ones[place].id)
        assert story.settle().next_at is None
        for place, job in enumerate((deleted, pruned, held)):
            _expect_gone(story, job, files[place].id, open_ones[place].id)

    def test_files_of_an_archived_project_and_an_ended_job_can_come(self, story: Story) -> None:
        """F12 (Writer.open_artifact): whatever the job does."""
        task = story.task()
        job = story.job(task)
        story.finish(job)
        archive = ProjectChanges(status=ProjectStatus.ARCHIVED)
        story.write(lambda writer: writer.update_project(task.project_id, archive, story.now))
        assert story.bytes_of(story.upload(job, "late", b"late")) == b"late"

    def test_two_files_of_one_name_finish_one_after_the_other(self, story: Story) -> None:
        """F13 (Writer.finish_artifact): from several threads; one of them is seen in the end."""
        job = story.job(story.task())

        def send(content: bytes) -> None:
            for _ in range(5):
                story.upload(job, "f", content)

        run_together([partial(send, content) for content in (b"one", b"two", b"three")])
        (found,) = story.files(job)
        assert story.bytes_of(found) in {b"one", b"two", b"three"}
        assert _sum(story.bytes_of(found)) == found.sha256

    def test_file_that_fails_leaves_no_trace_and_others_survive_a_restart(
        self, story: Story, reopen: Reopen | None
    ) -> None:
        """F14 (Storage.write): whole ones, and those that are being sent."""
        job = story.job(story.task())
        kept = story.upload(job, "f", b"kept")
        upload = story.open_upload(job, "g", size=4, sha256=_sum(b"abcd"))
        story.send(upload.id, 0, b"ab")

        def fail(writer: Writer) -> None:
            writer.append_artifact(upload.id, 2, b"cd", story.now)
            writer.finish_artifact(upload.id, _sum(b"abcd"), story.now)
            writer.delete_artifact(job, "f")
            assert [found.name for found in writer.artifacts(job, Page())] == ["g"]
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            story.write(fail)
        again = Story(reopen()) if reopen else story
        assert again.files(job) == [kept]
        assert again.bytes_of(kept) == b"kept"
        assert again.open_upload(job, "g", size=4, sha256=_sum(b"abcd")).received == 2

    def test_unknown_files_are_not_found(self, story: Story) -> None:
        """F15 (Reader.artifact, artifacts, artifact_bytes): nor those of unknown jobs, whatever the number."""
        job = story.job(story.task())
        for ask in (
            lambda reader: reader.artifact(job, "f"),
            lambda reader: reader.artifact(MAX_ID, "f"),
            lambda reader: reader.artifacts(MAX_ID, Page()),
            lambda reader: reader.artifact_bytes(MAX_ID, MAX_ID, 1),
        ):
            with pytest.raises(NotFoundError):
                story.read(ask)
        with pytest.raises(NotFoundError):
            story.open_upload(MAX_ID, "f")
        with pytest.raises(NotFoundError):
            story.send(MAX_ID, 0, b"x")
        story.write(lambda writer: writer.discard_artifact(MAX_ID))
        assert story.files(job) == []


def _expect_gone(story: Story, job: int, *numbers: int) -> None:
    def ask(number: int) -> None:
        story.read(lambda reader: reader.artifact_bytes(number, 0, 1))

    for act in [partial(ask, number) for number in numbers] + [partial(story.send, numbers[-1], 0, b"x")]:
        with pytest.raises(NotFoundError):
            act()
    with pytest.raises(NotFoundError):
        story.read(lambda reader: _listed(reader, job))


def _listed(reader: Reader, job: int) -> object:
    return reader.artifacts(job, Page())


def _sum(content: bytes) -> str:
    return sha256(content).hexdigest()
