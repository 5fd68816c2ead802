"""A server that is away for longer than a lease, while jobs run, write, and end.

`python -m tests.acceptance.outage --seconds 60` stops one for a minute.
"""

import shlex
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tests.support import wait_until
from tests.support.server import RunningServer, running_server, running_worker
from whatsnext.api.client import Job, Server

JOBS = 4
PIECES = 40
SCRIPT = """\
import os, random, sys, time
folder, number = sys.argv[1], os.environ["WHATSNEXT_JOB_ID"]
with open(os.path.join(folder, "began"), "a") as began:
    began.write(number + "\\n")
dice = random.Random(number)
copy = open(os.path.join(folder, "wrote-" + number), "wb")
def write():
    data = dice.randbytes(50_000)
    os.write(1, data)
    copy.write(data)
for _ in range({pieces} // 2):
    write()
while not os.path.exists(os.path.join(folder, "go")):
    time.sleep(0.02)
for _ in range({pieces} // 2):
    write()
copy.close()
with open(os.environ["WHATSNEXT_RESULT"], "w") as result:
    result.write(number)
""".replace("{pieces}", str(PIECES))


def sit_out_an_outage(server: RunningServer, folder: Path, *, seconds: float) -> None:
    """Stop the server for so many seconds, which should be more than a lease; expect that it leaves no trace.

    Half of the jobs end while the server is away, the others after it is back. Each writes two megabytes, half of them
    before it ends.
    """
    script = folder / "write.py"
    script.write_text(SCRIPT)
    words = " ".join(map(shlex.quote, (sys.executable, str(script))))
    project = Server("127.0.0.1", server.port, retry_for=60).append_project("outage")
    halves = [folder / "during", folder / "after"]
    jobs: list[Job] = []
    for half in halves:
        half.mkdir()
        project.create_task(half.name, command_template=f"{words} {shlex.quote(str(half))}", retry={"retries": 0})
        jobs += [project.append(f"{half.name}-{number}", half.name) for number in range(JOBS // 2)]
    with running_worker(server, folder / "worker", "--cpus", str(JOBS), project="outage") as worker:
        wait_until(lambda: all(job.refresh().status == "RUNNING" for job in jobs), 60, worker.tail())
        wait_until(lambda: sum(began(half).total() for half in halves) == JOBS)
        server.kill()
        stopped_at = datetime.now(UTC)
        (halves[0] / "go").touch()
        wait_until(lambda: worker.tail().count("Ended job") == JOBS // 2, 60, worker.tail())
        wait_until(lambda: (datetime.now(UTC) - stopped_at).total_seconds() > seconds, seconds + 60)
        server.start()
        (halves[1] / "go").touch()
        for job in jobs:
            assert job.wait(60) == "COMPLETED", worker.tail()
    for job in jobs:
        assert [attempt.status for attempt in job.attempts()] == ["COMPLETED"]
        assert job.result == job.number
        written = (folder / job.task / f"wrote-{job.number}").read_bytes()
        assert len(written) == PIECES * 50_000
        assert job.log_bytes() == written, "the log differs from what the job wrote"
    assert sum(map(began, halves), Counter()) == Counter(job.number for job in jobs)


def began(folder: Path) -> Counter[int]:
    """How often each job began."""
    file = folder / "began"
    return Counter(map(int, file.read_text().split())) if file.exists() else Counter()


@click.command()
@click.option("--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="How long it is away.")
def main(seconds: float) -> None:
    """Stop a server in the middle, for three leases, and expect that no job, result or byte of output was lost."""
    with TemporaryDirectory(prefix="whatsnext-outage-") as name:
        folder = Path(name)
        lease = seconds / 3
        with running_server(folder, lease_seconds=lease, renew_seconds=lease / 4) as server:
            sit_out_an_outage(server, folder, seconds=seconds)
    click.echo(f"A server was away for {seconds:g} s, three leases: {JOBS} jobs completed, each at its first attempt.")


if __name__ == "__main__":
    main()
