"""The pieces of a run: servers, workers, links and a database, and how each is struck and mended."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from whatsnext_core.testing.chaos.answers import Acknowledged, Ear
from whatsnext_core.testing.chaos.installation import Installation
from whatsnext_core.testing.chaos.judging import AT_REST
from whatsnext_core.testing.chaos.links import Link, Loop, Mood
from whatsnext_core.testing.chaos.programs import Program, free_ports
from whatsnext_core.testing.chaos.rest import RefusedError, Rest
from whatsnext_core.testing.chaos.strikes import Blow, Strike
from whatsnext_core.testing.chaos.workload import MOST_LOSSES, Behaviour, write_script

START_WITHIN: Final = 60.0
"""Seconds that the first server gets to answer."""
RESTART_AFTER: Final = 0.5
"""Seconds after which a program that ended by itself is started again, as a service manager would."""
GLANCE: Final = 0.3
"""Seconds that a frozen server may hold up the run."""
PROJECT: Final = "chaos"
RETRY_DELAY: Final = 0.05
MOODS: Final = {Blow.CUT: Mood.CUT, Blow.SLOW: Mood.SLOW, Blow.DEAF: Mood.DEAF}


class Arena:
    """All that runs during a run.

    Args:
        installation: What to start.
        folder: Where everything is kept.
        say: Called with each thing that happens, in words.
    """

    def __init__(self, installation: Installation, folder: Path, say: Callable[[str], None]) -> None:
        self.acknowledged: set[Acknowledged] = set()
        """The ends that servers acknowledged."""
        self.left: list[str] = []
        """Programs that ended though nobody struck them."""
        self._installation = installation
        self._folder = folder
        self._say = say
        self._ports = free_ports(installation.servers)
        self._loop = Loop()
        self._database_is_gone = False
        self._gone_since: dict[str, float] = {}
        self.project_id = 0
        """The project of the run."""
        self.servers = [
            Program(f"server-{number}", installation.server(port), folder, installation.environment)
            for number, port in enumerate(self._ports)
        ]
        """The servers."""
        self.links = [self._link(number) for number in range(installation.workers + 1)]
        """The ways to them: one for each worker, and a last one for people."""
        self.workers: list[Program] = []
        """The workers."""

    def _link(self, number: int) -> Link:
        turn = number % len(self._ports)
        targets = self._ports[turn:] + self._ports[:turn]
        return Link(self._loop, targets, lambda: Ear(self.acknowledged).hear)

    def start(self) -> None:
        """Start everything, and make the project and its tasks."""
        for server in self.servers:
            server.start()
        self._wait(lambda: all(map(self.answers, range(len(self.servers)))), "the servers answer")
        rest = self.rest()
        self.project_id = rest.call("POST", "/projects/", {"name": PROJECT})["id"]
        command = write_script(self._folder)
        for behaviour in Behaviour:
            retry = {"retries": behaviour.retries, "delay": RETRY_DELAY, "max_losses": MOST_LOSSES}
            task = {"name": behaviour.value, "command_template": command, "retry": retry, "grace": 1}
            rest.call("POST", "/tasks/", {"project_id": self.project_id, **task})
        for number, link in enumerate(self.links[:-1]):
            name = f"worker-{number}"
            folder = self._folder / name
            argv = self._installation.worker(link.url, name, folder / "state", PROJECT)
            self.workers.append(Program(name, argv, folder, self._installation.environment))
            self.workers[-1].start()

    def rest(self, number: int = 0, *, timeout: float = 30.0) -> Rest:
        """Return a server's endpoints, past all links."""
        return Rest(self._ports[number], timeout=timeout)

    def answers(self, number: int) -> bool:
        """Return whether a server answers, and its database too."""
        try:
            self.rest(number).call("GET", "/checkdb")
        except (OSError, http.client.HTTPException, RefusedError):
            return False
        return True

    def counts(self, *, timeout: float = 30.0) -> dict[str, int] | None:
        """Return how many jobs there are in each status, if a server can say so within so many seconds."""
        for number in range(len(self.servers)):
            try:
                rest = self.rest(number, timeout=timeout)
                found: dict[str, int] = rest.call("GET", f"/projects/{self.project_id}/counts")
            except (OSError, http.client.HTTPException, RefusedError):
                continue
            return found
        return None

    def ended(self) -> int:
        """Return how many jobs have come to rest, as far as a server can say so."""
        counts = self.counts(timeout=GLANCE) or {}
        return sum(number for status, number in counts.items() if status in AT_REST)

    # -- striking ------------------------------------------------------------------------------------------------------

    def strike(self, strike: Strike) -> Callable[[], None]:
        """Let it happen, and return what mends it."""
        blow = strike.blow
        worker = self.workers[strike.victim % len(self.workers)]
        server = self.servers[strike.victim % len(self.servers)]
        link = self.links[strike.victim % len(self.links)]
        match blow:
            case Blow.KILL_WORKER:
                return _struck(worker.kill, worker.start)
            case Blow.KILL_MACHINE:
                return _struck(worker.kill_all, worker.start)
            case Blow.FREEZE_WORKER:
                return _struck(worker.freeze, worker.thaw)
            case Blow.KILL_SERVER:
                part = strike.victim // len(self.servers)
                return _struck(lambda: server.kill_one(part), server.start)
            case Blow.FREEZE_SERVER:
                return _struck(server.freeze, server.thaw)
            case Blow.KILL_DATABASE:
                return _struck(self._kill_database, self._start_database)
            case Blow.HALF_CLOSE:
                return _struck(link.half_close, lambda: None)
            case _:
                return _struck(lambda: link.set_mood(MOODS[blow]), lambda: link.set_mood(Mood.FINE))

    def _kill_database(self) -> None:
        if self._installation.database is not None and not self._database_is_gone:
            self._database_is_gone = True
            self._installation.database.kill()

    def _start_database(self) -> None:
        if self._installation.database is not None and self._database_is_gone:
            self._installation.database.start()
            self._database_is_gone = False

    def mend_all(self) -> None:
        """Make everything run and answer again."""
        self._start_database()
        for program in self._programs():
            program.thaw()
            program.start()
        for link in self.links:
            link.set_mood(Mood.FINE)

    def supervise(self) -> None:
        """Start again what ended by itself, after a moment."""
        now = time.monotonic()
        for program in self._programs():
            if not program.wanted or program.runs():
                self._gone_since.pop(program.name, None)
            elif program.name not in self._gone_since:
                self._gone_since[program.name] = now
                self._say(f"{program.name} ended by itself")
                self.left.append(f"{program.name}: {program.tail(300).strip()}")
            elif now > self._gone_since[program.name] + RESTART_AFTER:
                self._gone_since.pop(program.name)
                program.start()

    def stop_workers(self) -> list[str]:
        """Let the workers leave, and return the processes that they left behind."""
        for worker in self.workers:
            worker.ask_to_end()
        for worker in self.workers:
            worker.wait()
        return [f"{worker.name} left {words}" for worker in self.workers for words in worker.remains()]

    def close(self) -> None:
        """End everything."""
        for program in self._programs():
            program.kill_all()
        for link in self.links:
            link.close()
        self._loop.close()
        self._start_database()

    def _programs(self) -> Iterator[Program]:
        yield from self.servers
        yield from self.workers

    def _wait(self, condition: Callable[[], Any], what: str) -> None:
        until = time.monotonic() + START_WITHIN
        while not condition():
            gone = [program for program in self._programs() if program.wanted and not program.runs()]
            if gone or time.monotonic() > until:
                tails = "\n".join(f"{program.name}: {program.tail()}" for program in self._programs())
                raise AssertionError(f"Waited in vain until {what}.\n{tails}")
            time.sleep(0.05)


def _struck(strike: Callable[[], None], mend: Callable[[], None]) -> Callable[[], None]:
    strike()
    return mend
