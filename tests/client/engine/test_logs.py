"""Output on its way to the server: in order, complete, and with a marker where too much was left out."""

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support import wait_until
from tests.support.proxy import BreakingLine
from whatsnext.api.client import Job, Project
from whatsnext_client.address import Address
from whatsnext_client.engine.logs import LogUploader
from whatsnext_client.engine.records import Held
from whatsnext_client.rest import Rest
from whatsnext_client.transport import Transport
from whatsnext_core.model import Allocation


class Ears:
    """Hears what an uploader says."""

    def __init__(self) -> None:
        self.skipped: list[Held] = []
        self.sent: list[Held] = []
        self.complete: list[Held] = []
        self.done = threading.Event()

    def _hear_done(self, held: Held) -> None:
        self.complete.append(held)
        self.done.set()

    def uploader(self, project: Project, *, rest: Rest | None = None, **options: int) -> LogUploader:
        """An uploader that talks to it."""
        return LogUploader(
            rest or project.rest,
            on_skip=self.skipped.append,
            on_sent=self.sent.append,
            on_done=self._hear_done,
            **options,
        )


class Counting(Transport):
    """Notes what is asked for; what goes to ``/logs`` can be sent elsewhere, where an older server has nothing."""

    def __init__(self, address: Address, pieces_go_to: str = "/logs") -> None:
        super().__init__(address)
        self.asked: list[str] = []
        self._pieces_go_to = pieces_go_to

    def send(self, method: str, path: str, **options: Any) -> Any:
        """Send the request, and note it."""
        self.asked.append(f"{method} {path}")
        return super().send(method, self._pieces_go_to if path == "/logs" else path, **options)


@pytest.fixture
def jobs(project: Project) -> list[Job]:
    """Jobs that somebody has taken."""
    project.create_task("task")
    project.extend_queue([Job(f"job-{number}", "task") for number in range(30)])
    return [project.fetch_job() for _ in range(30)]


def written(jobs: list[Job], folder: Path) -> list[Held]:
    """Attempts at jobs that have printed their number, and every third also to stderr."""
    found = []
    for job in jobs:
        held = attempt(job, folder)
        held.logs = {name: folder / f"{job.number}.{name}" for name in ("stdout", "stderr")}
        held.logs["stdout"].write_bytes(b"out \xff\x00 %d\n" % job.number)
        if job.number % 3 == 0:
            held.logs["stderr"].write_bytes(b"err %d\n" % job.number)
        found.append(held)
    return found


def assert_complete(jobs: list[Job]) -> None:
    """Each log is what ``written`` wrote."""
    for job in jobs:
        assert job.log_bytes() == b"out \xff\x00 %d\n" % job.number
        assert job.log_bytes(stream="stderr") == (b"err %d\n" % job.number if job.number % 3 == 0 else b"")


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
    assert job.log_bytes() == b"\n[whatsnext: 1100000 bytes were left out here]\n" + content[1_100_000:]
    assert ears.skipped == [held]


def test_output_of_a_job_that_is_gone_is_given_up(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"lost")
    project.remove_job(job)
    ears = Ears()
    uploader = ears.uploader(project)
    uploader.follow(held, fresh=True)
    uploader.finish(held)
    uploader.start()
    assert ears.done.wait(30)
    uploader.close()


def test_a_dropped_attempt_is_not_sent(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path)
    held.logs["stdout"].write_bytes(b"nobody's")
    uploader = Ears().uploader(project)
    uploader.follow(held, fresh=True)
    uploader.drop(held)
    assert uploader.is_idle
    assert held.logs_done


def test_output_of_attempts_that_end_together_shares_a_request(
    project: Project, jobs: list[Job], tmp_path: Path
) -> None:
    transport = Counting(project.rest.transport.address)
    ears = Ears()
    uploader = ears.uploader(project, rest=Rest(transport))
    attempts = written(jobs, tmp_path)
    for held in attempts:
        uploader.follow(held, fresh=True)
        assert uploader.finish(held, hurry=False) is False
    uploader.start()
    wait_until(lambda: len(ears.complete) == len(attempts))
    uploader.close()
    assert transport.asked == ["POST /logs"]
    assert ears.complete == attempts
    assert_complete(jobs)


def test_large_output_goes_its_own_way_and_small_output_before_it(
    project: Project, jobs: list[Job], tmp_path: Path
) -> None:
    transport = Counting(project.rest.transport.address)
    ears = Ears()
    uploader = ears.uploader(project, rest=Rest(transport))
    attempts = written(jobs[:3], tmp_path)
    content = b"loud\n" * 200_000
    attempts[0].logs["stdout"].write_bytes(content)
    for held in attempts:
        uploader.follow(held, fresh=True)
        uploader.finish(held)
    uploader.start()
    wait_until(lambda: len(ears.complete) == 3)
    uploader.close()
    assert transport.asked == ["POST /logs"] + 2 * [f"PATCH /jobs/{jobs[0].number}/logs/stdout"]
    assert jobs[0].log_bytes() == content
    assert_complete(jobs[1:3])


def test_a_restarted_uploader_learns_together_what_the_server_has(
    project: Project, jobs: list[Job], tmp_path: Path
) -> None:
    for job in jobs[:10]:
        project.rest.append_log(job.number, "stdout", b"out \xff", fence=1, offset=0)
    project.remove_job(jobs[-1])
    transport = Counting(project.rest.transport.address)
    ears = Ears()
    uploader = ears.uploader(project, rest=Rest(transport))
    attempts = written(jobs, tmp_path)
    for held in attempts:
        uploader.follow(held, fresh=False)
        uploader.finish(held)
    uploader.start()
    wait_until(lambda: len(ears.complete) == len(attempts))
    uploader.close()
    assert transport.asked == ["POST /logs", "POST /logs"]
    assert_complete(jobs[:-1])


@pytest.mark.parametrize("elsewhere", ["/nothing", "/jobs/1"])
def test_an_older_server_gets_each_stream_by_itself(
    project: Project, jobs: list[Job], tmp_path: Path, elsewhere: str
) -> None:
    transport = Counting(project.rest.transport.address, pieces_go_to=elsewhere)
    ears = Ears()
    uploader = ears.uploader(project, rest=Rest(transport))
    uploader.start()
    for number, some in enumerate((jobs[:5], jobs[5:10]), start=1):
        for held in written(some, tmp_path):
            uploader.follow(held, fresh=True)
            uploader.finish(held)
        wait_until(lambda: len(ears.complete) == 5 * number)  # noqa: B023 - it is waited for right here
    uploader.close()
    assert transport.asked.count("POST /logs") <= 1
    assert sum(asked.startswith("PATCH") for asked in transport.asked) == 10 + sum(
        job.number % 3 == 0 for job in jobs[:10]
    )
    assert_complete(jobs[:10])


def test_a_line_that_breaks_neither_loses_nor_doubles_a_byte(project: Project, jobs: list[Job], tmp_path: Path) -> None:
    content = {job.number: b"".join(b"%d.%d\n" % (job.number, line) for line in range(1_000)) for job in jobs}
    with BreakingLine(project.rest.transport.address.port, cut_after=60_000) as line:
        ears = Ears()
        transport = Counting(Address(scheme="http", host="127.0.0.1", port=line.port))
        uploader = ears.uploader(project, rest=Rest(transport))
        for held in written(jobs, tmp_path):
            held.logs["stdout"].write_bytes(content[held.job_id])
            held.logs["stderr"].write_bytes(b"")
            uploader.follow(held, fresh=True)
            uploader.finish(held)
        uploader.start()
        wait_until(lambda: line.cuts > 0 and transport.asked.count("POST /logs") > 1)
        uploader.close()
        transport.close()
    second = ears.uploader(project)
    second.start()
    for held in written(jobs, tmp_path):
        held.logs["stdout"].write_bytes(content[held.job_id])
        held.logs["stderr"].write_bytes(b"")
        second.follow(held, fresh=False)
        second.finish(held)
    wait_until(lambda: second.is_idle)
    second.close()
    assert {job.number: job.log_bytes() for job in jobs} == content
