"""`rq_jobs.py JOBS`: prints the seconds that RQ takes for so many `true`, by two workers, with fsync."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks.waiting import LEAST, until_counted

redis: Any = import_module("redis")
rq: Any = import_module("rq")

WORK: Any = (subprocess.call, (["true"],))
"""The function of each job, and its arguments."""


@contextmanager
def running(argv: list[str], folder: Path) -> Iterator[None]:
    """A program that runs as long as the block."""
    with (folder / "log").open("ab") as log, subprocess.Popen(argv, stdout=log, stderr=log, cwd=folder) as process:
        try:
            yield
        finally:
            process.terminate()


def seconds(queue: Any, jobs: int) -> float:
    """Queue so many calls with one request, and wait until all have ended."""
    before = queue.finished_job_registry.count
    begin = time.perf_counter()
    queue.enqueue_many([rq.Queue.prepare_data(WORK[0], WORK[1]) for _ in range(jobs)])
    return until_counted(lambda: queue.finished_job_registry.count, before + jobs) - begin


def main(jobs: int, folder: Path) -> float:
    """Run Redis and two workers, which fork for each job, as processes of their own."""
    socket = folder / "redis.sock"
    server = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
    with ExitStack() as stack:
        stack.enter_context(running([*server, "--appendonly", "yes", "--appendfsync", "always"], folder))
        while not socket.exists():
            time.sleep(LEAST)
        connection = redis.Redis(unix_socket_path=str(socket))
        worker = [str(Path(sys.executable).parent / "rq"), "worker", "--quiet", "--url", f"unix://{socket}"]
        for _ in range(2):
            stack.enter_context(running(worker, folder))
        queue = rq.Queue(connection=connection)
        seconds(queue, 20)
        return seconds(queue, jobs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(f"\n{main(int(sys.argv[1]), Path(name)):.6f}")
