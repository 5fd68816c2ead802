"""``whatsnext jobs logs``: what a job wrote, and what it goes on writing."""

from __future__ import annotations

import sys
import time
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Literal

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import job_id

if TYPE_CHECKING:
    from whatsnext_client.rest import LogPart, Rest

BOTH: tuple[Literal["stdout"], Literal["stderr"]] = ("stdout", "stderr")
MAY_RUN = ("PENDING", "QUEUED", "RUNNING")
"""A job that has one of these will perhaps begin to write."""
PART = 1_048_576
"""Bytes that one request asks for."""
QUICK, SLOW = 0.1, 2.0
"""Seconds between two looks: soon after something came, later when nothing does."""


@click.command(
    "logs",
    cls=Command,
    examples=[
        "whatsnext jobs logs 17",
        "whatsnext jobs logs 17 -f",
        "whatsnext jobs logs 17 --attempt 1 --stream stderr",
    ],
)
@click.argument("job_id", metavar="ID", type=job_id)
@click.option("--follow", "-f", is_flag=True, help="Go on until the attempt ends.")
@click.option(
    "--stream", type=click.Choice(["stdout", "stderr", "both"]), default="both", show_default=True, help="Which output."
)
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Of this attempt.  [default: the newest]")
@click.option("--tail", type=click.IntRange(0), metavar="BYTES", help="Only the last so many bytes of each stream.")
@common_options
@pass_session
def logs(session: Session, job_id: int, *, follow: bool, stream: str, attempt: int | None, tail: int | None) -> None:
    """Print what a job wrote: its standard output as standard output here, and its errors as errors."""
    api = session.patient_api if follow else session.api
    readers = [Reader(api, job_id, name, attempt, tail) for name in (BOTH if stream == "both" else [stream])]
    sinks: dict[str, BinaryIO] = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    if session.output.as_json:
        sinks = {name: BytesIO() for name in BOTH}
    elif stream != "both":
        sinks[stream] = sinks["stdout"]
    _copy(api, job_id, readers, sinks, follow=follow)
    if session.output.as_json:
        texts = {reader.stream: _text(sinks[reader.stream]) for reader in readers}
        session.output.document({"job_id": job_id, "attempt": max(reader.fence for reader in readers), **texts})
    elif not any(reader.fence for reader in readers):
        session.output.note(f"Job {job_id} has not begun to run, so it has written nothing.")


def _copy(api: Rest, job_id: int, readers: list[Reader], sinks: dict[str, BinaryIO], *, follow: bool) -> None:
    """Copies what the readers find, until there is no more; with ``follow`` until there never will be."""
    pause = QUICK
    while True:
        came = [reader.copy(sinks[reader.stream]) for reader in readers]
        if not follow or all(reader.complete for reader in readers):
            return
        if not any(reader.fence for reader in readers) and api.job(job_id)["status"] not in MAY_RUN:
            return
        pause = QUICK if any(came) else min(pause * 1.5, SLOW)
        time.sleep(pause)


def _text(sink: BinaryIO) -> str:
    """Return what was written, bytes that are no UTF-8 shown as escapes."""
    sink.seek(0)
    return sink.read().decode("utf-8", errors="backslashreplace")


class Reader:
    """Reads one stream of one attempt, from where it was left."""

    def __init__(self, api: Rest, job_id: int, stream: str, attempt: int | None, tail: int | None) -> None:
        self.stream = stream
        self.fence = attempt or 0
        self.complete = False
        self._api = api
        self._job_id = job_id
        self._offset = 0
        if tail is not None:
            self._offset = max(0, self._read(1).size - tail)

    def copy(self, sink: BinaryIO) -> bool:
        """Writes all that there is to ``sink`` and returns whether there was any."""
        begin = self._offset
        while True:
            part = self._read(PART)
            sink.write(part.gap(self._offset) + part.data)
            sink.flush()
            self._offset = max(self._offset, part.offset) + len(part.data)
            if not part.data or self._offset >= part.size:
                self.complete = part.complete and self._offset >= part.size
                return self._offset > begin

    def _read(self, limit: int) -> LogPart:
        """Return the next part; once an attempt is known, no newer one is read."""
        part = self._api.read_log(self._job_id, self.stream, offset=self._offset, limit=limit, fence=self.fence or None)
        self.fence = part.fence or self.fence
        return part
