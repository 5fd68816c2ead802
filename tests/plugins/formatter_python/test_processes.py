"""The processes: shared while they can be, replaced when they must be, and followed after a restart."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.formatter_python.conftest import call
from whatsnext_core.formatting import ExecutionState, result_file
from whatsnext_core.model import Cause
from whatsnext_core.testing.formatter import Jobs


def process(jobs: Jobs, function: str = "pid", parameters: dict[str, Any] | None = None, **more: Any) -> int:
    """The process that ran a job."""
    context = call(jobs, function, parameters, **more)
    done = jobs.run(context)
    assert done.execution.succeeded, done
    return int(done.stdout or result_file(context).read_text())


def test_jobs_that_agree_share_a_process(jobs: Jobs) -> None:
    assert len({process(jobs) for _ in range(5)}) == 1
    assert process(jobs, environment={"OTHER": "1"}) != process(jobs)


def test_jobs_at_the_same_time_have_processes_of_their_own(jobs: Jobs) -> None:
    handles, folders = [], []
    for _ in range(3):
        folder = call(jobs, "pid").directory
        handles.append(jobs.start(call(jobs, "wait", {"folder": str(folder)})))
        folders.append(folder)
    for folder in folders:
        jobs.until((folder / "ready").exists, "all run at the same time")
    for folder in folders:
        (folder / "go").touch()
    assert all(jobs.wait(handle).succeeded for handle in handles)


def test_what_a_job_changes_of_its_process_is_undone(jobs: Jobs, module: Path, tmp_path: Path) -> None:
    assert jobs.run(call(jobs, "spoil", {"folder": str(tmp_path)})).execution.succeeded
    context = call(jobs, "look")
    assert jobs.run(context).execution.succeeded
    _, folder, default_handler, spoilt, home, job, _ = json.loads(result_file(context).read_text())
    assert (folder, default_handler, spoilt) == (str(module.parent), True, None)
    assert (home, job) == (os.environ.get("HOME"), str(context.job.id))


@pytest.mark.parametrize("what", ["thread", "process"])
def test_process_in_which_something_goes_on_takes_no_more_jobs(jobs: Jobs, what: str) -> None:
    if what == "process" and not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        pytest.skip("This kernel does not tell the children of a process.")
    first = process(jobs, "leave_behind", {"what": what})
    assert process(jobs) != first


def test_process_is_replaced_after_many_jobs(make: Callable[..., Jobs]) -> None:
    jobs = make(max_jobs=2)
    found = [process(jobs) for _ in range(5)]
    assert found[0] == found[1] != found[2] == found[3] != found[4]


def test_process_that_grew_is_replaced(make: Callable[..., Jobs]) -> None:
    jobs = make(max_growth=16 * 2**20)
    first = process(jobs)
    assert process(jobs, "grow") == first
    assert process(jobs) != first


def test_changed_source_is_imported_anew(jobs: Jobs, module: Path) -> None:
    first = process(jobs)
    changed = module.read_text().replace('return {"sum": a + b}', "return os.getpid()")
    module.write_text(changed)
    os.utime(module, (time.time() + 5, time.time() + 5))
    assert process(jobs, "add", {"a": 1}) != first


def test_idle_process_ends(make: Callable[..., Jobs]) -> None:
    jobs = make(idle_seconds=0.2)
    first = process(jobs)
    jobs.until(lambda: not Path(f"/proc/{first}").exists() or jobs.engine.poll({}), "the idle process has ended")
    assert process(jobs) != first


def test_no_more_idle_processes_are_kept_than_wanted(make: Callable[..., Jobs]) -> None:
    jobs = make(max_idle=1)
    first = process(jobs, environment={"OTHER": "1"})
    second = process(jobs)
    assert process(jobs) == second
    assert process(jobs, environment={"OTHER": "1"}) != first


@pytest.mark.parametrize("deaf", [False, True])
def test_cancel_ends_the_function_and_all_that_it_started(jobs: Jobs, deaf: bool) -> None:
    folder = call(jobs, "pid").directory
    handle = jobs.start(call(jobs, "wait", {"folder": str(folder), "deaf": deaf}))
    jobs.until((folder / "ready").exists, "the job runs")
    assert jobs.engine.poll({"it": handle})["it"].state is ExecutionState.RUNNING
    jobs.engine.cancel(handle, "SIGTERM", 0.2)
    execution = jobs.wait(handle)
    assert execution.exit_code == (-9 if deaf else -15)
    size = (folder / "beat").stat().st_size
    time.sleep(0.3)
    assert (folder / "beat").stat().st_size == size
    jobs.engine.cancel(handle, "SIGTERM", 0)
    assert jobs.engine.poll({"it": handle}) == {"it": execution}


def test_job_that_waits_for_its_process_can_be_cancelled(jobs: Jobs) -> None:
    handle = jobs.start(call(jobs, "pid"))
    jobs.engine.kill(handle)
    assert not jobs.wait(handle).succeeded


def test_next_client_goes_on_with_what_runs(make: Callable[..., Jobs]) -> None:
    before, after = make(), make()
    folder = call(before, "pid").directory
    context = call(before, "wait", {"folder": str(folder)})
    handle = before.start(context)
    before.until((folder / "ready").exists, "the job runs")
    before.until(lambda: before.engine.poll({"it": handle})["it"].state is ExecutionState.RUNNING, "it is seen to run")
    before.engine.close()
    assert after.engine.adopt(handle)
    assert after.engine.poll({"it": handle})["it"].state is ExecutionState.RUNNING
    (folder / "go").touch()
    assert after.wait(handle).exit_code == 0
    assert json.loads(result_file(context).read_text()) == "done"


def test_end_that_nobody_saw_is_known(make: Callable[..., Jobs]) -> None:
    before, after = make(), make()
    handle = before.start(call(before, "leave", {"code": 5}))
    before.until(lambda: before.engine.poll({"it": handle})["it"].state is ExecutionState.ENDED, "it has ended")
    before.engine.close()
    assert after.engine.adopt(handle)
    assert after.wait(handle).exit_code == 5
    after.engine.forget(handle)


def test_job_that_no_process_began_is_not_adopted(make: Callable[..., Jobs]) -> None:
    before, after = make(), make()
    handle = before.start(call(before, "pid"))
    before.engine.close()
    assert not after.engine.adopt(handle)
    assert after.wait(handle).cause is Cause.LOST
    assert not after.engine.adopt({"engine": "python"})
