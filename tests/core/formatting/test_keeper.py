"""Keepers and clients that die, and clients that come after them."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.core.formatting.formatters import Least
from tests.core.formatting.processes import SLEEP, keeper_of, process_of, recorded, state
from tests.support import wait_until
from whatsnext_core.formatting import ExecutionState, Invocation, keeper
from whatsnext_core.formatting.process import Processes, write_files
from whatsnext_core.model import Cause
from whatsnext_core.testing.formatter import Jobs

# -- keepers and clients that die --------------------------------------------------------------------------------------


def test_keeper_ends_with_its_client(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    parent = keeper_of(handle)
    jobs.engine.kill(handle)
    jobs.wait(handle)
    jobs.engine.close()
    assert not parent.is_running()


def test_keeper_stays_as_long_as_jobs_run(jobs: Jobs, later: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    parent = keeper_of(handle)
    jobs.engine.close()
    assert later.engine.adopt(handle)
    later.engine.kill(handle)
    assert later.wait(handle).exit_code == -9
    wait_until(lambda: not parent.is_running() or parent.status() == psutil.STATUS_ZOMBIE, why="the keeper has ended")


def test_service_manager_that_signals_everything_loses_no_end(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script("trap 'exit 5' TERM; : >$1/ready; while :; do sleep 0.05; done"))
    for process in (keeper_of(handle), process_of(handle)):
        process.terminate()
    assert jobs.wait(handle).exit_code == 5


def test_keeper_that_was_killed_is_replaced_and_its_jobs_are_followed(jobs: Jobs) -> None:
    context = jobs.script(': >"$1/ready"; while [ ! -e "$1/go" ]; do sleep 0.02; done')
    handle = jobs.start_and_await(context)
    parent = keeper_of(handle)
    parent.kill()
    wait_until(lambda: parent.status() == psutil.STATUS_ZOMBIE, why="the keeper has ended")
    assert jobs.run(jobs.script("exit 3")).execution.exit_code == 3
    assert state(jobs, handle).state is ExecutionState.RUNNING
    (context.directory / "go").touch()
    execution = jobs.wait(handle)
    assert (execution.succeeded, execution.cause, execution.exit_code) == (False, Cause.LOST, None)
    assert "nobody saw how it ended" in execution.message


def test_keeper_that_was_killed_wakes_the_client(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    keeper_of(handle).kill()
    assert isinstance(jobs.engine, Least)
    assert select.select([jobs.engine.fileno() or -1], [], [], 60)[0]
    jobs.engine.cancel(handle, "SIGTERM", 60)
    assert jobs.wait(handle).cause is Cause.LOST


def test_client_that_ends_without_closing_leaves_no_keeper_and_no_warning(tmp_path: Path) -> None:
    code = """
import sys; from pathlib import Path
from tests.core.formatting.formatters import Least
from whatsnext_core.testing.formatter import Jobs
jobs = Jobs(Least(), Path(sys.argv[1]), 60)
context = jobs.script("echo $PPID")
print(jobs.run(context).stdout.decode())
"""
    argv = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    wait_until(lambda: not psutil.pid_exists(int(done.stdout)), why="the keeper has ended")


def test_many_ends_wait_for_a_client_that_is_busy(jobs: Jobs) -> None:
    handles = {str(number): jobs.start(jobs.script("exit 0")) for number in range(200)}
    last = handles["199"]
    wait_until(lambda: Path(last["process"]).exists() and len(Path(last["process"]).read_text().splitlines()) == 2)
    assert all(each.succeeded for each in (jobs.wait(handle) for handle in handles.values()))


# -- recovery ----------------------------------------------------------------------------------------------------------


def test_number_that_belongs_to_another_process_now_is_left_alone(jobs: Jobs, later: Jobs) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    handle = jobs.start(jobs.script("exit 0"))
    record = recorded(handle)
    jobs.wait(handle)
    Path(handle["process"]).write_text(json.dumps({**record, "pid": stranger.pid}) + "\n")
    try:
        assert not later.engine.adopt(handle)
        later.engine.cancel(handle, "SIGTERM", 0)
        later.engine.kill(handle)
        assert later.wait(handle).cause is Cause.LOST
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_job_that_deleted_its_scratch_directory_does_not_run_on_unseen(jobs: Jobs, later: Jobs) -> None:
    context = jobs.script('cd "$1/.." && rm -r "$1" && echo $$ >pid.new && mv pid.new pid && exec sleep 60')
    handle = jobs.start(context)
    pid = context.directory.parent / "pid"
    wait_until(pid.exists)
    process = psutil.Process(int(pid.read_text()))
    assert later.engine.adopt(handle)
    assert later.wait(handle).cause is Cause.LOST
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert jobs.wait(handle).exit_code == -9


def test_client_that_vanished_with_news_unread_leaves_no_keeper(tmp_path: Path) -> None:
    code = """
import os, sys, time; from pathlib import Path
from tests.core.formatting.formatters import Least
from whatsnext_core.testing.formatter import Jobs
jobs = Jobs(Least(), Path(sys.argv[1]), 60)
process = Path(jobs.start(jobs.script("echo $PPID"))["process"])
while not process.exists() or process.read_text().count("code") == 0:
    time.sleep(0.01)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    parent = int((tmp_path / "attempt-1" / "stdout.log").read_text())
    wait_until(lambda: not psutil.pid_exists(parent), why="the keeper has ended")


def test_start_of_a_process_is_told_apart_also_where_the_boot_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keeper, "BOOT_ID", tmp_path / "none")
    keeper.boot_id.cache_clear()
    assert keeper.birth_of(os.getpid(), time.time())
    keeper.boot_id.cache_clear()
    assert keeper.birth_of(2**22 + 1, time.time()) == ""


def test_keeper_tells_starts_as_the_system_does_though_it_asks_it_seldom(jobs: Jobs) -> None:
    handles = [jobs.start(jobs.script(SLEEP)) for _ in range(30)]
    jobs.engine.poll({})
    told = [recorded(handle) for handle in handles]
    assert [each["birth"] for each in told] == [keeper.birth_of(int(str(each["pid"])), 0) for each in told]
    for handle in handles:
        jobs.engine.kill(handle)
    for handle in handles:
        jobs.wait(handle)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is the time of day")
def test_keeper_whose_clock_is_not_the_systems_asks_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        own = keeper.Keeper(unused)
    truth = keeper.birth_of(os.getpid(), 0)
    monkeypatch.setattr(keeper, "ticks_since_boot", lambda: 5)
    assert [own.birth(os.getpid(), 0, 5) for _ in range(3)] == [truth] * 3


def test_record_that_is_damaged_is_no_record(jobs: Jobs, later: Jobs) -> None:
    handle = jobs.start(jobs.script("exit 0"))
    jobs.wait(handle)
    Path(handle["process"]).write_text('{"id": "someone else", "pid": 1, "birth": "x"}\n{"id"')
    assert not later.engine.adopt(handle)


def test_keeper_that_starts_nothing_is_in_nobodys_folder(jobs: Jobs) -> None:
    assert keeper_of(jobs.start_and_await(jobs.script(SLEEP))).cwd() == "/"


def test_files_that_were_longer_before_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text('{"lr": 0.001}')
    given = Invocation(key="1-1", argv=("true",), files={file: b"{}"}, stdout=tmp_path / "out", stderr=tmp_path / "err")
    write_files(given)
    assert file.read_text() == "{}"


def test_files_that_have_another_name_elsewhere_keep_there_what_is_in_them(tmp_path: Path) -> None:
    file, twin = tmp_path / "parameters.json", tmp_path / "kept.json"
    file.write_text('{"lr": 0.001}')
    twin.hardlink_to(file)
    given = Invocation(key="1-1", argv=("true",), files={file: b"{}"}, stdout=tmp_path / "out", stderr=tmp_path / "err")
    write_files(given)
    assert file.read_text() == "{}"
    assert twin.read_text() == '{"lr": 0.001}'


def test_record_that_is_damaged_hides_no_other(jobs: Jobs, later: Jobs) -> None:
    handle = jobs.start(jobs.script("exit 3"))
    jobs.wait(handle)
    file = Path(handle["process"])
    file.write_text('{"id": "someone else", "pi\n\x00\n' + file.read_text())
    assert later.engine.adopt(handle)
    assert later.engine.poll({"job": handle})["job"].exit_code == 3


def test_handle_that_is_no_handle_is_not_adopted() -> None:
    assert not Processes().adopt({"mark": 1, "process": None})


def test_end_of_a_forgotten_job_interests_nobody(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    process = process_of(handle)
    jobs.engine.forget(handle)
    process.kill()
    assert jobs.run(jobs.script("exit 3")).execution.exit_code == 3
    wait_until(lambda: len(Path(handle["process"]).read_text().splitlines()) == 2, why="its end is recorded")
    jobs.engine.poll({})
    jobs.engine.forget(handle)


def test_forgotten_job_that_runs_on_does_not_hold_up_the_close(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    process = process_of(handle)
    jobs.engine.forget(handle)
    begin = time.monotonic()
    jobs.engine.close()
    assert time.monotonic() - begin < 30
    os.kill(process.pid, signal.SIGKILL)
