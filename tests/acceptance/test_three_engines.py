"""The workflow of the documentation runs across a local worker, a Slurm cluster and containers."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.components import DockerEngine, SlurmCluster
from tests.support import ROOT, Daemon, wait_until
from tests.support.server import clean_environment, command, running_server
from whatsnext.api.client import Server

EXAMPLE = ROOT / "docs/examples/three-engines"
SETTINGS = """\
[plugins.slurm]
partition = "main"
poll_interval = 0.5
"""
WORKERS = {
    "desk": ["--cpus", "1"],
    "cluster": ["--formatter", "slurm", "--cpus", "16"],
    "containers": ["--formatter", "docker", "--cpus", "2"],
}
PLACES = {"split": "desk", "train": "cluster", "score": "containers", "report": "desk"}


def test_workflow_runs_across_three_engines(slurm: SlurmCluster, docker: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / "whatsnext.toml").write_text(SETTINGS)
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with running_server(tmp_path / "server") as server, ExitStack() as stack:
        env = {**clean_environment(WHATSNEXT_SERVER=server.url, WHATSNEXT_PROJECT="mixed"), "PATH": here}
        project = Server("127.0.0.1", server.port).append_project("mixed")
        subprocess.run(["sh", str(EXAMPLE / "tasks.sh")], env=env, cwd=tmp_path, check=True, timeout=60)
        submitted = subprocess.run(
            command("jobs", "submit", str(EXAMPLE / "workflow.jsonl"), "--json"),
            env=env, cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        ids = json.loads(submitted.stdout)["job_ids"]
        workers = []
        for name, options in WORKERS.items():
            argv = command("worker", "--forever", "--id", name, "--label", name, "--state-dir", f"{tmp_path}/{name}")
            environment = {**env, **docker.environment, **slurm.environment}
            daemon = Daemon([*argv, *options], tmp_path / f"{name}.log", env=environment, cwd=tmp_path)
            workers.append(stack.enter_context(daemon))

        def over() -> bool:
            assert all(worker.alive() for worker in workers), [worker.tail() for worker in workers]
            return all(job.status not in ("PENDING", "QUEUED", "RUNNING") for job in project.jobs)

        wait_until(over, 120, "the workflow is over")
        jobs = {job.name: job for job in project.jobs}
        logs = {name: job.logs() for name, job in jobs.items()}
        attempts = [(job, attempt) for job in jobs.values() for attempt in job.attempts()]
    assert {job.status for job in jobs.values()} == {"COMPLETED"}, [worker.tail() for worker in workers]
    assert len(attempts) == len(jobs) == len(ids)
    assert all(attempt.client_id == PLACES[job.task] for job, attempt in attempts)
    assert logs["report"] == "The scores add up to 30\n"
    assert logs["score"] == "in a container\n"
    nodes = [logs[f"train-{number}"].split() for number in (1, 2, 3)]
    assert [words[1] for words in nodes] == ["3", "5", "7"]
    assert {words[3] for words in nodes} <= set(slurm.nodes)
