"""A worker runs the jobs of a server on a Slurm cluster."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import SlurmCluster
from tests.server.serving import serving
from tests.support.server import command
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


@pytest.mark.slurm
def test_a_job_that_fails_itself_ends_at_once_and_stops_its_siblings(slurm: SlurmCluster, tmp_path: Path) -> None:
    (tmp_path / "whatsnext.toml").write_text("[plugins.slurm]\nmem = '100M'\npoll_interval = 0.2\n")
    environ = {**os.environ, **slurm.environment, "HOME": str(tmp_path)}
    fail = shlex.join(command("fail", "loss is NaN", "--stop-siblings"))
    (tmp_path / "judge.sh").write_text(
        f"until [ -e {tmp_path}/1 ] && [ -e {tmp_path}/2 ]; do sleep 0.1; done\n{fail}\nexec sleep 600\n"
    )
    with serving(MemoryStorage()) as api:
        project_id = api.project()
        judging = api.task(project_id, "judge", command_template=f"sh {tmp_path}/judge.sh", grace=1)
        running = api.task(project_id, "run", command_template=f"sh -c 'touch {tmp_path}/{{n}}; sleep 600'", grace=1)
        failing = api.job(project_id, judging, "failing")
        siblings = [api.job(project_id, running, f"sibling {n}", parameters={"n": n}) for n in (1, 2)]
        child = api.job(project_id, running, "child", depends=dict.fromkeys(map(str, [failing, *siblings]), "success"))
        argv = command("--server", api.url, "worker", "--once", "--formatter", "slurm", "--cpus", "8")
        done = subprocess.run(
            [*argv, "--state-dir", str(tmp_path / "state")],
            env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert api.status(failing) == "FAILED"
        (attempt,) = api.call("GET", f"/jobs/{failing}/attempts")
        assert (attempt["cause"], attempt["message"]) == ("promised", "loss is NaN")
        assert [api.status(job) for job in siblings] == ["CANCELLED", "CANCELLED"]
        assert api.status(child) == "BLOCKED"
    listing = slurm.run("squeue", "--noheader", "--states=all", "--format=%j|%T").stdout.splitlines()
    ended = {line for line in listing if line.startswith(("failing", "sibling", "child"))}
    assert all(line.endswith(("|FAILED", "|CANCELLED", "|COMPLETING")) for line in ended), ended
    assert len(ended) == 3
