"""A worker runs the jobs of a server on a Slurm cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import SlurmCluster
from tests.server.serving import serving
from whatsnext_core.memory import MemoryStorage


@pytest.mark.slurm
def test_a_worker_runs_what_a_server_has_on_the_cluster(slurm: SlurmCluster, tmp_path: Path) -> None:
    (tmp_path / "whatsnext.toml").write_text("[plugins.slurm]\nmem = '100M'\npoll_interval = 0.2\n")
    environ = {**os.environ, **slurm.environment, "HOME": str(tmp_path)}
    with serving(MemoryStorage()) as api:
        project_id = api.project()
        task = api.task(
            project_id, "square", command_template="sh -c 'echo $(({x} * {x})); exit {code}'", required_cpu=2
        )
        jobs = [api.job(project_id, task, f"square {x}", parameters={"x": x, "code": x // 3}) for x in range(4)]
        argv = [str(Path(sys.executable).with_name("whatsnext")), "--server", api.url, "worker", "--once"]
        argv += ["--formatter", "slurm", "--cpus", "8", "--state-dir", str(tmp_path / "state")]
        done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [api.status(job) for job in jobs] == ["COMPLETED", "COMPLETED", "COMPLETED", "FAILED"]
        assert [api.http.get(f"/jobs/{job}/logs/stdout").text for job in jobs] == ["0\n", "1\n", "4\n", "9\n"]
        (attempt,) = api.call("GET", f"/jobs/{jobs[3]}/attempts")
        assert (attempt["cause"], attempt["exit_code"]) == ("exit", 1)
    listing = slurm.run("squeue", "--noheader", "--states=all", "--format=%j|%C|%T").stdout.splitlines()
    assert {"square 0|2|COMPLETED", "square 3|2|FAILED"} <= set(listing)
