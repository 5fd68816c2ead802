"""Local processes that follow each other without their client."""

import json
import select
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.core.formatting.formatters import Executing, Least
from tests.core.formatting.processes import keeper_of, process_of, recorded, state
from tests.support import wait_until
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import ExecutionState, Handle, JobContext
from whatsnext_core.formatting.base import turns_of
from whatsnext_core.formatting.contract import Turns
from whatsnext_core.formatting.process import Processes
from whatsnext_core.model import Cause
from whatsnext_core.testing.formatter import Jobs

GATE = ': >"$1/ready"; while [ ! -e "$1/go" ]; do sleep 0.02; done'
"""The script of a process that ends when it may."""
FOREVER = 1e9


@pytest.fixture
def turns(jobs: Jobs) -> Turns:
    found = turns_of(jobs.engine)
    assert found is not None
    return found


def begin(jobs: Jobs, context: JobContext, *, width: int = 1, until: float = FOREVER) -> Handle:
    """Have a job started in turn."""
    turns = turns_of(jobs.engine)
    assert turns is not None
    handle = turns.start_in_turn(jobs.engine.prepare(context), width=width, until=until)
    again: Handle = json.loads(json.dumps(handle))
    return again


def begin_gate(jobs: Jobs, *, width: int = 1) -> tuple[JobContext, Handle]:
    """A job in turn that runs until its directory holds the file ``go``."""
    context = jobs.script(GATE)
    handle = begin(jobs, context, width=width)
    jobs.engine.poll({})
    wait_until((context.directory / "ready").exists)
    return context, handle


def has_begun(handle: Handle) -> bool:
    path = Path(handle["process"])
    return path.exists() and '"pid"' in path.read_text()


def is_given_up(handle: Handle) -> bool:
    """Whether the keeper wrote down that it will never start it."""
    path = Path(handle["process"])
    return path.exists() and '"returned"' in path.read_text()


def news_of(jobs: Jobs, handle: Handle) -> bool:
    """Wait for news, and take them in."""
    assert isinstance(jobs.engine, Least)
    assert select.select([jobs.engine.fileno() or -1], [], [], 60)[0]
    return bool(jobs.engine.poll({"it": handle}))


def test_next_one_begins_when_one_ends_though_the_client_does_nothing(jobs: Jobs) -> None:
    gate, first = begin_gate(jobs)
    second, third = begin(jobs, jobs.script("exit 2")), begin(jobs, jobs.script("exit 3"))
    jobs.engine.poll({})
    (gate.directory / "go").touch()
    wait_until(lambda: len(recorded(third)) and len(Path(third["process"]).read_text().splitlines()) == 2)
    assert [jobs.wait(handle).exit_code for handle in (first, second, third)] == [0, 2, 3]


def test_no_more_than_the_width_run_at_once(jobs: Jobs) -> None:
    gates = [jobs.script(GATE) for _ in range(3)]
    handles = [begin(jobs, gate, width=2) for gate in gates]
    jobs.engine.poll({})
    assert all(wait_until((gate.directory / "ready").exists) for gate in gates[:2])
    assert jobs.engine.poll({"a": handles[1], "b": handles[2]})["b"].state is ExecutionState.WAITING
    assert not (gates[2].directory / "ready").exists()
    (gates[1].directory / "go").touch()
    wait_until((gates[2].directory / "ready").exists)
    for gate in gates:
        (gate.directory / "go").touch()
    assert all(jobs.wait(handle).succeeded for handle in handles)


def test_client_hears_soon_of_one_whose_turn_has_come_though_nothing_ends(jobs: Jobs) -> None:
    gate, first = begin_gate(jobs)
    assert news_of(jobs, first)
    assert state(jobs, first).state is ExecutionState.RUNNING
    (gate.directory / "go").touch()
    assert jobs.wait(first).succeeded


def test_one_that_runs_without_its_keeper_runs(jobs: Jobs) -> None:
    context = jobs.script(GATE)
    first = begin(jobs, context, width=1)
    assert isinstance(jobs.engine, Least)
    jobs.engine.fileno()  # which has it started
    wait_until((context.directory / "ready").exists)
    parent = keeper_of(first)
    parent.kill()
    wait_until(lambda: parent.status() == psutil.STATUS_ZOMBIE, why="the keeper has ended")
    assert state(jobs, first).state is ExecutionState.RUNNING
    (context.directory / "go").touch()
    assert jobs.wait(first).cause is Cause.LOST


def test_nothing_begins_before_the_client_has_written_it_down(jobs: Jobs) -> None:
    handle = begin(jobs, jobs.script("exit 0"))
    time.sleep(0.3)
    assert not has_begun(handle)
    assert jobs.wait(handle).succeeded


def test_time_in_which_it_waited_is_not_time_in_which_it_ran(jobs: Jobs) -> None:
    gate, _ = begin_gate(jobs)
    handle = begin(jobs, jobs.script("sleep 0.1"))
    jobs.engine.poll({})
    time.sleep(1.5)
    (gate.directory / "go").touch()
    duration = jobs.wait(handle).duration
    assert duration is not None
    assert 0.1 <= duration < 1.5


def test_those_whose_time_has_come_before_their_turn_never_begin(jobs: Jobs, turns: Turns) -> None:
    gate, first = begin_gate(jobs)
    contexts, now = [jobs.script("exit 0") for _ in range(3)], time.monotonic()
    late = [begin(jobs, context, until=now + wait) for context, wait in zip(contexts, (0.6, 0.2, 0.4), strict=True)]
    patient = begin(jobs, jobs.script("exit 0"))
    jobs.engine.poll({})
    found = [wait_until(lambda: news_of(jobs, first) and turns.returned()) for _ in late]
    assert found == [(contexts[place].key,) for place in (1, 2, 0)]
    assert turns.returned() == ()
    for handle in late:
        jobs.engine.forget(handle)
    (gate.directory / "go").touch()
    assert jobs.wait(first).succeeded
    assert jobs.wait(patient).succeeded
    assert not any(map(has_begun, late))


def test_one_that_is_withdrawn_never_begins_and_one_that_runs_goes_on(jobs: Jobs, turns: Turns) -> None:
    gate, first = begin_gate(jobs)
    context = jobs.script("exit 0")
    second = begin(jobs, context)
    turns.withdraw([first, second])
    jobs.engine.poll({})
    returned = wait_until(lambda: jobs.engine.poll({"it": first}) and turns.returned())
    assert returned == (context.key,)
    (gate.directory / "go").touch()
    assert jobs.wait(first).succeeded
    assert not has_begun(second)


def test_cancelled_before_its_turn_it_has_ended_and_never_begins(jobs: Jobs, turns: Turns) -> None:
    gate, first = begin_gate(jobs)
    second, third = begin(jobs, jobs.script("exit 0")), begin(jobs, jobs.script("exit 3"))
    jobs.engine.cancel(second, "SIGTERM", 60)
    assert isinstance(jobs.engine, Least)
    assert select.select([jobs.engine.fileno() or -1], [], [], 60)[0]
    assert state(jobs, second).cause is Cause.LOST
    assert turns.returned() == ()
    jobs.engine.kill(second)
    (gate.directory / "go").touch()
    assert jobs.wait(third).exit_code == 3
    assert jobs.wait(first).succeeded
    assert not has_begun(second)


def test_turn_of_the_next_comes_when_the_whole_family_of_a_cancelled_one_is_gone(jobs: Jobs) -> None:
    script = 'sh -c \'trap "" TERM; : >"$0/ready"; while :; do sleep 0.05; done\' "$1" & trap "exit 0" TERM; wait'
    context = jobs.script(script)
    first = begin(jobs, context)
    jobs.engine.poll({})
    wait_until((context.directory / "ready").exists)
    second = begin(jobs, jobs.script("exit 2"))
    jobs.engine.cancel(first, "SIGTERM", 1)
    wait_until(lambda: len(Path(first["process"]).read_text().splitlines()) == 2, why="its first process has ended")
    time.sleep(0.3)
    assert not has_begun(second)
    assert jobs.wait(first).exit_code == 0
    assert jobs.wait(second).exit_code == 2


def test_turn_of_the_next_comes_when_the_family_of_one_that_a_signal_ended_is_gone(jobs: Jobs) -> None:
    context = jobs.script('sleep 60 & echo $! >"$1/child"; : >"$1/ready"; wait')
    first = begin(jobs, context)
    jobs.engine.poll({})
    wait_until((context.directory / "ready").exists)
    second = begin(jobs, jobs.script("exit 2"))
    jobs.engine.poll({})
    process_of(first).kill()
    wait_until(lambda: len(Path(first["process"]).read_text().splitlines()) == 2, why="its first process has ended")
    time.sleep(0.3)
    assert not has_begun(second)
    assert jobs.wait(first).exit_code == -9
    child = int((context.directory / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert jobs.wait(second).exit_code == 2


@pytest.mark.parametrize("acts", [("kill", "forget"), ("forget",)], ids="-".join)
def test_forgotten_while_it_runs_it_lets_the_next_one_begin_once_it_has_ended(jobs: Jobs, acts: tuple[str]) -> None:
    (gate, first), second = begin_gate(jobs), begin(jobs, jobs.script("exit 2"))
    for act in acts:
        getattr(jobs.engine, act)(first)
    jobs.engine.poll({})
    time.sleep(0.2)
    assert "kill" in acts or not has_begun(second)
    (gate.directory / "go").touch()
    assert jobs.wait(second).exit_code == 2


def test_forgotten_before_its_turn_it_never_begins(jobs: Jobs) -> None:
    gate, first = begin_gate(jobs)
    second, third = begin(jobs, jobs.script("exit 0")), begin(jobs, jobs.script("exit 3"))
    jobs.engine.forget(second)
    (gate.directory / "go").touch()
    assert jobs.wait(third).exit_code == 3
    assert jobs.wait(first).succeeded
    assert not has_begun(second)


def test_one_that_the_system_refuses_passes_its_turn_on(jobs: Jobs) -> None:
    gate, first = begin_gate(jobs)
    broken = jobs.script("exit 0")
    handle = begin(jobs, broken)
    last = begin(jobs, jobs.script("exit 3"))
    broken.directory.rename(broken.directory.with_name("elsewhere"))
    (gate.directory / "go").touch()
    assert jobs.wait(handle).cause is Cause.ENGINE
    assert jobs.wait(last).exit_code == 3
    assert jobs.wait(first).succeeded


def test_program_that_is_missing_is_told_at_once(jobs: Jobs) -> None:
    with pytest.raises(EngineError, match="was not found"):
        begin(jobs, jobs.context("no-such-program"))


def test_nothing_begins_when_the_client_is_gone_and_the_next_one_learns_of_it(tmp_path: Path, later: Jobs) -> None:
    code = """
import json, os, sys, time; from pathlib import Path
from tests.core.formatting.formatters import Least
from tests.core.formatting.test_turns import begin, begin_gate
from whatsnext_core.testing.formatter import Jobs
jobs = Jobs(Least(), Path(sys.argv[1]), 60)
begin_gate(jobs)
print(json.dumps(begin(jobs, jobs.script("echo begun"))), flush=True)
jobs.engine.poll({})
time.sleep(0.2)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True)
    second = json.loads(done.stdout)
    first = json.loads((tmp_path / "attempt-1" / "process.jsonl").read_text())
    keeper = psutil.Process(first["pid"]).parent()
    assert keeper is not None
    assert later.engine.adopt(second)
    assert wait_until(lambda: names_of_returned(later, second)) == ("2-2",)
    (tmp_path / "attempt-1" / "go").touch()
    wait_until(lambda: not keeper.is_running() or keeper.status() == psutil.STATUS_ZOMBIE, why="the keeper has ended")
    assert not has_begun(second)


def names_of_returned(jobs: Jobs, handle: Handle) -> tuple[str, ...]:
    """The names of those that are never started, after a look that says no more than that one waits."""
    turns = turns_of(jobs.engine)
    assert turns is not None
    assert state(jobs, handle).state is ExecutionState.WAITING
    return turns.returned()


def leave_frozen_keeper(jobs: Jobs) -> tuple[JobContext, Handle, psutil.Process]:
    """A job that runs, one whose turn comes after it, and their keeper, which does not see that its client leaves."""
    gate, first = begin_gate(jobs)
    second = begin(jobs, jobs.script("exit 0"))
    jobs.engine.poll({})
    keeper = keeper_of(first)
    keeper.suspend()
    jobs.engine.close()
    return gate, second, keeper


def test_later_client_is_not_sure_of_what_a_killed_keeper_had_and_calls_it_lost(jobs: Jobs, later: Jobs) -> None:
    gate, second, parent = leave_frozen_keeper(jobs)
    parent.kill()
    assert later.engine.adopt(second)
    assert later.wait(second).cause is Cause.LOST
    turns = turns_of(later.engine)
    assert turns is not None
    assert turns.returned() == ()
    assert not is_given_up(second)
    (gate.directory / "go").touch()


def test_frozen_keeper_has_told_a_later_client_nothing_and_starts_nothing_more(jobs: Jobs, later: Jobs) -> None:
    gate, second, parent = leave_frozen_keeper(jobs)
    assert later.engine.adopt(second)
    assert later.wait(second).cause is Cause.LOST
    (gate.directory / "go").touch()
    parent.resume()
    wait_until(lambda: is_given_up(second))
    assert not has_begun(second)


def test_keeper_reads_all_that_a_client_left_before_it_starts_any_of_it(jobs: Jobs) -> None:
    gate, first = begin_gate(jobs)
    keeper_of(first).suspend()
    contexts = [jobs.script(f": {'x' * 3000}") for _ in range(40)]  # more than is read at once
    handles = [begin(jobs, context, width=100) for context in contexts]
    jobs.engine.poll({})
    parent = keeper_of(first)
    jobs.engine.close()
    parent.resume()
    wait_until(lambda: all(map(is_given_up, handles)))
    assert not any(map(has_begun, handles))
    (gate.directory / "go").touch()


def test_cancelled_by_a_later_client_it_has_ended(jobs: Jobs, later: Jobs) -> None:
    gate, _ = begin_gate(jobs)
    second = begin(jobs, jobs.script("exit 0"))
    jobs.engine.close()
    assert later.engine.adopt(second)
    later.engine.cancel(second, "SIGTERM", 60)
    execution = later.wait(second)
    assert (execution.cause, "never started" in execution.message) == (Cause.LOST, True)
    turns = turns_of(later.engine)
    assert turns is not None
    assert turns.returned() == ()
    (gate.directory / "go").touch()


def test_new_keeper_counts_what_runs_of_the_old_one(jobs: Jobs) -> None:
    gate, first = begin_gate(jobs)
    parent = keeper_of(first)
    parent.kill()
    wait_until(lambda: parent.status() == psutil.STATUS_ZOMBIE, why="the keeper has ended")
    assert jobs.run(jobs.script("exit 0")).execution.succeeded
    second = begin(jobs, jobs.script("exit 2"))
    jobs.engine.poll({})
    time.sleep(0.3)
    assert not has_begun(second)
    (gate.directory / "go").touch()
    assert jobs.wait(first).cause is Cause.LOST
    third = begin(jobs, jobs.script("exit 3"))
    assert jobs.wait(second).exit_code == 2
    assert jobs.wait(third).exit_code == 3


def test_what_a_dead_keeper_did_not_get_is_asked_of_a_new_one(jobs: Jobs) -> None:
    gate, first = begin_gate(jobs)
    parent = keeper_of(first)
    others = [jobs.script(GATE) for _ in range(2)]
    handles = [begin(jobs, context, width=2) for context in (*others, jobs.script("exit 4"))]
    parent.kill()
    wait_until(lambda: parent.status() == psutil.STATUS_ZOMBIE)
    jobs.engine.poll({})
    wait_until(lambda: all((other.directory / "ready").exists() for other in others))
    assert state(jobs, handles[2]).state is ExecutionState.WAITING
    time.sleep(2.5)  # longer than one is looked for that has gone without a trace
    assert state(jobs, handles[2]).state is ExecutionState.WAITING
    for context in (gate, *others):
        (context.directory / "go").touch()
    assert jobs.wait(handles[2]).exit_code == 4
    assert jobs.wait(first).cause is Cause.LOST


def test_many_follow_each_other_and_none_is_left_out(jobs: Jobs) -> None:
    handles = {str(number): begin(jobs, jobs.script("exit 0"), width=2) for number in range(60)}
    ended: set[str] = set()

    def all_ended() -> bool:
        states = jobs.engine.poll(handles)
        ended.update(key for key, each in states.items() if each.state is ExecutionState.ENDED and each.succeeded)
        return len(ended) == len(handles)

    wait_until(all_ended)


def test_only_what_is_left_to_the_base_class_takes_turns() -> None:
    class Own(Least):
        def forget(self, handle: Handle) -> None:
            super().forget(handle)

    assert turns_of(Least()) is not None
    assert turns_of(Own()) is None
    assert turns_of(Executing()) is None
    assert turns_of(Processes()) is None  # type: ignore[arg-type] # it prepares nothing
