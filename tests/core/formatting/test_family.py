"""Processes of one execution, and no others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import wait_until
from whatsnext_core.formatting.family import MARK, Root, Snapshot, send
from whatsnext_core.formatting.keeper import birth_of

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that are gone after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, mark: str | None = None) -> subprocess.Popen[bytes]:
        env = {**os.environ, **({} if mark is None else {MARK: mark})}
        started.append(subprocess.Popen(argv, env=env, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def root_of(process: subprocess.Popen[bytes], mark: str = "m") -> Root:
    return Root(pid=process.pid, birth=birth_of(process.pid, time.time()), mark=mark)


def numbers(processes: list[psutil.Process]) -> set[int]:
    return {process.pid for process in processes}


def test_root_is_there_until_it_was_waited_for(start: Start) -> None:
    process = start("sleep", "60")
    root = root_of(process)
    assert (root.exists(), root.runs()) == (True, True)
    process.kill()
    wait_until(lambda: not root.runs())
    assert root.exists()
    process.wait()
    assert (root.exists(), root.runs()) == (False, False)


def test_root_with_another_start_is_another_process(start: Start) -> None:
    process = start("sleep", "60")
    assert not Root(pid=process.pid, birth="another/1", mark="m").exists()
    assert not Root(pid=process.pid, birth="", mark="m").runs()


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere no file tells when a process began.")
def test_root_that_goes_while_one_looks_is_not_there(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start("sleep", "60")
    root, read = root_of(process), os.read

    def read_late(file: int, size: int) -> bytes:
        process.kill()
        process.wait()
        return read(file, size)

    monkeypatch.setattr(os, "read", read_late)
    assert not root.exists()


def test_session_and_group_belong_if_their_leader_is_the_same(start: Start) -> None:
    process = start("sh", "-c", "sleep 60 & sleep 60")
    wait_until(lambda: len(psutil.Process(process.pid).children()) == 2)
    family = numbers(Snapshot().family(root_of(process)))
    assert family == {process.pid, *(child.pid for child in psutil.Process(process.pid).children())}
    stranger = Root(pid=process.pid, birth="another/1", mark="m")
    assert Snapshot().family(stranger) == []


def test_marked_process_belongs_wherever_it_is(start: Start) -> None:
    marked, other = start("sleep", "60", mark="17-2.abc"), start("sleep", "60", mark="17-2.abd")
    gone = Root(pid=0, birth="", mark="17-2.abc")
    wait_until(lambda: psutil.Process(marked.pid).environ().get(MARK))
    wait_until(lambda: psutil.Process(other.pid).environ().get(MARK))
    assert numbers(Snapshot().family(gone)) == {marked.pid}


def test_process_that_got_the_number_of_an_earlier_one_belongs(start: Start) -> None:
    number = Path("/proc/sys/kernel/ns_last_pid")
    if not (os.access(number, os.W_OK) and os.geteuid() == 0):
        pytest.skip("Only root, and only on Linux, can choose the number of a process.")
    earlier = start("sleep", "60")
    assert earlier.pid in numbers(Snapshot().family(root_of(earlier)))
    earlier.kill()
    earlier.wait()

    def again() -> subprocess.Popen[bytes] | None:
        number.write_text(str(earlier.pid - 1), encoding="ascii")
        process = start("sleep", "60", mark="later")
        if process.pid == earlier.pid:
            return process
        process.kill()  # somebody else took the number first
        process.wait()
        return None

    later = wait_until(again)
    assert later
    wait_until(lambda: psutil.Process(later.pid).environ().get(MARK))
    snapshot = Snapshot()
    assert psutil.Process(later.pid) in snapshot
    assert numbers(snapshot.family(Root(pid=0, birth="", mark="later"))) == {later.pid}


def test_this_process_never_belongs() -> None:
    assert os.getpid() not in numbers(Snapshot().below([os.getpid(), 1]))


def test_signal_reaches_the_process_that_is_meant(start: Start) -> None:
    process = start("sleep", "60")
    send(psutil.Process(process.pid), signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM


def test_signal_to_a_process_that_has_gone_reaches_nobody(start: Start) -> None:
    process = start(sys.executable, "-c", "pass")
    gone = psutil.Process(process.pid)
    process.wait()
    send(gone, signal.SIGTERM)


def test_signal_does_not_reach_a_process_that_got_the_number_later(start: Start) -> None:
    process = start("sleep", "60")
    meant = psutil.Process(process.pid)
    vars(meant)["_ident"] = (process.pid, 1.0)  # as if an earlier process had had the number
    send(meant, signal.SIGKILL)
    assert process.poll() is None
