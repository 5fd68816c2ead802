"""How a job says that it has failed, before its process has ended: a small file that ``WHATSNEXT_VERDICT`` names.

The file holds ``{"failed": "loss is NaN", "stop_siblings": true}``. The worker that finds it ends the job, which is
then FAILED with cause ``promised`` and these words. With ``stop_siblings`` the other jobs are cancelled for which a
common child waits, such as the rest of a sweep. No server is needed for any of this.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final, NoReturn

from attrs import frozen

from whatsnext_core.errors import InvalidError
from whatsnext_core.model.limits import MAX_RESULT, shorten

VARIABLE: Final = "WHATSNEXT_VERDICT"
"""The variable that names the file."""
KEYS: Final = frozenset({"failed", "stop_siblings"})


@frozen(kw_only=True)
class Verdict:
    """What a job says of itself."""

    message: str
    """Why it has failed."""
    stop_siblings: bool = False
    """Whether its siblings shall be cancelled."""


def fail(message: str, *, stop_siblings: bool = False) -> NoReturn:
    """End this process, and the job that it is part of, as failed with cause ``promised`` and this message.

    The job is not retried, unless the retry policy of its task names that cause. Outside of a job this only ends the
    process: the message goes to the standard error, and the exit code is 1.

    Args:
        message: What went wrong, for the people who look at the job.
        stop_siblings: Whether the other jobs shall be cancelled for which a common child waits, such as the rest of a
            sweep.

    Raises:
        SystemExit: always.
    """
    if os.environ.get(VARIABLE):
        write_verdict(Verdict(message=message, stop_siblings=stop_siblings))
    raise SystemExit(message)


def write_verdict(verdict: Verdict) -> None:
    """Write down what the job that this process is part of says of itself; the worker sees all of it or nothing.

    Raises:
        InvalidError: this process is no part of a job, or there is no message.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        raise InvalidError(f"{VARIABLE} is not set, so this is no job of a worker; only a job can say that it failed.")
    if not verdict.message.strip():
        raise InvalidError("The message is empty; say what went wrong.")
    content = json.dumps({"failed": verdict.message, "stop_siblings": verdict.stop_siblings})
    if len(content) > MAX_RESULT:
        raise InvalidError(f"The message has {len(verdict.message)} characters; say it in fewer.")
    fresh = Path(f"{path}.{os.getpid()}")
    fresh.write_text(content, encoding="ascii")
    fresh.replace(path)


def read_verdict(path: Path) -> tuple[Verdict | None, str]:
    """Return what the job says and "", or None and why it cannot be read; None and "" if it says nothing."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_RESULT + 1)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"Its verdict could not be read: {error.strerror}."
    if not data.strip():
        return None, ""
    try:
        return _verdict(json.loads(data)), ""
    except (ValueError, RecursionError, InvalidError) as error:
        return None, f"Its verdict cannot be read: {error}"


def _verdict(value: Any) -> Verdict:
    if not isinstance(value, dict) or not {"failed"} <= value.keys() <= KEYS:
        raise InvalidError(f'it is {shorten(value)}; write {{"failed": "why", "stop_siblings": true}}.')
    message, stop = value["failed"], value.get("stop_siblings", False)
    if not isinstance(message, str) or not message.strip():
        raise InvalidError(f"'failed' is {shorten(message)}; write the reason as text.")
    if not isinstance(stop, bool):
        raise InvalidError(f"'stop_siblings' is {shorten(stop)}; write true or false.")
    return Verdict(message=message, stop_siblings=stop)
