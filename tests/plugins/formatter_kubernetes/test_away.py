"""A cluster that does not answer, or not sense, loses nothing."""

from pathlib import Path

import pytest

from tests.plugins.formatter_slurm.contexts import claimed
from tests.support import wait_until
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import Execution, ExecutionState, Handle
from whatsnext_core.model import Cause
from whatsnext_formatter_kubernetes import KubernetesFormatter


def state_of(formatter: KubernetesFormatter, handle: Handle) -> Execution:
    return formatter.poll({"it": handle})["it"]


def wait_for(formatter: KubernetesFormatter, handle: Handle, state: ExecutionState) -> Execution:
    found: list[Execution] = []

    def reached() -> bool:
        found.append(state_of(formatter, handle))
        return found[-1].state is state

    wait_until(reached, 60, f"the job is {state}")
    return found[-1]


@pytest.fixture
def formatter(cluster: Path) -> KubernetesFormatter:  # noqa: ARG001  # where it runs
    return KubernetesFormatter("busybox", poll_interval=0.05, start_patience=0.2)


def test_job_waits_while_nobody_answers(formatter: KubernetesFormatter, cluster: Path, tmp_path: Path) -> None:
    (cluster / "outage").touch()
    handle = formatter.start(formatter.prepare(claimed(tmp_path / "a", "true")))
    assert "refused" in wait_for(formatter, handle, ExecutionState.WAITING).message
    (cluster / "outage").unlink()
    assert wait_for(formatter, handle, ExecutionState.ENDED).succeeded
    formatter.close()


def test_nonsense_is_no_end(formatter: KubernetesFormatter, cluster: Path, tmp_path: Path) -> None:
    handle = formatter.start(formatter.prepare(claimed(tmp_path / "a", "true")))
    (cluster / "garbage").touch()
    assert "no list of jobs" in wait_for(formatter, handle, ExecutionState.UNKNOWN).message
    (cluster / "garbage").unlink()
    assert wait_for(formatter, handle, ExecutionState.ENDED).succeeded
    formatter.close()


def test_image_that_cannot_be_had_is_the_jobs_failure(cluster: Path, tmp_path: Path) -> None:
    formatter = KubernetesFormatter("missing:1", poll_interval=0.05, start_patience=0.2)
    handle = formatter.start(formatter.prepare(claimed(tmp_path / "a", "true")))
    execution = wait_for(formatter, handle, ExecutionState.ENDED)
    assert execution.cause is Cause.ENGINE
    assert "ImagePullBackOff" in execution.message
    assert list(cluster.glob("*.deleted"))
    formatter.close()


def test_refusal_is_in_the_engines_words(cluster: Path, tmp_path: Path) -> None:  # noqa: ARG001  # where it runs
    formatter = KubernetesFormatter("busybox", service_account="forbidden")
    with pytest.raises(EngineError, match="orbidden"):
        formatter.start(formatter.prepare(claimed(tmp_path / "a", "true")))


def test_absent_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    formatter = KubernetesFormatter("busybox")
    with pytest.raises(EngineError, match="kubectl"):
        formatter.start(formatter.prepare(claimed(tmp_path / "a", "true")))
