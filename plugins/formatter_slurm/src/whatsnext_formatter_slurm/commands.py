"""Slurm's own commands: how they are called, and what their answers mean."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from whatsnext_core.errors import EngineError
from whatsnext_formatter_slurm.states import Seen

TIMEOUT: Final = 30.0
"""Seconds that one command may take."""
KEPT: Final = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
"""Variables of Slurm that a command of ours gets; the others are those of an allocation that the worker runs in."""
AWAY: Final = re.compile(
    r"contact slurm|timed out|temporarily|connection (refused|reset)|communication connection|connection failure"
    r"|zero bytes|standby mode|backup controller|transport endpoint|MaxSubmitJob",
    re.IGNORECASE,
)
"""How Slurm says that it cannot take a job now, and not that it never will."""
UNHEARD: Final = re.compile(r"connect failure|connection refused|MaxSubmitJob", re.IGNORECASE)
"""How it says so when it certainly has not taken the job."""
MINUTES: Final = len("2026-01-31T12:00")
"""How much is taken of a time: an expected start moves by seconds all the time."""
FIELDS: Final = "JobID:|,State:|,Reason:|,exit_code:|,StartTime:|,Comment:|"
ACCOUNTED: Final = "JobIDRaw,State,ExitCode,SubmitLine"


class AwayError(Exception):
    """The controller does not answer, or takes no jobs for a while."""

    @property
    def heard(self) -> bool:
        """Whether it may have done what it was asked for."""
        return UNHEARD.search(str(self)) is None


def submit(argv: Sequence[str], script: bytes, cwd: str | None) -> str:
    """Return the id of the job that ``sbatch`` made of a script.

    Raises:
        EngineError: Slurm refuses the job; the message is Slurm's.
        AwayError: the controller does not answer; the job may have been taken all the same.
    """
    done = _call(argv, script, cwd)
    words = _words(done.stderr)
    if done.returncode == 0:
        return done.stdout.decode().strip().partition(";")[0]
    if AWAY.search(words):
        raise AwayError(words)
    raise EngineError(f"Slurm refused the job: {words or f'sbatch ended with exit code {done.returncode}'}.")


def queue() -> tuple[dict[str, Seen], dict[str, str]]:
    """Return what the controller says of this user's jobs, and their comments, both by id.

    Raises:
        AwayError: the controller does not answer.
    """
    argv = ["squeue", "--me", "--all", "--noheader", "--states=all", f"--Format={FIELDS}"]
    done = _ask(argv)
    if done.returncode:
        raise AwayError(_words(done.stderr) or f"squeue ended with exit code {done.returncode}")
    seen: dict[str, Seen] = {}
    comments: dict[str, str] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        job, state, reason, code, start, comment = line.split("|", 5)
        seen[job] = Seen(
            state=state,
            code=_exit_code(code),
            reason="" if reason == "None" else reason,
            start="" if start == "N/A" else start[:MINUTES].replace("T", " "),
        )
        comments[job] = comment.rstrip("|")
    return seen, comments


def accounting(tokens: Mapping[str, str]) -> dict[str, Seen] | None:
    """Return how jobs ended that the controller has forgotten, by id, from Slurm's accounting; None if there is none.

    Where a controller lost its state, the accounting has jobs that run for ever, or that nobody has cancelled, and
    others under the same ids. That tells not how a job ended, so only what was submitted with its token counts.

    Raises:
        AwayError: the accounting does not answer.
    """
    border = secrets.token_hex(8)  # names of jobs may have lines that look like any other
    argv = ["sacct", "--noheader", "--allocations", "--parsable2", f"--delimiter={border}", f"--format={ACCOUNTED}"]
    try:
        done = _ask([*argv, f"--jobs={','.join(tokens)}"])
    except EngineError:
        return None
    words = _words(done.stderr)
    if done.returncode or "disabled" in words:
        if "disabled" in words:
            return None
        raise AwayError(words)
    seen = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        job, *fields = line.split(border)
        if len(fields) != 3 or fields[0] == "CANCELLED":  # noqa: PLR2004
            continue
        state, code, order = fields
        number, _, by_signal = code.partition(":")
        found = Seen(state=state.split()[0].rstrip("+"), code=-int(by_signal) if by_signal != "0" else int(number))
        if found.ended and f"--comment={tokens[job]}" in order.split():
            seen[job] = found
    return seen


def send(signal: str, jobs: Sequence[str]) -> None:
    """Send a signal to all processes of running jobs; SIGKILL ends waiting ones too.

    Raises:
        AwayError: the controller does not answer.
    """
    full = [] if signal == "SIGKILL" else ["--full"]
    _cancel([*full, f"--signal={signal.removeprefix('SIG')}", *jobs])


def withdraw(jobs: Sequence[str]) -> None:
    """Cancel those of the jobs that still wait.

    Raises:
        AwayError: the controller does not answer.
    """
    _cancel(["--state=PENDING", *jobs])


def _cancel(arguments: Sequence[str]) -> None:
    done = _ask(["scancel", *arguments])
    if done.returncode and AWAY.search(words := _words(done.stderr)):
        raise AwayError(words)


def _ask(argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    return _call(argv, b"", None)


def _call(argv: Sequence[str], data: bytes, cwd: str | None) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            argv, input=data, capture_output=True, check=False, timeout=TIMEOUT, env=_environment(os.environ), cwd=cwd
        )
    except subprocess.TimeoutExpired as error:
        raise AwayError(f"{argv[0]} did not answer within {TIMEOUT:g} seconds") from error
    except FileNotFoundError as error:
        if cwd is not None and not Path(cwd).is_dir():
            raise EngineError(
                f"The working directory {cwd!r} does not exist on this machine; create it, or set another."
            ) from error
        raise EngineError(
            f"The program {argv[0]!r} does not exist on this machine; the Slurm formatter needs a worker on a "
            f"login node, with Slurm's commands on its PATH."
        ) from error
    except OSError as error:
        raise EngineError(f"{argv[0]} cannot be run: {error.strerror}.") from error


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("SLURM_") or name in KEPT}


def _words(text: bytes) -> str:
    """What a command of Slurm complains about, in one line without its own name."""
    lines = text.decode(errors="replace").splitlines()
    return "; ".join(re.sub(r"^\w+: (error|fatal): ", "", line.strip()) for line in lines if line.strip())


def _exit_code(text: str) -> int | None:
    """The exit code in what ``wait`` gave for a batch script."""
    return os.waitstatus_to_exitcode(int(text)) if text.isdecimal() else None
