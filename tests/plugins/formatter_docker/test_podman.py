"""The same formatter on Podman: what differs between the two programs, and that restarts lose nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components import Podman
from whatsnext_core.model import Cause
from whatsnext_core.testing.formatter import Jobs
from whatsnext_core.testing.formatter.recovering import RecoveryScenarios
from whatsnext_formatter_docker import DockerFormatter


@pytest.fixture
def make_formatter(podman: Podman) -> Callable[[], DockerFormatter]:
    return lambda: DockerFormatter(podman.image, network="none", runtime="podman")


class TestRecoveryWithPodman(RecoveryScenarios):
    @pytest.fixture
    def make_formatter(self, make_formatter: Callable[[], DockerFormatter]) -> Callable[[], DockerFormatter]:
        return make_formatter


@pytest.fixture
def jobs(make_formatter: Callable[[], DockerFormatter], podman: Podman, tmp_path: Path) -> Iterator[Jobs]:
    formatter = make_formatter()
    jobs = Jobs(formatter, tmp_path, patience=60)
    yield jobs
    jobs.clear()
    formatter.close()
    assert podman.run("ps", "--all", "--quiet") == ""


def test_containers_end_as_they_should_and_none_is_left(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    script = 'echo out; echo err >&2; cat "$WHATSNEXT_PARAMETERS" >/dev/null; exit 7'
    done = jobs.run(jobs.script(script))
    assert (done.execution.exit_code, done.execution.cause) == (7, Cause.EXIT)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    missing = jobs.run(jobs.context("no-such-program")).execution
    assert missing.cause is Cause.ENGINE
    assert "no-such-program" in missing.message
    absent = jobs.run(jobs.script("exit 0", options={"docker": {"image": "localhost:1/none:x"}})).execution
    assert absent.cause is Cause.ENGINE
    assert "localhost:1" in absent.message
    cancelled = jobs.start_and_await(jobs.script(': >"$1/ready"; exec sleep 60'))
    jobs.engine.cancel(cancelled, "SIGTERM", 0.3)
    assert not jobs.wait(cancelled).succeeded
    assert list((tmp_path / "here").iterdir()) == []
