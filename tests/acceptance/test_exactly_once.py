"""Many workers drain one queue, and nobody runs a job that another one ran."""

from collections import Counter
from pathlib import Path

from tests.acceptance.recording import completed, recorded, recorder
from tests.support import wait_until
from tests.support.server import RunningServer, running_server, running_worker
from whatsnext.api.client import Job, Server

JOBS = 2_000
WORKERS = 8


def drain_with_workers(server: RunningServer, folder: Path) -> Counter[int]:
    """Submit jobs, let the workers run them all, and return how often each was executed."""
    project = Server("127.0.0.1", server.port).append_project("exactly-once")
    project.create_task("record", command_template=recorder(folder))
    ids = project.extend_queue([Job(f"job-{number}", "record", {"number": number}) for number in range(JOBS)])
    workers = [running_worker(server, folder / f"worker-{number}", project="exactly-once") for number in range(WORKERS)]
    try:
        wait_until(
            lambda: completed(project) == JOBS or any(not worker.alive() for worker in workers),
            timeout=180,
            why="all jobs are completed",
        )
        assert all(worker.alive() for worker in workers), [worker.tail() for worker in workers]
    finally:
        for worker in workers:
            worker.stop()
    executions = Counter(job for _, job, _ in recorded(folder, "ran"))
    assert set(executions) == set(ids)
    return executions


def test_eight_workers_execute_each_of_2000_jobs_once_on_sqlite(tmp_path: Path) -> None:
    with running_server(tmp_path, f"sqlite:///{tmp_path / 'queue.db'}") as server:
        executions = drain_with_workers(server, tmp_path)
    assert set(executions.values()) == {1}


def test_eight_workers_execute_each_of_2000_jobs_once_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    with running_server(tmp_path, postgresql_url, upgrade=True) as server:
        executions = drain_with_workers(server, tmp_path)
    assert set(executions.values()) == {1}
