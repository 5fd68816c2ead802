"""Local processes in turn that have begun this very moment, so that their keeper has told nobody of it."""

import time

from tests.core.formatting.processes import recorded, state
from tests.core.formatting.test_turns import GATE, begin
from whatsnext_core.formatting import ExecutionState, Handle, JobContext
from whatsnext_core.testing.formatter import Jobs


def begin_and_spin(jobs: Jobs, script: str) -> tuple[JobContext, Handle]:
    """A job in turn that has just begun."""
    jobs.run(jobs.script("exit 0"))  # there is a keeper
    context = jobs.script(script)
    handle = begin(jobs, context)
    jobs.engine.poll({})
    deadline = time.monotonic() + 60
    while not (context.directory / "ready").exists():
        assert time.monotonic() < deadline
    return context, handle


def test_one_that_has_just_begun_when_the_client_goes_is_followed_by_the_next_client(jobs: Jobs, later: Jobs) -> None:
    context, handle = begin_and_spin(jobs, f"{GATE}; exit 5")
    jobs.engine.close()
    recorded(handle)
    assert later.engine.adopt(handle)
    assert state(later, handle).state is ExecutionState.RUNNING
    (context.directory / "go").touch()
    assert later.wait(handle).exit_code == 5


def test_one_that_has_just_begun_and_lost_its_mark_can_be_ended(jobs: Jobs) -> None:
    _, handle = begin_and_spin(jobs, f"exec env -i PATH=$PATH sh -c '{GATE}' sh \"$1\"")
    jobs.engine.kill(handle)
    assert jobs.wait(handle).exit_code == -9
