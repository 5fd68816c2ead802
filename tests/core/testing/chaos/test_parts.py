"""Plans come from seeds, ears hear what is acknowledged, links break as told, programs end with all they started."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import psutil
import pytest

from tests.support import wait_until
from whatsnext_core.testing.chaos.answers import Acknowledged, Ear
from whatsnext_core.testing.chaos.links import DELAY, Link, Loop, Mood
from whatsnext_core.testing.chaos.programs import Program, free_ports
from whatsnext_core.testing.chaos.strikes import WEIGHTS, Blow, plan_strikes
from whatsnext_core.testing.chaos.workload import LARGE, Behaviour, plan_workload


def dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311  # a plan that can be repeated, no secret


def test_workload_comes_from_its_seed_and_waits_only_for_what_was_submitted_before() -> None:
    batches = plan_workload(dice(7), 5_000)
    assert batches == plan_workload(dice(7), 5_000)
    assert batches != plan_workload(dice(8), 5_000)
    jobs = [job for batch in batches for job in batch]
    places = {job.name: place for place, job in enumerate(jobs)}
    assert len(places) == len(jobs) == 5_000
    assert all(places[parent] < places[job.name] for job in jobs for parent in job.parents)
    assert LARGE in map(len, batches)
    assert {job.behaviour for job in jobs} == set(Behaviour)
    assert any(job.cancelled for job in jobs)


def test_strikes_come_from_their_seed_and_kill_as_often_as_they_should() -> None:
    strikes = plan_strikes(dice(7), 30, lease=2, pause=1, has_database=True)
    assert strikes == plan_strikes(dice(7), 30, lease=2, pause=1, has_database=True)
    assert sum(strike.blow.kills for strike in strikes) == 30
    assert {strike.blow for strike in strikes} == set(WEIGHTS) == set(Blow)
    assert any(strike.lasts > 2 for strike in strikes)
    without = plan_strikes(dice(7), 30, lease=2, pause=1, has_database=False, short=True)
    assert Blow.KILL_DATABASE not in {strike.blow for strike in without}
    assert len(plan_strikes(dice(7), 2, lease=2, pause=1, has_database=True)) == 3


def answer(*outcomes: dict[str, object], extra: str = "") -> bytes:
    body = json.dumps({"now": "x", "outcomes": outcomes}).encode()
    return f"HTTP/1.1 200 OK\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_ear_hears_what_was_acknowledged_however_it_arrives(size: int) -> None:
    found: set[Acknowledged] = set()
    ear = Ear(found)
    stream = answer({"job_id": 1, "fence": 2, "accepted": True, "status": "COMPLETED"}, extra="Server: x\r\n")
    stream += b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    stream += answer({"job_id": 3, "fence": 1, "accepted": False, "status": None})
    stream += answer({"job_id": 4, "fence": 1, "accepted": True, "status": "PENDING"})
    for start in range(0, len(stream), size):
        ear.hear(stream[start : start + size])
    assert found == {Acknowledged(1, 2, "COMPLETED"), Acknowledged(4, 1, "PENDING")}


def test_ear_stops_listening_to_what_has_no_length() -> None:
    found: set[Acknowledged] = set()
    ear = Ear(found)
    ear.hear(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    ear.hear(answer({"job_id": 1, "fence": 2, "accepted": True, "status": "COMPLETED"}))
    assert found == set()


class Echo(BaseRequestHandler):
    """Sends back what it gets, and counts what it got."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            while data := self.request.recv(100):
                self.server.heard += data  # type: ignore[attr-defined]  # the server of the fixture
                self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[ThreadingTCPServer]:
    """A server that sends back what it gets."""
    with ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        server.heard = b""  # type: ignore[attr-defined]  # as above
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def heard() -> bytearray:
    """What went through the link as an answer."""
    return bytearray()


@pytest.fixture
def link(echo: ThreadingTCPServer, heard: bytearray) -> Iterator[Link]:
    """A link whose first server is not there, and whose second one is the echo."""
    loop = Loop()
    found = Link(loop, [*free_ports(1), echo.server_address[1]], lambda: heard.extend)
    yield found
    found.close()
    loop.close()


def dial(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=20)


def test_link_leads_to_the_first_server_that_answers(link: Link, heard: bytearray) -> None:
    with dial(link) as line:
        line.sendall(b"hello")
        assert line.recv(100) == b"hello"
    assert heard == b"hello"
    assert link.url == f"http://127.0.0.1:{link.port}"


def test_link_without_a_server_breaks_off() -> None:
    loop = Loop()
    found = Link(loop, free_ports(1))
    try:
        with pytest.raises(ConnectionResetError), dial(found) as line:
            line.recv(1)
    finally:
        found.close()
        loop.close()


def test_cut_link_breaks_what_there_is_and_lets_nothing_through_until_it_is_mended(link: Link) -> None:
    with dial(link) as line:
        line.sendall(b"a")
        assert line.recv(1) == b"a"
        link.set_mood(Mood.CUT)
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    with pytest.raises(ConnectionResetError), dial(link) as line:
        line.recv(1)
    link.set_mood(Mood.FINE)
    with dial(link) as line:
        line.sendall(b"b")
        assert line.recv(1) == b"b"


def test_slow_link_is_late(link: Link) -> None:
    link.set_mood(Mood.SLOW)
    with dial(link) as line:
        begin = time.monotonic()
        line.sendall(b"a")
        assert line.recv(1) == b"a"
        assert time.monotonic() - begin >= 2 * DELAY


def test_deaf_link_brings_requests_and_no_answers_and_breaks_when_it_is_mended(
    link: Link, echo: ThreadingTCPServer, heard: bytearray
) -> None:
    with dial(link) as line:
        link.set_mood(Mood.DEAF)
        line.sendall(b"order")
        wait_until(lambda: heard == b"order")
        line.settimeout(0.05)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(20)
        link.set_mood(Mood.FINE)
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    assert echo.heard == b"order"  # type: ignore[attr-defined]  # of the fixture


def test_half_closed_link_ends_the_answers_and_still_brings_what_is_sent(link: Link, echo: ThreadingTCPServer) -> None:
    with dial(link) as line:
        line.sendall(b"a")
        assert line.recv(1) == b"a"
        link.half_close()
        assert line.recv(1) == b""
        line.sendall(b"late")
        wait_until(lambda: echo.heard == b"alate")  # type: ignore[attr-defined]  # of the fixture


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Makes programs in Python, which are ended with all that they started."""
    made: list[Program] = []

    def make(code: str) -> Program:
        made.append(Program(f"program-{len(made)}", [sys.executable, "-c", code], tmp_path, os.environ))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.kill_all()


FAMILY = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(600)\n"
)


def child_of(program: Program) -> psutil.Process:
    return psutil.Process(int(wait_until(lambda: program.tail().strip())))


def runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_killed_program_leaves_what_it_started_and_a_killed_machine_does_not(program: Callable[[str], Program]) -> None:
    victim = program(FAMILY)
    child = child_of(victim)
    victim.kill()
    assert (victim.runs(), victim.wanted) == (False, False)
    assert runs(child)
    victim.kill_all()
    assert not runs(child)


def test_program_that_is_asked_to_end_is_told_by_what_it_left(program: Callable[[str], Program]) -> None:
    victim = program(FAMILY)
    child = child_of(victim)
    victim.freeze()
    victim.ask_to_end()
    victim.wait()
    assert [words.split(":")[0] for words in victim.remains(within=0.1)] == [f"process {child.pid}"]
    victim.kill_all()
    assert victim.remains() == []


def test_frozen_program_goes_on_when_it_is_thawed(program: Callable[[str], Program]) -> None:
    victim = program("import time\nwhile True: print('.', end='', flush=True); time.sleep(0.01)")
    wait_until(victim.tail)
    victim.freeze()
    before = wait_until(victim.tail)
    victim.thaw()
    wait_until(lambda: len(victim.tail()) > len(before) + 2)
    victim.start()
    assert victim.runs()
