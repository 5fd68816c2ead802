"""The shell and the Python session of a page."""

import json
import os
import selectors
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from attrs import frozen

__all__ = ["Python", "Result", "Shell"]

TIMEOUT = 60.0


@frozen(kw_only=True)
class Result:
    """What a command did."""

    status: int
    """Its exit status."""
    output: str
    """All that it printed, errors included."""


def read_until(stream: IO[bytes], end: bytes, what: str, timeout: float = TIMEOUT) -> bytes:
    """What comes from a stream up to and with ``end``."""
    found, deadline = b"", time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while end not in found:
            ready = selector.select(deadline - time.monotonic())
            assert ready, (
                f"{what} did not end within {timeout:g} s; so far it printed:\n{found.decode(errors='replace')}"
            )
            chunk = os.read(stream.fileno(), 65536)
            assert chunk, f"{what} ended the session; it printed:\n{found.decode(errors='replace')}"
            found += chunk
    return found


class Shell:
    """One bash that keeps variables and working directory from command to command."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
        )
        self.status = 0
        self.daemons: list[tuple[int, str, Path]] = []

    def run(self, command: str) -> Result:
        """Runs a command to its end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        end = f"--{os.urandom(8).hex()}--"
        text = f"(exit {self.status})\n{{ {command}\n}} </dev/null\nprintf '\\n{end} %d\\n' $?\n"
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()
        heard = read_until(self.process.stdout, end.encode(), f"`{command}`")
        if not heard.endswith(b"\n"):
            heard += read_until(self.process.stdout, b"\n", f"`{command}`")
        output, _, status = heard.decode(errors="replace").rpartition(f"\n{end} ")
        self.status = int(status)
        return Result(status=self.status, output=output)

    def start(self, command: str) -> Path:
        """Starts a command in the background and gives the file with its output."""
        log = self.folder / f".background-{len(self.daemons)}.log"
        log.touch()
        started = self.run(f"{command} >{shlex.quote(str(log))} 2>&1 & echo $!")
        self.daemons.append((int(started.output.split()[-1]), command, log))
        return log

    def lives(self, number: int) -> bool:
        """Whether what was started as number ``number`` still runs."""
        return self.run(f"kill -0 {self.daemons[number][0]}").status == 0

    def environment(self) -> dict[str, str]:
        """The variables that a command would get now."""
        pairs = (line.partition("=") for line in self.run("env -0").output.split("\0"))
        return {name: value for name, _, value in pairs if name}

    def stop_daemons(self) -> list[tuple[str, int, str]]:
        """Ends what runs in the background, the newest first; gives command, exit status and output of each."""
        ended = []
        for pid, command, log in reversed(self.daemons):
            self.run(f"kill -TERM {pid}")
            status = self.run(f"wait {pid}").status
            ended.append((command, status, log.read_text(errors="replace")))
        self.daemons.clear()
        return ended

    def close(self) -> None:
        """Ends the shell, and by force what it left."""
        for pid, _, _ in self.daemons:
            self.process.poll()
            subprocess.run(["kill", "-KILL", str(pid)], capture_output=True, check=False)
        self.process.kill()
        self.process.communicate()


class Python:
    """One Python process that runs the blocks of a page in one namespace."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        program = Path(__file__).with_name("interpreter.py")
        self.process = subprocess.Popen(
            [sys.executable, str(program), str(writing)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=dict(environment),
            pass_fds=[writing],
        )
        os.close(writing)
        self.answers = os.fdopen(reading, "rb")

    def run(self, code: str, file: Path, line: int) -> str:
        """Runs a block and gives what it printed; fails with its traceback if it raised."""
        assert self.process.stdin is not None
        request = {"code": code, "file": str(file), "line": line}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(read_until(self.answers, b"\n", f"the Python code at {file}:{line}"))
        assert answer["error"] is None, f"{file}:{line}: {answer['error']}\nIt printed:\n{answer['output']}"
        return str(answer["output"])

    def close(self) -> None:
        """Ends the session."""
        self.process.kill()
        self.process.communicate()
        self.answers.close()
