"""The program kubectl: how it is called, and what its answers mean."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection, Sequence
from typing import Any, Final

from attrs import frozen

from whatsnext_core.errors import EngineError
from whatsnext_core.model.limits import shorten
from whatsnext_formatter_kubernetes.manifest import CONTAINER, NAME, WORKER

TIMEOUT: Final = 40.0
"""Seconds that one call may take."""
REQUEST_TIMEOUT: Final = "--request-timeout=30s"
AWAY: Final = re.compile(
    r"unable to connect to the server|connection (to the server .* was )?refused|connection reset|timed? ?out|timeout"
    r"|ServiceUnavailable|TooManyRequests|InternalError|currently unable to handle|etcdserver|deadline exceeded"
    r"|unexpected EOF|no such host|exceeded quota|object has been modified",
    re.IGNORECASE,
)
"""How kubectl says that the cluster cannot answer or take a job now, and not that it never will."""
EXISTS: Final = re.compile(r"\(AlreadyExists\)")


class AwayError(Exception):
    """The cluster does not answer, or takes no jobs for a while."""


@frozen(kw_only=True)
class Kubectl:
    """Calls of kubectl for one namespace of one cluster."""

    namespace: str
    """The namespace."""
    context: str | None = None
    """The context of its configuration; None for the current one."""

    def argv(self, *arguments: str) -> list[str]:
        """Return a call."""
        context = [] if self.context is None else [f"--context={self.context}"]
        return ["kubectl", *context, f"--namespace={self.namespace}", *arguments]

    def create(self, manifest: bytes) -> None:
        """Create a job; one of this name that is there already is the same one.

        Raises:
            EngineError: Kubernetes refuses it; the message is its own.
            AwayError: the cluster does not answer; the job may have been created all the same.
        """
        done = self._call(["create", REQUEST_TIMEOUT, "-f", "-", "-o", "name"], manifest)
        if done.returncode and not EXISTS.search(words := _words(done)):
            if AWAY.search(words):
                raise AwayError(words)
            raise EngineError(f"Kubernetes refused the job: {words}.")

    def look(self, workers: Collection[str]) -> list[dict[str, Any]]:
        """Return the jobs and pods of these workers.

        Raises:
            AwayError: the cluster does not answer, or nothing that can be read.
        """
        selector = f"{WORKER} in ({','.join(sorted(workers))})"
        done = self._call(["get", REQUEST_TIMEOUT, "jobs,pods", "-l", selector, "-o", "json"])
        if done.returncode:
            raise AwayError(_words(done))
        try:
            items = json.loads(done.stdout)["items"]
            return [item for item in items if item["kind"] in {"Job", "Pod"} and item["metadata"]["labels"][NAME]]
        except (ValueError, KeyError, TypeError) as error:
            raise AwayError(f"kubectl answered {shorten(done.stdout)}, which is no list of jobs and pods") from error

    def delete(self, names: Collection[str], grace: int) -> None:
        """Delete jobs with their pods: their programs get SIGTERM, and after ``grace`` seconds (at least 1) SIGKILL.

        Raises:
            AwayError: the cluster does not answer.
        """
        selector = f"{NAME} in ({','.join(sorted(names))})"
        ways = [f"--grace-period={max(1, grace)}", "--wait=false", "--ignore-not-found"]
        done = self._call(["delete", REQUEST_TIMEOUT, "pods,jobs", "-l", selector, *ways])
        if done.returncode:
            raise AwayError(_words(done))

    def send(self, signal: str, pod: str) -> bool:
        """Send a signal to the program in a pod, and return whether that worked: the image needs ``kill``."""
        words = ["kill", "-s", signal.removeprefix("SIG"), "1"]
        try:
            return self._call(["exec", REQUEST_TIMEOUT, pod, "-c", CONTAINER, "--", *words]).returncode == 0
        except AwayError:
            return False

    def logs(self, pod: str, *, follow: bool) -> list[str]:
        """Return the call that writes a pod's output."""
        return self.argv("logs", *(["--follow"] if follow else []), pod, "-c", CONTAINER)

    def _call(self, arguments: Sequence[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        argv = self.argv(*arguments)
        try:
            return subprocess.run(argv, input=data, capture_output=True, check=False, timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise AwayError(f"kubectl {arguments[0]} did not end within {TIMEOUT:g} seconds") from error
        except FileNotFoundError as error:
            raise EngineError(
                "The program 'kubectl' does not exist on this machine; the Kubernetes formatter needs it on the "
                "worker's PATH, with a configuration that reaches the cluster."
            ) from error
        except OSError as error:
            raise EngineError(f"kubectl cannot be run: {error.strerror}.") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    """What kubectl complains about, in one line."""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines).rstrip(".") or f"kubectl ended with exit code {done.returncode}"
