"""`huey_jobs.py JOBS`: prints the seconds that huey takes for so many `true`, in two processes, with fsync."""

import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks.waiting import until_counted

huey_module: Any = import_module("huey")


def call_true() -> int:
    """Run the program and return its exit code."""
    return subprocess.call(["true"])


def seconds(huey: Any, true: Any, jobs: int) -> float:
    """Queue so many calls, and wait for all their results."""
    before = huey.result_count()
    begin = time.perf_counter()
    for _ in range(jobs):
        true()
    return until_counted(huey.result_count, before + jobs) - begin


def main(jobs: int, folder: Path) -> float:
    """Run a consumer in processes of its own while the jobs are queued."""
    huey = huey_module.SqliteHuey(filename=str(folder / "huey.db"), fsync=True)

    true = huey.task()(call_true)
    consumer = huey.create_consumer(workers=2, worker_type="process", periodic=False)
    consumer.start()
    try:
        seconds(huey, true, 50)
        return seconds(huey, true, jobs)
    finally:
        consumer.stop(graceful=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(f"\n{main(int(sys.argv[1]), Path(name)):.6f}")
