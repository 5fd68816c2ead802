"""The examples pass their own tests, and a server keeps its jobs in one of them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import TaskSpooler
from tests.examples.conftest import EXAMPLES
from tests.server.serving import program
from tests.support import ROOT

PYTEST = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-c", os.devnull]


def check(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Runs the tests that an example has."""
    tests = ROOT / "docs" / "examples" / name / "tests"
    argv = [*PYTEST, "--rootdir", str(tests), f"--basetemp={tmp_path / 'base'}", str(tests)]
    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "formatter-task-spooler"])
def test_an_example_passes_its_own_tests(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    check(name, environ, tmp_path)


@pytest.mark.usefixtures("tsp")
def test_the_example_with_an_engine_passes_its_own_tests(environ: dict[str, str], tmp_path: Path) -> None:
    check("formatter-task-spooler", environ, tmp_path)


def test_all_are_listed_as_plugins(environ: dict[str, str], tmp_path: Path) -> None:
    argv = [str(Path(sys.executable).with_name("whatsnext")), "plugins", "--json"]
    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    states = {each["name"]: each for each in json.loads(done.stdout)}
    assert states["storage-journal"]["offers"] == ["storage backend journal"]
    assert states["formatter-nice"]["offers"] == ["formatter nice"]
    assert states["formatter-task-spooler"]["offers"] == ["formatter task-spooler"]


def test_a_server_keeps_its_jobs_in_the_journal_through_a_power_cut(environ: dict[str, str], tmp_path: Path) -> None:
    database = f"journal://{tmp_path}/q.journal"
    with program(tmp_path, database, environ=environ) as server:
        project_id, task_id = server.api.queue()
        job_id = server.api.job(project_id, task_id, "kept", parameters={"x": 1})
        server.kill()
    with program(tmp_path, database, environ=environ) as server:
        job = server.api.call("GET", f"/jobs/{job_id}")
        assert (job["name"], job["parameters"], job["status"]) == ("kept", {"x": 1}, "PENDING")
        assert server.stop(signal.SIGTERM) == 0


def test_the_settings_of_the_journal_are_checked(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "whatsnext.toml").write_text("[plugins.journal]\nsnyc = false\n")
    argv = [str(Path(sys.executable).with_name("whatsnext-server")), "run", "--database", f"journal://{tmp_path}/q"]
    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (1, 2)
    assert "[plugins.journal] has the unknown key 'snyc'. Did you mean 'sync'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_on_the_formatter_runs_the_jobs_of_a_server_on_the_storage(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "whatsnext.toml").write_text("[plugins.nice]\nadjustment = 4\n\n[plugins.journal]\nsync = false\n")
    with program(tmp_path, f"journal://{tmp_path}/q.journal", environ=environ) as server:
        api = server.api
        project_id = api.project()
        how_nice = api.task(project_id, "how-nice", command_template="nice")
        echo = api.task(project_id, "echo")
        first = api.job(project_id, how_nice, "first")
        then = api.job(project_id, echo, "then", parameters={"word": "it's done"}, depends={str(first): "first"})
        worker = [str(Path(sys.executable).with_name("whatsnext")), "--server", api.url, "worker", "--once"]
        argv = [*worker, "--formatter", "nice", "--cpus", "2", "--state-dir", str(tmp_path / "state")]
        done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [api.status(job_id) for job_id in (first, then)] == ["COMPLETED", "COMPLETED"]
        logs = [api.http.get(f"/jobs/{job_id}/logs/stdout").text for job_id in (first, then)]
        assert logs == [f"{min(os.nice(0) + 4, 19)}\n", "--word it's done\n"]


def test_a_stranger_s_formatter_stays_short() -> None:
    """The claim of its page: the full contract in fewer than 100 lines."""
    source = ROOT / "docs/examples/formatter-task-spooler/formatter_task_spooler.py"
    assert len(source.read_text().splitlines()) < 100


def test_a_worker_on_an_engine_of_a_stranger_runs_a_workflow_and_leaves_nothing_behind(
    tsp: TaskSpooler, environ: dict[str, str], tmp_path: Path
) -> None:
    environ = {**environ, **tsp.environment}
    with program(tmp_path, f"sqlite:///{tmp_path}/q.db", environ=environ) as server:
        api = server.api
        project_id = api.project()
        say = api.task(project_id, "echo")
        fail = api.task(project_id, "fail", command_template="sh -c 'echo no; exit 3'")
        first = api.job(project_id, say, "first", parameters={"word": "it's $(done)"})
        failing = api.job(project_id, fail, "failing")
        then = api.job(project_id, say, "then", depends={str(first): "first"})
        never = api.job(project_id, say, "never", depends={str(failing): "failing"})
        worker = [str(Path(sys.executable).with_name("whatsnext")), "--server", api.url, "worker", "--once"]
        argv = [*worker, "--formatter", "task-spooler", "--cpus", "2", "--state-dir", str(tmp_path / "state")]
        done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        ends = [api.status(job_id) for job_id in (first, failing, then, never)]
        assert ends == ["COMPLETED", "FAILED", "COMPLETED", "BLOCKED"]
        logs = [api.http.get(f"/jobs/{job_id}/logs/stdout").text for job_id in (first, failing)]
        assert logs == ["--word it's $(done)\n", "no\n"]
    assert tsp.run("-l").splitlines()[1:] == []
