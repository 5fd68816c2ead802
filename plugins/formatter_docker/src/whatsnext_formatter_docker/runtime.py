"""What is asked of the program ``docker`` or ``podman``."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from whatsnext_core.errors import EngineError

TIMEOUT: Final = 15.0
"""Seconds that the engine may take for an answer."""
TRUSTED: Final = 10.0
"""Seconds for which an engine that answered is taken to be there."""
_ABSENT = re.compile(r"no such (container|object)", re.IGNORECASE)


@frozen(kw_only=True)
class Container:
    """How a container stands."""

    status: str
    """``created``, ``running``, ``exited`` and others."""
    running: bool
    """Whether its processes are there."""
    exit_code: int
    """Exit code of its command, once it has ended."""
    out_of_memory: bool
    """Whether the kernel killed a process in it for lack of memory."""
    error: str
    """Why the engine could not start it."""
    program: str
    """What it was to run."""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Container:
        """Return what ``inspect`` says of a container."""
        state, config = document["State"], document["Config"]
        words = config.get("Entrypoint") or config.get("Cmd") or [""]
        return cls(
            program=words if isinstance(words, str) else str(words[0]),
            status=str(state.get("Status", "")).lower(),
            running=bool(state.get("Running")),
            exit_code=int(state.get("ExitCode", 0)),
            out_of_memory=bool(state.get("OOMKilled")),
            error=str(state.get("Error", "")),
        )


class Runtime:
    """Asks the engine by its command line."""

    def __init__(self, program: str) -> None:
        self.program = program
        self._answered = float("-inf")

    def check(self) -> None:
        """Make sure that the engine answers.

        Raises:
            EngineError: it does not, or its program is not there.
        """
        if time.monotonic() - self._answered < TRUSTED:
            return
        # Podman has no server that might be away.
        whose = "Server" if self.program == "docker" else "Client"
        done = self._call("version", "--format", f"{{{{.{whose}.Version}}}}")
        if done.returncode != 0:
            raise EngineError(f"{self.program} cannot start containers here: {_complaint(done)}")
        self._answered = time.monotonic()

    def inspect(self, names: Iterable[str]) -> dict[str, Container]:
        """Return how the containers with these names stand; those that do not exist are left out.

        Raises:
            EngineError: the engine does not answer.
        """
        wanted = list(names)
        done = self._call("inspect", "--type", "container", *wanted)
        found = {each["Name"].lstrip("/"): Container.from_document(each) for each in json.loads(done.stdout or "[]")}
        absent = _ABSENT.findall(done.stderr)
        if done.returncode != 0 and len(absent) < len(set(wanted) - found.keys()):
            raise EngineError(f"{self.program} does not say how containers stand: {_complaint(done)}")
        return found

    def owned(self, server: str, client: str) -> list[str]:
        """Return the names of the containers that a client of a server has started, whatever they do.

        Raises:
            EngineError: the engine does not answer.
        """
        labels = {"server": server, "client": client}
        filters = [f"--filter=label=whatsnext.{name}={value}" for name, value in labels.items()]
        done = self._call("ps", "--all", *filters, "--format", "{{.Names}}")
        if done.returncode != 0:
            raise EngineError(f"{self.program} does not list containers: {_complaint(done)}")
        return done.stdout.split()

    def send(self, name: str, signal: str) -> bool:
        """Send a signal to the first process of a container, and return whether it was there to get it."""
        try:
            return self._call("kill", "--signal", signal, name).returncode == 0
        except EngineError:
            return False

    def begin_removal(self, names: Iterable[str]) -> subprocess.Popen[bytes]:
        """Begin to end and remove containers with their own volumes; exit code 0 tells that none is left."""
        argv = [self.program, *self._removal(names)]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)

    def remove(self, names: Iterable[str]) -> bool:
        """End and remove containers with their own volumes, and return whether none is left."""
        try:
            done = self._call(*self._removal(names))
        except EngineError:
            return False
        return done.returncode == 0 or bool(_ABSENT.search(done.stderr))

    def _removal(self, names: Iterable[str]) -> list[str]:
        # Podman would remove none of them if one does not exist, and wait for the others to heed a signal.
        ways = ["--ignore", "--time=0"] if self.program == "podman" else []
        return ["rm", "--force", "--volumes", *ways, *names]

    def fetch_logs(self, name: str, stdout: Path, stderr: Path) -> None:
        """Write all that a container has written."""
        with stdout.open("wb") as out, stderr.open("wb") as err:
            subprocess.run([self.program, "logs", name], stdout=out, stderr=err, check=False, timeout=TIMEOUT)

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [self.program, *arguments]
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=TIMEOUT,
            )
        except FileNotFoundError as error:
            raise EngineError(
                f"The program {self.program!r} is not on this client's PATH; install it there."
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"{self.program} {arguments[0]} failed: {error}.") from error


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"
