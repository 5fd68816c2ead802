"""How an attempt ended, as the server is told."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeGuard

from attrs import evolve

from whatsnext_client.engine.records import Held
from whatsnext_client.engine.results import read_result
from whatsnext_client.verdict import read_verdict
from whatsnext_core.errors import InvalidError
from whatsnext_core.formatting import Execution
from whatsnext_core.model import AttemptEnd, Cause, LogPiece
from whatsnext_core.model.limits import MAX_RESULT

_WORDS: Final[Mapping[Cause | None, str]] = {
    Cause.CANCELLED: "It was cancelled.",
    Cause.LOST: "The worker was stopped before it had ended.",
}


def end_of(held: Held, execution: Execution) -> AttemptEnd:
    """Return the report of an attempt whose execution has ended.

    What this worker did to it outweighs what the job says, and that what the engine says: a cancelled job that exits
    with 0 was cancelled all the same, and one that says that it has failed did not succeed.
    """
    value, complaint = None, ""
    cause, message, stop_siblings = held.stopping, _WORDS.get(held.stopping, execution.message), False
    if held.stopping is Cause.TIMEOUT:
        message = f"It ran longer than its timeout of {held.timeout:g} seconds."
    elif held.leaving:
        message = "The machine that it ran on is taken away; it had not ended in time."
    if held.stopping in {None, Cause.PROMISED}:
        said, left = (None, None) if held.left_nothing else (held.verdict_file, held.result_file)
        verdict, confusion = read_verdict(said) if _is_there(said) else (None, "")
        value, complaint = read_result(left) if _is_there(left) else (None, "")
        if verdict is not None:
            cause, message, stop_siblings = Cause.PROMISED, verdict.message, verdict.stop_siblings
        elif confusion:
            cause, message = Cause.PROMISED, confusion
        elif cause is None and not execution.succeeded:
            cause = execution.cause or Cause.EXIT
    end = partial(
        AttemptEnd,
        job_id=held.job_id,
        fence=held.fence,
        succeeded=cause is None,
        cause=cause,
        duration=_duration(held, execution),
        result=value,
        stop_siblings=stop_siblings,
    )
    words = " ".join(part for part in (message, complaint) if part)
    try:
        return end(
            message=words,
            exit_code=execution.exit_code,
            peak_memory=execution.peak_memory,
            cpu_seconds=execution.cpu_seconds,
        )
    except (InvalidError, TypeError) as error:
        return end(message=f"{words} The engine reported nonsense: {error}".strip())


def _is_there(path: Path | None) -> TypeGuard[Path]:
    """Return whether there is such a file; what else may be wrong with it shows when it is read."""
    if path is None:
        return False
    try:
        os.stat(path)  # noqa: PTH116 - each job comes here
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    return True


def _duration(held: Held, execution: Execution) -> float | None:
    if held.in_turn and execution.duration is not None:
        return execution.duration  # it may have waited before
    return None if held.started is None else max(0.0, time.monotonic() - held.started)


def failure(held: Held, cause: Cause, message: str) -> AttemptEnd:
    """Return the report of an attempt that never came to an end of its own."""
    return AttemptEnd(job_id=held.job_id, fence=held.fence, succeeded=False, cause=cause, message=message)


def with_words(end: AttemptEnd, words: str) -> AttemptEnd:
    """Return the report with further words in its message."""
    return evolve(end, message=f"{end.message} {words}".strip()) if words else end


def cancelled_late(end: AttemptEnd) -> AttemptEnd:
    """Return the report of an attempt that is cancelled when it has ended, and before anybody was told of that."""
    if end.cause is Cause.CANCELLED:
        return end
    words = "It was cancelled when it had ended, before all that it left had arrived."
    return evolve(end, succeeded=False, cause=Cause.CANCELLED, message=words, result=None, stop_siblings=False)


def report_size(held: Held) -> int:
    """Return the bytes that the report of an attempt's end takes, at most."""
    if held.end is None:
        return 0
    result = 0 if held.end.result is None else MAX_RESULT
    return 200 + len(held.end.message) * 4 + result + sum(200 + len(piece.data) * 4 // 3 for piece in held.output)


def note_taken(settled: Iterable[Held], pieces: Iterable[LogPiece], sizes: Iterable[int | None]) -> None:
    """Note of which attempts the server has the output that went with their ends; ``sizes`` is what it says of it."""
    taken: Counter[str] = Counter()
    for piece, size in zip(pieces, sizes, strict=False):
        taken[f"{piece.job_id}-{piece.fence}"] += size is None or size >= piece.end
    for held in settled:
        if held.output:
            held.logs_done = taken[held.key] == len(held.output)
