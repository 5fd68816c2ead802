"""Slurm's own commands, as pilots need them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from whatsnext_autoscale_slurm.pilots import Pilot, PilotState, Tag
from whatsnext_core.errors import WhatsNextError

TIMEOUT: Final = 30.0
"""Seconds that one command may take."""
KEPT: Final = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
"""Variables of Slurm that a command of ours gets; the others are those of an allocation that the autoscaler runs in."""
KEY: Final = "WHATSNEXT_API_KEY"
"""A variable that is handed on in another way: Slurm would keep it with the job."""
AWAY: Final = re.compile(
    r"contact slurm|timed out|temporarily|connection (refused|reset)|communication connection|connection failure"
    r"|zero bytes|standby mode|backup controller|transport endpoint",
    re.IGNORECASE,
)
"""How Slurm says that it cannot answer now."""
FIELDS: Final = "%i|%T|%V|%S|%e|%r|%k"
PENDING: Final = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD"})
RUNNING: Final = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"})
AS_IT_SHOULD: Final = frozenset({"COMPLETED", "CANCELLED", "PREEMPTED", "TIMEOUT", "DEADLINE"})


class SlurmAwayError(WhatsNextError):
    """Slurm does not answer."""


class SlurmRefusedError(WhatsNextError):
    """Slurm refuses a pilot."""


def submit(options: Sequence[str], script: str) -> str:
    """Return the id of the job that ``sbatch`` made of a script.

    Raises:
        SlurmRefusedError: Slurm refuses it; the message is Slurm's.
        SlurmAwayError: Slurm does not answer; it may have taken the job all the same.
    """
    done = _call(["sbatch", "--parsable", *options], data=script)
    if done.returncode == 0:
        return done.stdout.strip().partition(";")[0]
    words = _words(done.stderr) or f"sbatch ended with exit code {done.returncode}"
    raise (SlurmAwayError if AWAY.search(words) else SlurmRefusedError)(words)


def pilots(name: str) -> list[Pilot]:
    """Return the pilots of the autoscaler of this name that Slurm knows.

    Raises:
        SlurmAwayError: Slurm does not answer.
    """
    argv = ["squeue", "--me", "--all", "--noheader", "--states=all", f"--format={FIELDS}"]
    done = _call(argv, SLURM_TIME_FORMAT="%s")
    if done.returncode:
        raise SlurmAwayError(_words(done.stderr) or f"squeue ended with exit code {done.returncode}")
    found = (_pilot(line, name) for line in done.stdout.splitlines())
    return [pilot for pilot in found if pilot is not None]


def withdraw(jobs: Iterable[str]) -> None:
    """Cancel those of the jobs that still wait.

    Raises:
        SlurmAwayError: Slurm does not answer.
    """
    _cancel(["--state=PENDING", *jobs])


def terminate(jobs: Iterable[str]) -> None:
    """Send SIGTERM to the batch scripts of running jobs.

    Raises:
        SlurmAwayError: Slurm does not answer.
    """
    _cancel(["--batch", "--signal=TERM", "--state=RUNNING", *jobs])


def cancel(jobs: Iterable[str]) -> None:
    """Cancel jobs, whatever they do.

    Raises:
        SlurmAwayError: Slurm does not answer.
    """
    _cancel(list(jobs))


def _cancel(arguments: Sequence[str]) -> None:
    done = _call(["scancel", *arguments])
    if done.returncode and AWAY.search(words := _words(done.stderr)):
        raise SlurmAwayError(words)


def _pilot(line: str, name: str) -> Pilot | None:
    job, state, submitted, started, ended, reason, comment = line.split("|", 6)
    tag = Tag.parse(comment.strip())
    if tag is None or tag.name != name:
        return None
    stands = _STATES.get(state) or (PilotState.ENDED if state in AS_IT_SHOULD else PilotState.FAILED)
    return Pilot(
        id=tag.id,
        job=job,
        shape=tag.shape,
        state=stands,
        submitted_at=_time(submitted) or 0.0,
        started_at=None if stands is PilotState.PENDING else _time(started),
        ended_at=None if stands.is_live else _time(ended),
        reason=_reason(stands, state, reason),
    )


_STATES: Final[Mapping[str, PilotState]] = {
    **dict.fromkeys(PENDING, PilotState.PENDING),
    **dict.fromkeys(RUNNING, PilotState.RUNNING),
}


def _reason(stands: PilotState, state: str, reason: str) -> str:
    if stands is PilotState.PENDING:
        return "" if reason == "None" else reason
    if stands is PilotState.FAILED:
        return state if reason in {"None", ""} else f"{state}, {reason}"
    return ""


def _time(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() else None


@frozen
class _Done:
    returncode: int
    stdout: str
    stderr: str


def _call(argv: Sequence[str], *, data: str = "", **variables: str) -> _Done:
    try:
        done = subprocess.run(
            argv,
            input=data.encode(errors="surrogateescape"),
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
            env={**_environment(os.environ), **variables},
        )
    except subprocess.TimeoutExpired as error:
        raise SlurmAwayError(f"{argv[0]} did not answer within {TIMEOUT:g} seconds") from error
    except FileNotFoundError as error:
        raise SlurmRefusedError(
            f"The program {argv[0]!r} does not exist on this machine; run the autoscaler where Slurm's commands are, "
            f"as on a login node."
        ) from error
    return _Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("SLURM_") or name in KEPT}
    kept.pop(KEY, None)
    return kept


def _words(text: str) -> str:
    """What a command of Slurm complains about, in one line without its own name."""
    lines = (line.strip() for line in text.splitlines())
    return "; ".join(re.sub(r"^\w+: (error|fatal): ", "", line) for line in lines if line)
