"""The program runai: how it is called, and what its answers mean."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from whatsnext_core.errors import EngineError
from whatsnext_core.model.limits import shorten
from whatsnext_formatter_runai.states import Seen, find, name_of, status_of

TIMEOUT: Final = 60.0
"""Seconds that one call may take."""
AWAY: Final = re.compile(
    r"connection (refused|reset)|unable to connect|timed? ?out|timeout|no such host|temporarily|unexpected EOF"
    r"|service unavailable|bad gateway|too many requests|\b(429|500|502|503|504)\b|deadline exceeded",
    re.IGNORECASE,
)
"""How runai says that it cannot reach its control plane now, and not that it never will."""
EXISTS: Final = re.compile(r"already exists", re.IGNORECASE)
ABSENT: Final = re.compile(r"not found|does not exist", re.IGNORECASE)


class AwayError(Exception):
    """Run:ai does not answer."""


@frozen(kw_only=True)
class Program:
    """Calls of runai for one project."""

    project: Sequence[str]
    """The option that names the project, or nothing."""

    def submit(self, argv: Sequence[str]) -> None:
        """Submit a job; one of this name that is there already is the same one.

        Raises:
            EngineError: Run:ai refuses it; the message is its own.
            AwayError: Run:ai does not answer; it may have taken the job all the same.
        """
        done = _call(argv)
        if done.returncode and not EXISTS.search(words := _words(done)):
            if AWAY.search(words):
                raise AwayError(words)
            raise EngineError(f"Run:ai refused the job: {words}.")

    def look(self) -> Mapping[str, Seen]:
        """Return what Run:ai says of all jobs of the project, by name.

        Raises:
            AwayError: Run:ai does not answer, or nothing that can be read.
        """
        done = self._ask("list", "jobs", "--json")
        if done.returncode:
            raise AwayError(_words(done))
        try:
            document: Any = json.loads(done.stdout or b"[]")
        except ValueError as error:
            raise AwayError(f"runai answered {shorten(done.stdout)}, which is no list of jobs") from error
        if isinstance(document, Mapping):
            document = next((value for value in document.values() if isinstance(value, list)), None)
        if not isinstance(document, list) or not all(isinstance(each, Mapping) and name_of(each) for each in document):
            raise AwayError(f"runai answered {shorten(done.stdout)}, which is no list of jobs")
        return {name_of(each): Seen(status=status_of(each), document=each) for each in document}

    def describe(self, name: str) -> Mapping[str, Any]:
        """Return how the container of a job ended, as far as Run:ai tells: an empty object if it does not."""
        try:
            done = self._ask("describe", "job", name, "-o", "json")
            return find(json.loads(done.stdout), "terminated") if done.returncode == 0 else {}
        except (AwayError, EngineError, ValueError):
            return {}

    def delete(self, name: str) -> None:
        """Delete a job: its program gets SIGTERM, and, after the time of grace that the cluster sets, SIGKILL.

        Raises:
            AwayError: Run:ai does not answer.
        """
        done = self._ask("delete", "job", name)
        if done.returncode and not ABSENT.search(words := _words(done)):
            raise AwayError(words)

    def logs(self, name: str, *, follow: bool) -> list[str]:
        """Return the call that writes a job's output."""
        return ["runai", "logs", name, *self.project, *(["-f"] if follow else [])]

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return _call(["runai", *arguments, *self.project])


def _call(argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise AwayError(f"runai {argv[1]} did not end within {TIMEOUT:g} seconds") from error
    except FileNotFoundError as error:
        raise EngineError(
            "The program 'runai' does not exist on this machine; the Run:ai formatter needs it on the worker's PATH, "
            "logged in to the control plane."
        ) from error
    except (OSError, ValueError) as error:
        raise EngineError(f"runai cannot be run: {error}.") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    """What runai complains about, in one line."""
    text = (done.stderr or done.stdout).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines).rstrip(".") or f"runai ended with exit code {done.returncode}"
