"""The real components answer, and their absence is told apart from a missing requirement."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.components import Compiler, DockerEngine, Podman, PostgreSQLServer, SlurmCluster, TaskSpooler
from tests.components.requirements import COMPONENTS
from tests.support import wait_until

ROOT = Path(__file__).parents[2]
ANSWERS = (
    "test_postgresql_answers_in_a_database_of_its_own",
    "test_slurm_runs_a_job_on_a_node_to_completed",
    "test_slurm_with_accounting_tells_of_a_job",
    "test_docker_runs_a_command_and_gives_its_exit_status",
    "test_podman_runs_a_command_in_a_container",
    "test_compiler_makes_a_library_that_this_python_loads",
    "test_task_spooler_runs_a_command_to_its_end",
)


def test_postgresql_answers_in_a_database_of_its_own(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("select 1, current_setting('fsync')").fetchone() == (1, "off")


def test_each_postgresql_database_is_empty_and_gone_afterwards(postgresql: PostgreSQLServer) -> None:
    with postgresql.database() as first, psycopg.connect(first) as connection:
        connection.execute("create table left_behind (n int)")
        connection.commit()
        with postgresql.database() as second, psycopg.connect(second) as other:
            assert other.execute("select to_regclass('left_behind')").fetchone() == (None,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(first)


def test_durable_postgresql_keeps_what_it_acknowledged_through_a_kill(durable_postgresql: PostgreSQLServer) -> None:
    with durable_postgresql.database() as url:
        with psycopg.connect(url) as connection:
            assert connection.execute("select current_setting('fsync')").fetchone() == ("on",)
            connection.execute("create table kept as select 42 as n")
        durable_postgresql.kill()
        durable_postgresql.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("select n from kept").fetchone() == (42,)


def test_slurm_runs_a_job_on_a_node_to_completed(slurm: SlurmCluster, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"#!/bin/sh\necho $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES > {seen}\n"
    job = slurm.run("sbatch", "--parsable", "--gpus=2", f"--output={tmp_path}/out", text=script).stdout.strip()
    wait_until(lambda: slurm.job(job)["JobState"] == "COMPLETED", 60, f"job {job} is completed")
    node, devices = seen.read_text().split()
    assert node in slurm.nodes
    assert len(devices.split(",")) == 2


def test_slurm_with_accounting_tells_of_a_job(slurmdbd_cluster: SlurmCluster) -> None:
    script = "#!/bin/sh\nexit 7\n"
    job = slurmdbd_cluster.run("sbatch", "--parsable", "--output=/dev/null", text=script).stdout.strip()
    asked = ("--noheader", "--allocations", "--parsable2", "--format=State,ExitCode", f"--jobs={job}")
    wait_until(lambda: slurmdbd_cluster.run("sacct", *asked).stdout == "FAILED|7:0\n", 60, f"job {job} has failed")


def test_slurm_cluster_has_several_nodes(slurm: SlurmCluster) -> None:
    assert sorted(slurm.run("sinfo", "-h", "-N", "-o", "%N").stdout.split()) == slurm.nodes
    assert len(slurm.nodes) > 1


def test_docker_runs_a_command_and_gives_its_exit_status(docker: DockerEngine) -> None:
    done = docker.run("run", "--rm", docker.image, "sh", "-c", "echo hello; exit 7", check=False)
    assert (done.returncode, done.stdout) == (7, "hello\n")


def test_podman_runs_a_command_in_a_container(podman: Podman) -> None:
    assert podman.run("run", "--rm", podman.image, "sh", "-c", "echo hello") == "hello\n"


def test_compiler_makes_a_library_that_this_python_loads(compiler: Compiler, tmp_path: Path) -> None:
    (tmp_path / "answer.c").write_text("int answer(void) { return 42; }\n")
    compiler.make_library(tmp_path / "answer.c", tmp_path / "answer.so")
    assert ctypes.CDLL(str(tmp_path / "answer.so")).answer() == 42


def test_task_spooler_runs_a_command_to_its_end(tsp: TaskSpooler) -> None:
    number = tsp.run("-n", "sh", "-c", "exit 7").strip()
    wait_until(lambda: tsp.run("-s", number).strip() == "finished", 30, "the command has ended")
    assert "died with exit code 7" in tsp.run("-i", number)


def pytest_on_a_machine_without_programs(tmp_path: Path, required: str) -> subprocess.CompletedProcess[str]:
    """Runs the first answer of each component in a new pytest whose PATH leads nowhere."""
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-rA",
        *(f"{__file__}::{name}" for name in ANSWERS),
    ]
    env = {**os.environ, "PATH": str(tmp_path), "WHATSNEXT_REQUIRE": required, "COLUMNS": "400"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env=env, timeout=120)


def test_missing_components_that_are_not_required_skip_and_say_how_to_install_them(tmp_path: Path) -> None:
    done = pytest_on_a_machine_without_programs(tmp_path, required="")
    assert done.returncode == 0, done.stdout
    assert f"{len(COMPONENTS)} skipped" in done.stdout
    for component in COMPONENTS:
        assert f"{component} is not available" in done.stdout
    assert done.stdout.count("apt-get install") == len(COMPONENTS)


def test_missing_components_that_are_required_fail(tmp_path: Path) -> None:
    done = pytest_on_a_machine_without_programs(
        tmp_path, required="postgresql, slurm,slurmdbd,DOCKER , compiler,tsp,podman"
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    for component in COMPONENTS:
        assert f"WHATSNEXT_REQUIRE requires {component}" in done.stdout
    assert f"{len(COMPONENTS)} errors" in done.stdout
    assert "skipped" not in done.stdout


def test_an_unknown_requirement_stops_the_run(tmp_path: Path) -> None:
    done = pytest_on_a_machine_without_programs(tmp_path, required="dokcer")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "dokcer" in done.stderr + done.stdout
