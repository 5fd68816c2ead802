"""Output on its way to the server: in order, complete, and with a marker where too much was left out."""

import io
import threading
import time
from pathlib import Path

import pytest

from tests.support import wait_until
from whatsnext.api.client import Job, Project
from whatsnext_client.engine.delivery import Delivery
from whatsnext_client.engine.logs import LITTLE, LogUploader
from whatsnext_client.engine.records import Held
from whatsnext_core.model import Allocation


class Ears:
    """Hears what an uploader says."""

    def __init__(self) -> None:
        self.sent: list[Held] = []
        self.done = threading.Event()

    def uploader(self, project: Project, **options: int) -> LogUploader:
        """An uploader that talks to it."""
        return LogUploader(
            project.rest,
            on_sent=self.sent.append,
            on_done=lambda _: self.done.set(),
            **options,
        )


@pytest.fixture
def job(project: Project) -> Job:
    """A job that somebody has taken, so that there is an attempt."""
    project.create_task("task")
    project.append("job", "task")
    return project.fetch_job()


def attempt(job: Job, folder: Path) -> Held:
    """The attempt at it, with files for its output."""
    held = Held(
        job_id=job.number, fence=1, name="job", allocation=Allocation(), signal="SIGTERM", grace=1, timeout=None
    )
    held.logs = {"stdout": folder / "out", "stderr": folder / "err"}
    return held


def test_output_that_was_there_before_and_after_a_restart_arrives_once(
    project: Project, job: Job, tmp_path: Path
) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"one\n")
    first = Ears().uploader(project)
    first.start()
    first.follow(held, fresh=True)
    wait_until(lambda: job.logs() == "one\n")
    first.close()
    with held.logs["stdout"].open("ab") as file:
        file.write(b"two\n")
    ears = Ears()
    second = ears.uploader(project)
    second.start()
    again = attempt(job, tmp_path)
    second.follow(again, fresh=False)
    assert second.finish(again) is False
    assert ears.done.wait(30)
    assert second.is_idle
    assert again.logs_done
    assert job.logs() == "one\ntwo\n"
    second.close()


def test_nothing_written_is_complete_at_once(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    uploader = Ears().uploader(project)
    uploader.follow(held, fresh=True)
    assert uploader.finish(held) is True
    assert uploader.is_idle


def test_of_far_too_much_the_end_is_kept_and_the_gap_is_marked(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    content = b"".join(b"line %06d\n" % number for number in range(100_000))
    held.logs["stdout"].write_bytes(content)
    ears = Ears()
    uploader = ears.uploader(project, backlog=800_000)
    uploader.follow(held, fresh=True)
    uploader.finish(held)
    uploader.start()
    assert ears.done.wait(30)
    uploader.close()
    assert job.log_bytes() == b"\n[whatsnext: 1100000 bytes were dropped here]\n" + content[1_100_000:]


def test_after_bytes_were_left_out_an_adopted_attempt_goes_on_where_the_server_is(
    project: Project, job: Job, tmp_path: Path
) -> None:
    held = attempt(job, tmp_path)
    content = b"".join(b"line %06d\n" % number for number in range(100_000))
    held.logs["stdout"].write_bytes(content[:1_000_000])
    first = Ears().uploader(project, backlog=800_000)
    first.follow(held, fresh=True)
    first.start()
    wait_until(lambda: job.log_bytes().endswith(content[900_000:1_000_000]), 30, "the first part is sent")
    first.close()
    with held.logs["stdout"].open("ab") as file:
        file.write(content[1_000_000:])
    ears = Ears()
    second = ears.uploader(project, backlog=800_000)
    again = attempt(job, tmp_path)
    second.follow(again, fresh=False)
    second.finish(again)
    second.start()
    assert ears.done.wait(30)
    second.close()
    assert job.log_bytes() == b"\n[whatsnext: 900000 bytes were dropped here]\n" + content[900_000:]


def test_output_of_a_job_that_is_gone_is_given_up(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"lost" * LITTLE)
    project.remove_job(job)
    ears = Ears()
    uploader = ears.uploader(project)
    uploader.follow(held, fresh=True)
    uploader.finish(held)
    uploader.start()
    assert ears.done.wait(30)
    uploader.close()


def test_little_output_is_left_to_the_report_of_the_end(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"\xffout")
    held.logs["stderr"].write_bytes(b"err")
    uploader = Ears().uploader(project)
    uploader.follow(held, fresh=True)
    assert uploader.finish(held) is True
    assert uploader.is_idle
    assert not held.logs_done
    assert [(piece.stream, piece.offset, piece.data) for piece in held.output] == [
        ("stdout", 0, b"\xffout"),
        ("stderr", 0, b"err"),
    ]


def test_what_was_sent_while_it_ran_is_not_sent_again_with_the_end(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"begin ")
    uploader = Ears().uploader(project)
    uploader.start()
    uploader.follow(held, fresh=True)
    wait_until(lambda: job.logs() == "begin ")
    with held.logs["stdout"].open("ab") as file:
        file.write(b"end")
    assert uploader.finish(held) is True
    uploader.close()
    (piece,) = held.output
    assert (piece.offset, piece.data) == (6, b"end")


def test_what_is_on_its_way_when_a_job_ends_arrives_once(
    project: Project, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"once\n")
    sending, ending = threading.Event(), threading.Event()

    class File(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size) or b""
            if threading.current_thread() is threading.main_thread():
                ending.set()
                wait_until(lambda: job.logs() == "once\n")
                time.sleep(0.2)  # the answer to what was sent is taken in
            else:
                sending.set()
                ending.wait()
            return data

    def open_it(path: Path, mode: str) -> File:
        return File(path, mode)

    monkeypatch.setattr(Path, "open", open_it)
    uploader = Ears().uploader(project)
    uploader.start()
    uploader.follow(held, fresh=True)
    assert sending.wait(30)
    assert uploader.finish(held) is True
    uploader.close()
    (piece,) = held.output
    assert (piece.offset, piece.data) == (0, b"once\n")


def test_more_than_a_little_is_sent_by_itself(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"x" * (LITTLE + 1))
    ears = Ears()
    uploader = ears.uploader(project)
    uploader.start()
    uploader.follow(held, fresh=True)
    assert uploader.finish(held) is False
    assert ears.done.wait(30)
    uploader.close()
    assert held.output == ()
    assert len(job.log_bytes()) == LITTLE + 1


def test_output_that_should_have_gone_with_the_end_and_did_not_is_sent_by_itself(
    project: Project, job: Job, tmp_path: Path
) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"after all")
    done = threading.Event()
    delivery = Delivery(
        project.rest,
        post=lambda message: message(),
        on_ready=lambda _: None,
        on_done=lambda _: done.set(),
    )
    delivery.start()
    delivery.follow(held, fresh=True)
    delivery.finish(held)
    assert held.output
    held.output = ()
    delivery.resume(held)
    assert done.wait(30)
    delivery.close()
    assert job.logs() == "after all"


def test_a_dropped_attempt_is_not_sent(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"nobody's")
    uploader = Ears().uploader(project)
    uploader.follow(held, fresh=True)
    uploader.drop(held)
    assert uploader.is_idle
    assert held.logs_done
