"""``whatsnext-server run --processes N``: several processes, one address, one PostgreSQL."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.components import PostgreSQLServer
from tests.server.serving import Api, Program, program
from tests.server.storages import upgraded
from tests.server.test_program import check_after_crash, crash
from tests.support import wait_until


@contextmanager
def together(folder: Path, url: str, *options: str) -> Iterator[Program]:
    """A server of two processes on a new database of PostgreSQL."""
    with program(folder, upgraded(url), "--processes", "2", *options) as running:
        yield running


def processes(running: Program) -> list[psutil.Process]:
    """Those that serve, the first one first."""
    return sorted(psutil.Process(running.daemon.pid).children(), key=lambda each: each.pid)


def connections(running: Program) -> list[int]:
    """How many connections of clients each process serves."""
    port = int(running.api.url.rpartition(":")[2])
    return [
        sum(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in one.net_connections("tcp"))
        for one in processes(running)
    ]


def connected(stack: ExitStack, running: Program) -> tuple[int, socket.socket]:
    """The local port of a new connection on which a request was answered, and the connection."""
    host, _, port = running.api.url.removeprefix("http://").partition(":")
    made = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
    made.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert made.recv(4096).startswith(b"HTTP/1.1 200 ")
    return made.getsockname()[1], made


def test_connections_are_shared_evenly_also_after_some_have_ended(tmp_path: Path, postgresql_url: str) -> None:
    with together(tmp_path, postgresql_url) as running, ExitStack() as stack:
        made = dict(connected(stack, running) for _ in range(10))
        assert connections(running) == [5, 5]
        leader = psutil.Process(running.daemon.pid)
        assert leader.num_threads() == 1
        assert [each.status for each in leader.net_connections("tcp")] == [psutil.CONN_LISTEN]
        port = int(running.api.url.rpartition(":")[2])
        first = processes(running)[0].net_connections("tcp")
        for each in [each for each in first if each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED][:4]:
            made[each.raddr.port].close()
        wait_until(lambda: connections(running) == [1, 5])
        for _ in range(6):
            connected(stack, running)
        assert connections(running) == [6, 6]


def test_address_is_told_once_and_log_names_the_process(tmp_path: Path, postgresql_url: str) -> None:
    with together(tmp_path, postgresql_url, "--log-format", "json", "--log-level", "debug") as running:
        with ExitStack() as stack:
            for _ in range(2):
                connected(stack, running)
        assert running.stop() == 0
    log = (tmp_path / "log").read_text()
    assert log.count(running.api.url) == log.count("listens on") * 2 == 2
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {each["process"] for each in lines if "GET / 200" in each["message"]} == {"process-1", "process-2"}
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_answers_what_is_held(tmp_path: Path, postgresql_url: str, number: signal.Signals) -> None:
    with together(tmp_path, postgresql_url) as running, ThreadPoolExecutor(4) as pool, ExitStack() as stack:
        project_id, _ = running.api.queue()
        clients = [(stack.enter_context(Api(running.api.url)), running.api.worker()) for _ in range(4)]

        def heard() -> list[str]:
            return [running.api.call("GET", f"/clients/{each}")["last_heartbeat"] for _, each in clients]

        registered = heard()
        waiting = [pool.submit(own.sync, each, want=1, wait=60, project_ids=[project_id]) for own, each in clients]
        wait_until(lambda: all(now > before for now, before in zip(heard(), registered, strict=True)))
        assert min(connections(running)) > 1
        family = processes(running)
        if number == signal.SIGINT:  # as a terminal does
            for each in family:
                each.send_signal(number)
        assert running.stop(number) == 0
        assert [each.result()["assignments"] for each in waiting] == [[]] * 4
        assert not any(each.is_running() for each in family)
        assert "Traceback" not in (tmp_path / "log").read_text()


def begin_slow_request(stack: ExitStack, running: Program) -> tuple[socket.socket, bytes]:
    """A connection on which the head of a request was sent, and its body, which is due."""
    _, slow = connected(stack, running)
    body = json.dumps({"name": "slow"}).encode()
    head = (
        f"POST /projects/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    slow.sendall(head.encode())
    return slow, body


def interrupt_all_but_one(running: Program) -> psutil.Process:
    """The one process that has something under way, once the other one has ended for SIGINT."""
    family = processes(running)
    running.daemon.process.send_signal(signal.SIGINT)
    wait_until(lambda: sum(each.is_running() for each in family) == 1)
    return next(each for each in family if each.is_running())


def test_interrupt_reaches_all_processes_of_a_terminal_and_hurries_none(tmp_path: Path, postgresql_url: str) -> None:
    with together(tmp_path, postgresql_url) as running, ExitStack() as stack:
        slow, body = begin_slow_request(stack, running)
        interrupt_all_but_one(running).send_signal(signal.SIGINT)
        time.sleep(0.5)  # for what must not happen
        slow.sendall(body)
        assert slow.recv(4096).startswith(b"HTTP/1.1 201 ")
        assert running.daemon.process.wait(30) == 0


def test_second_interrupt_waits_for_nobody(tmp_path: Path, postgresql_url: str) -> None:
    with together(tmp_path, postgresql_url) as running, ExitStack() as stack:
        begin_slow_request(stack, running)
        interrupt_all_but_one(running)
        assert running.stop(signal.SIGINT) == 0
    assert "timeout graceful shutdown exceeded" not in (tmp_path / "log").read_text()


def test_killed_process_is_replaced_and_nothing_is_lost_that_was_acknowledged(
    tmp_path: Path, postgresql_url: str
) -> None:
    with together(tmp_path, postgresql_url) as running:
        family = processes(running)
        submitted, finished = crash(running, family[0].kill)
        wait_until(lambda: len(processes(running)) == 2 and family[0] not in processes(running))
        with Api(running.api.url) as api:
            check_after_crash(api, submitted, finished)
        with ExitStack() as stack:

            def both_serve() -> bool:
                connected(stack, running)
                return min(connections(running)) > 0

            wait_until(both_serve)
    log = (tmp_path / "log").read_text()
    assert re.search(r"process-1 \(\d+\) was ended by SIGKILL; a new one starts in 0.1 s", log)


def test_no_process_outlives_the_one_that_leads(tmp_path: Path, postgresql_url: str) -> None:
    running = Program(tmp_path, upgraded(postgresql_url), "--processes", "2")
    family = processes(running)
    submitted, finished = crash(running)
    wait_until(lambda: not any(each.is_running() for each in family), 60)
    with program(tmp_path, postgresql_url) as again:
        check_after_crash(again.api, submitted, finished)


def test_process_is_replaced_as_soon_as_the_database_is_there_again(
    tmp_path: Path, durable_postgresql: PostgreSQLServer
) -> None:
    with (
        durable_postgresql.database() as url,
        together(tmp_path, url) as running,
    ):
        durable_postgresql.kill()
        for each in processes(running):
            each.kill()
        wait_until(lambda: "cannot start: The database" in (tmp_path / "log").read_text())
        durable_postgresql.start()

        def serves() -> bool:
            try:
                return httpx.get(f"{running.api.url}/checkdb", trust_env=False).is_success
            except httpx.TransportError:
                return False

        wait_until(serves)
        wait_until(lambda: len(processes(running)) == 2)


@pytest.mark.parametrize("url", ["sqlite:///q.db", "memory://"])
def test_database_that_is_served_by_one_process_is_refused(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, url)
    assert (done.returncode, done.stdout) == (2, "")
    kind = url.partition(":")[0]
    assert done.stderr == (
        f"Error: processes is 2, but a database of the kind {kind!r} serves one server process: set processes to 1, or "
        f"use PostgreSQL.\n"
    )
    assert not (tmp_path / "q.db").exists()


def test_process_that_cannot_start_ends_all_with_its_reason(tmp_path: Path, postgresql_url: str) -> None:
    done = run(tmp_path, upgraded(postgresql_url), "--routers", "nix")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: Plugin for the server router 'nix' not found")


def run(folder: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A server of two processes that ends by itself."""
    argv = [sys.executable, "-m", "whatsnext_server", "run", "--port", "0", "--processes", "2", "--database", url]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WHATSNEXT_")}
    env = {**clean, "HOME": str(folder)}
    return subprocess.run(
        [*argv, *options], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
