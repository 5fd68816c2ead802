"""What a real engine does with jobs, and what happens while it is away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.components import DockerEngine
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import ExecutionState, Handle
from whatsnext_core.model import Cause, Requirement
from whatsnext_core.testing.formatter import Jobs
from whatsnext_formatter_docker import DockerFormatter

WAIT = 'echo begun; : >"$1/ready"; while [ ! -e "$1/go" ]; do sleep 0.05; done; echo done; exit 6'
"""The script that ends when somebody makes a file."""
NOWHERE = "unix:///nowhere/docker.sock"


@pytest.fixture
def jobs(docker: DockerEngine, tmp_path: Path) -> Iterator[Jobs]:
    formatter = DockerFormatter(docker.image, network="none")
    jobs = Jobs(formatter, tmp_path, patience=60)
    yield jobs
    jobs.clear()
    formatter.close()
    assert docker.run("ps", "--all", "--quiet").stdout == ""


def state(jobs: Jobs, handle: Handle) -> ExecutionState:
    return jobs.engine.poll({"it": handle})["it"].state


def inspected(docker: DockerEngine, handle: Handle) -> Any:
    return json.loads(docker.run("inspect", handle["container"]).stdout)[0]


def follower_of(handle: Handle) -> psutil.Process:
    """The process that copies the output of a container."""
    return psutil.Process(json.loads(Path(handle["follower"]["process"]).read_text().splitlines()[0])["pid"])


def test_lack_of_memory_is_told_apart(jobs: Jobs) -> None:
    script = "x=$(head -c 100000000 /dev/zero | tr '\\0' a); echo ${#x}"
    execution = jobs.run(jobs.script(script, options={"docker": {"memory": "16m"}})).execution
    assert (execution.succeeded, execution.cause) == (False, Cause.OOM)


def test_image_that_is_not_there_is_named(jobs: Jobs) -> None:
    execution = jobs.run(jobs.script("exit 0", options={"docker": {"image": "localhost:1/none:x"}})).execution
    assert (execution.cause, execution.exit_code) == (Cause.ENGINE, None)
    assert "localhost:1" in execution.message


@pytest.mark.parametrize("init", [True, False])
@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc/passwd", 126)])
def test_program_that_cannot_run_in_the_image_is_named(jobs: Jobs, init: bool, program: str, code: int) -> None:
    execution = jobs.run(jobs.context(program, options={"docker": {"init": init}})).execution
    assert execution.cause is Cause.ENGINE
    assert execution.exit_code in (code, None)
    assert program in execution.message


def test_exit_code_of_the_command_itself_is_no_complaint_of_the_engine(jobs: Jobs) -> None:
    execution = jobs.run(jobs.script("echo 'sh: no-such: not found' >&2; exit 127")).execution
    assert (execution.cause, execution.exit_code) == (Cause.EXIT, 127)
    assert execution.message == "Exit code 127: sh: no-such: not found"


def test_container_has_limits_labels_and_surroundings(jobs: Jobs, docker: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("from outside\n")
    options = {
        "memory": "64m",
        "volumes": [f"{tmp_path}/data:/data:ro"],
        "user": "12:34",
        "read_only": True,
        "working_dir": "/data",
        "env": {"PATH": "/bin:/sbin", "TOKEN": "t"},
    }
    script = 'cat file; id -u; echo "$PATH $TOKEN"; touch /x 2>/dev/null || echo sealed'
    context = jobs.script(script, options={"docker": options}, requirement=Requirement(cpu=2))
    handle = jobs.start(context)
    assert jobs.wait(handle).succeeded
    assert jobs.read(handle) == b"from outside\n12\n/bin:/sbin t\nsealed\n"
    container = inspected(docker, handle)
    assert (container["HostConfig"]["NanoCpus"], container["HostConfig"]["Memory"]) == (2 * 10**9, 64 * 2**20)
    labels = container["Config"]["Labels"]
    assert (labels["whatsnext.job"], labels["whatsnext.attempt"]) == ("1", "2")
    assert labels["whatsnext.task"] == "scenario"


def test_forgotten_container_is_removed(jobs: Jobs, docker: DockerEngine) -> None:
    handle = jobs.start(jobs.script("exit 0"))
    jobs.wait(handle)
    assert docker.run("ps", "--all", "--quiet").stdout != ""
    jobs.engine.forget(handle)
    jobs.until(
        lambda: jobs.engine.poll({}) == {} and docker.run("ps", "--all", "--quiet").stdout == "", "it is removed"
    )


def test_containers_that_a_killed_worker_left_are_removed_by_its_next_process(jobs: Jobs, docker: DockerEngine) -> None:
    noted = jobs.start_and_await(jobs.script(WAIT))
    unnoted = jobs.start_and_await(jobs.script(WAIT))
    ended = jobs.start(jobs.script("exit 0"))
    jobs.wait(ended)
    others = docker.run("run", "--detach", "--network=none", docker.image, "sleep", "60").stdout.strip()
    later = DockerFormatter(docker.image, network="none")
    assert later.adopt(noted)
    jobs.until(
        lambda: later.poll({"it": noted}) and len(docker.run("ps", "--all", "--quiet").stdout.split()) == 2,
        "what nobody knows is removed",
    )
    left = docker.run("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}}").stdout
    assert noted["container"] in left
    assert others in left
    assert unnoted["container"] not in left
    later.close()
    docker.run("rm", "--force", others)


def test_cancel_reaches_a_container_that_is_only_about_to_start(jobs: Jobs) -> None:
    handle = jobs.start(jobs.script("sleep 60"))
    jobs.engine.cancel(handle, "SIGTERM", 60)
    assert jobs.wait(handle).exit_code == 143


def test_kill_ends_a_container_that_is_only_about_to_start(jobs: Jobs) -> None:
    handle = jobs.start(jobs.script("sleep 60"))
    jobs.engine.kill(handle)
    assert not jobs.wait(handle).succeeded


def test_container_that_somebody_removed_has_ended(jobs: Jobs, docker: DockerEngine) -> None:
    handle = jobs.start_and_await(jobs.script(WAIT))
    docker.run("rm", "--force", handle["container"])
    execution = jobs.wait(handle)
    assert (execution.succeeded, execution.cause) == (False, Cause.EXIT)


def test_container_and_follower_that_are_gone_are_lost(jobs: Jobs, docker: DockerEngine) -> None:
    handle = jobs.start_and_await(jobs.script(WAIT))
    follower_of(handle).kill()
    docker.run("rm", "--force", handle["container"])
    assert jobs.wait(handle).cause is Cause.LOST
    assert not jobs.engine.adopt({**handle, "follower": {**handle["follower"], "process": "/nowhere"}})


def test_nothing_starts_while_the_engine_is_away(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    context = jobs.script("exit 0")
    with monkeypatch.context() as away:
        away.setenv("DOCKER_HOST", NOWHERE)
        with pytest.raises(EngineError, match="docker cannot start containers here: Cannot connect"):
            jobs.start(context)
    with monkeypatch.context() as away:
        away.setenv("PATH", "/nowhere")
        with pytest.raises(EngineError, match="'docker' is not on this client's PATH"):
            jobs.start(context)
    assert jobs.run(context).execution.succeeded


def test_job_goes_on_while_engine_and_follower_are_away(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    context = jobs.script(WAIT)
    handle = jobs.start_and_await(context)
    follower_of(handle).kill()
    with monkeypatch.context() as away:
        away.setenv("DOCKER_HOST", NOWHERE)
        jobs.until(lambda: state(jobs, handle) is ExecutionState.UNKNOWN, "nobody knows how it stands")
        assert jobs.engine.adopt(handle)
        jobs.engine.forget({**handle, "container": "whatsnext-none"})
        jobs.engine.poll({"it": handle})
    jobs.until(lambda: state(jobs, handle) is ExecutionState.RUNNING, "it is found again")
    (context.directory / "go").touch()
    done = jobs.finish(handle, context.directory)
    assert (done.execution.exit_code, done.stdout) == (6, b"begun\ndone\n")


def test_job_that_nobody_follows_can_be_cancelled(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(WAIT))
    follower_of(handle).kill()
    jobs.until(lambda: jobs.engine.fileno() is None or state(jobs, handle), "it is seen")  # type: ignore[attr-defined]
    jobs.engine.cancel(handle, "SIGTERM", 0.2)
    assert jobs.wait(handle).exit_code in (137, 143)
