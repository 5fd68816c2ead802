"""How an attempt ended, as the server is told."""

from __future__ import annotations

import time
from typing import Final

from attrs import evolve

from whatsnext_client.engine.records import Held
from whatsnext_client.engine.results import read_result
from whatsnext_core.errors import InvalidError
from whatsnext_core.formatting import Execution
from whatsnext_core.model import AttemptEnd, Cause

_WORDS: Final = {
    Cause.CANCELLED: "It was cancelled.",
    Cause.LOST: "The worker was stopped before it had ended.",
}


def end_of(held: Held, execution: Execution) -> AttemptEnd:
    """Return the report of an attempt whose execution has ended.

    What this worker did to it outweighs what the engine says: a cancelled job that exits with 0 was cancelled all the
    same.
    """
    value, complaint = (None, "") if held.stopping or held.result_file is None else read_result(held.result_file)
    cause = held.stopping or (None if execution.succeeded else execution.cause or Cause.EXIT)
    end = AttemptEnd(
        job_id=held.job_id,
        fence=held.fence,
        succeeded=cause is None,
        cause=cause,
        message=" ".join(part for part in (_message(held, execution), complaint) if part),
        duration=None if held.started is None else max(0.0, time.monotonic() - held.started),
        result=value,
    )
    try:
        return evolve(
            end,
            exit_code=execution.exit_code,
            peak_memory=execution.peak_memory,
            cpu_seconds=execution.cpu_seconds,
        )
    except (InvalidError, TypeError) as error:
        return evolve(end, message=f"{end.message} The engine reported nonsense: {error}".strip())


def failure(held: Held, cause: Cause, message: str) -> AttemptEnd:
    """Return the report of an attempt that never came to an end of its own."""
    return AttemptEnd(job_id=held.job_id, fence=held.fence, succeeded=False, cause=cause, message=message)


def _message(held: Held, execution: Execution) -> str:
    if held.stopping is Cause.TIMEOUT:
        return f"It ran longer than its timeout of {held.timeout:g} seconds."
    if held.leaving:
        return "The machine that it ran on is taken away; it had not ended in time."
    return _WORDS.get(held.stopping, execution.message) if held.stopping else execution.message
