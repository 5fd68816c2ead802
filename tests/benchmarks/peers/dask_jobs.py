"""`dask_jobs.py JOBS`: prints the seconds that Dask takes for so many `true` in two worker processes."""

import subprocess
import sys
import time
from importlib import import_module
from typing import Any

distributed: Any = import_module("distributed")


def true(_: int) -> int:
    """Run the program and return its exit code."""
    return subprocess.call(["true"])


def seconds(client: Any, jobs: int) -> float:
    """So many calls, none of which is taken for another."""
    begin = time.perf_counter()
    client.gather(client.map(true, range(jobs), pure=False))
    return time.perf_counter() - begin


if __name__ == "__main__":
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        seconds(client, 50)
        print(f"\n{seconds(client, int(sys.argv[1])):.6f}")
