"""What a worker does about its predecessor: goes on with what runs, reports what ended, ends what nobody knows of."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
from attrs import field, frozen

from whatsnext_client.engine.folder import StateFolder
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.runner import Runner
from whatsnext_core.formatting.family import all_processes
from whatsnext_core.model import AttemptEnd

_log = logging.getLogger(__name__)

SCRATCH: Final = "WHATSNEXT_SCRATCH"
"""The variable by which a job's process is known to belong to an attempt."""


@frozen(kw_only=True)
class Legacy:
    """What an earlier process of a worker left."""

    running: tuple[Held, ...] = field(default=())
    """What goes on."""
    ended: tuple[tuple[Held, AttemptEnd], ...] = field(default=())
    """What ended, with how."""
    confirmed: tuple[Held, ...] = field(default=())
    """What the server knows to have ended, with output left to send."""


def take_over(folder: StateFolder, runner: Runner) -> Legacy:
    """Return what an earlier process of this worker left, and clear away what cannot be used."""
    now, clock = time.monotonic(), time.time()
    running: list[Held] = []
    ended: list[Held] = []
    confirmed: list[Held] = []
    kept: set[str] = set()
    for record in folder.journal.records():
        kept.add(record.key)
        held = Held.from_record(record, now, clock)
        if record.end is not None:
            (confirmed if record.confirmed else ended).append(held)
        elif not runner.understands(record):
            _log.warning("%s was started by a worker with %s, and is left to such a one", held, record.formatter)
        elif (end := runner.adopt(record, held)) is not None:
            held.end = end
            ended.append(held)
        else:
            running.append(held)
    end_strays(folder, kept)
    folder.discard_others(kept)
    for held in running:
        _log.info("Going on with %s", held)
    reported = tuple((held, held.end) for held in ended if held.end is not None)
    return Legacy(running=tuple(running), ended=reported, confirmed=tuple(confirmed))


def end_strays(folder: StateFolder, known: Collection[str]) -> None:
    """Kill the processes of attempts that there is no record of: the predecessor died just as it started them."""
    for process in all_processes():
        with suppress(psutil.Error, OSError):
            scratch = process.environ().get(SCRATCH)
            if scratch is None:
                continue
            path = Path(scratch)
            if path.parent == folder.attempts and path.name not in known:
                _log.warning("Killing process %d of attempt %s, which nobody knows of", process.pid, path.name)
                process.kill()
