"""`hyperqueue_jobs.py JOBS`: prints the seconds that HyperQueue takes for so many `true`, after a few to warm up."""

import os
import sys
import tempfile
import time
from importlib import import_module
from typing import Any

hyperqueue: Any = import_module("hyperqueue")
cluster_of: Any = import_module("hyperqueue.cluster")


def seconds(client: Any, jobs: int) -> float:
    """One job of so many tasks, which is its way of many at once; their output is thrown away."""
    begin = time.perf_counter()
    job = hyperqueue.Job()
    for _ in range(jobs):
        job.program(["true"], stdout=None, stderr=None)
    client.wait_for_jobs([client.submit(job)])
    return time.perf_counter() - begin


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with hyperqueue.LocalCluster() as cluster:
            cluster.start_worker(cluster_of.WorkerConfig(cores=2))
            client = cluster.client()
            seconds(client, 50)
            print(f"\n{seconds(client, int(sys.argv[1])):.6f}")
