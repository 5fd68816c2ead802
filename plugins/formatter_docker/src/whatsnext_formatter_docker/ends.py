"""What the end of a container means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from whatsnext_core.formatting import Execution, ExecutionState
from whatsnext_core.formatting.ends import describe_end
from whatsnext_core.model import Cause
from whatsnext_formatter_docker.runtime import Container

REFUSED: Final = 125
"""Exit code of ``docker run`` if the engine refused the container."""
UNSTARTED: Final = frozenset({126, 127})
"""Exit codes if the command could not be executed in the container, or if it itself ended so."""
TAIL: Final = 8192
_HINT = re.compile(r"^(See|Run) '(docker|podman) run --help'")
_UNSTARTED = re.compile(r"^(\[FATAL tini|exec(ing)? |Error: (crun|runc))")
_UNSTARTED_BY_INIT = re.compile(r"^ERROR \(catatonit:\d+\): failed to exec pid1: ")
"""What Podman's init process says, whose exit code is 1 then."""


def judge(container: Container | None, follower: Execution, stderr: Path) -> Execution | None:
    """Return how an execution ended whose follower has ended; None if its container still runs.

    ``container`` is None if there is none of its name: the engine refused it, or somebody has removed it.
    """
    if container is None:
        if follower.exit_code == REFUSED:
            return _failed(last_words(stderr))
        if follower.exit_code is None or follower.exit_code < 0:
            return _lost("Its container does not exist any more, and nobody saw how it ended.")
        return describe_end(follower.exit_code, stderr)
    if container.running or container.status in ("paused", "restarting"):
        return None
    if container.status in ("created", "configured", "initialized"):
        return _failed(container.error or last_words(stderr) or "Its container was made and never started.")
    code = container.exit_code
    if code in UNSTARTED and (container.error or _UNSTARTED.match(last_words(stderr))):
        return _failed(container.error or last_words(stderr), code)
    if code == 1 and (words := _UNSTARTED_BY_INIT.match(last := last_words(stderr))):
        return _failed(f"{container.program}: {last.removeprefix(words[0])}", code)
    return describe_end(code, stderr, out_of_memory=container.out_of_memory and code != 0)


def last_words(stderr: Path) -> str:
    """Return the last line of a standard error that says something, without the hint where help is found."""
    try:
        text = stderr.read_bytes()[-TAIL:].decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line and not _HINT.match(line)), "")


def _failed(message: str, code: int | None = None) -> Execution:
    words = f"The container could not be started: {message}"
    return Execution(state=ExecutionState.ENDED, cause=Cause.ENGINE, exit_code=code, message=words)


def _lost(message: str) -> Execution:
    return Execution(state=ExecutionState.ENDED, cause=Cause.LOST, message=message)
