"""``whatsnext jobs wait``: follows jobs until all of them have ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from whatsnext_client.commands.base.failures import RefusedError
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import duration, parse_ids

if TYPE_CHECKING:
    from whatsnext_client.rest import Document, Rest

OPEN = ("PENDING", "QUEUED", "RUNNING")
"""A job with one of these may still come to an end by itself; a BLOCKED one needs a person."""
STATUSES = (*OPEN, "COMPLETED", "FAILED", "CANCELLED", "BLOCKED")
FEW = 20
"""Jobs that are asked for one by one, and problems that are listed."""


@click.command(
    "wait",
    cls=Command,
    examples=[
        "whatsnext jobs wait 17 18",
        "whatsnext jobs wait 20-1019 --timeout 2h",
        "whatsnext --project digits jobs wait",
    ],
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--timeout", type=duration, metavar="TIME", help="Give up after so long: 90, 10m, 2h.")
@common_options
@pass_session
def wait(session: Session, ids: tuple[str, ...], *, timeout: float | None) -> None:
    """Wait until jobs have ended: those with these ids, or all of the project.

    Ends with exit code 0 if all are COMPLETED, and with 1, naming the others, if not. A BLOCKED job counts as ended: it
    runs only after a person retries what it waits for. Each ID is a number or a range such as 17-20.
    """
    api = session.patient_api
    watched: Watched = Chosen(api, parse_ids(ids)) if ids else Whole(api, session.project)
    deadline = None if timeout is None else time.monotonic() + timeout
    counts = watched.counts()
    with _progress(session, counts) as show:
        while any(counts[status] for status in OPEN):
            begin = time.monotonic()
            if deadline is not None and begin >= deadline:
                unfinished = sum(counts[status] for status in OPEN)
                raise RefusedError(f"{_jobs(unfinished)} {_have(unfinished)} not ended after {timeout:g} seconds.")
            time.sleep(watched.pause if deadline is None else min(watched.pause, max(0.0, deadline - begin)))
            counts = watched.counts()
            show(counts)
    _conclude(session, watched, counts)


class Watched(Protocol):
    """The jobs that are waited for."""

    pause: float
    """Seconds between two looks."""

    def counts(self) -> dict[str, int]:
        """Return how many of them are in each status now."""
        ...

    def unsuccessful(self) -> list[Document]:
        """Return some of those that ended otherwise than COMPLETED."""
        ...


class Whole:
    """All jobs of a project."""

    pause = 0.3

    def __init__(self, api: Rest, project: Document) -> None:
        self._api = api
        self._project_id = project["id"]

    def counts(self) -> dict[str, int]:
        """Return how many jobs the project has in each status."""
        return {**dict.fromkeys(STATUSES, 0), **self._api.counts(self._project_id)}

    def unsuccessful(self) -> list[Document]:
        """Return the first few that ended otherwise."""
        return self._api.jobs(project_id=self._project_id, status="FAILED,CANCELLED,BLOCKED", limit=FEW)


class Chosen:
    """Jobs by their ids. Those that ended are not looked at again."""

    def __init__(self, api: Rest, ids: list[int]) -> None:
        self.pause = 0.2
        self._api = api
        self._open = set(ids)
        self._ended: dict[str, int] = dict.fromkeys(STATUSES, 0)
        self._unsuccessful: list[Document] = []

    def counts(self) -> dict[str, int]:
        """Return how many of them are in each status; a look at very many is followed by a longer pause."""
        begin = time.monotonic()
        now = dict.fromkeys(OPEN, 0)
        for job in sorted(self._look(), key=lambda job: int(job["id"])):
            if job["status"] in OPEN:
                now[job["status"]] += 1
            else:
                self._open.discard(job["id"])
                self._ended[job["status"]] += 1
                if job["status"] != "COMPLETED":
                    self._unsuccessful.append(job)
        self.pause = max(0.2, 5 * (time.monotonic() - begin))
        return {**self._ended, **now}

    def unsuccessful(self) -> list[Document]:
        """Return those that ended otherwise."""
        return self._unsuccessful

    def _look(self) -> Iterator[Document]:
        if len(self._open) <= FEW:
            yield from map(self._api.job, sorted(self._open))
            return
        seen: set[int] = set()
        for job in self._listed(min(self._open), max(self._open)):
            if job["id"] in self._open:
                seen.add(job["id"])
                yield job
        for job_id in sorted(self._open - seen):
            yield self._api.job(job_id)

    def _listed(self, first: int, last: int) -> Iterator[Document]:
        after = first - 1
        while page := self._api.jobs(order="oldest", after_id=after, before_id=last + 1, limit=1000):
            yield from page
            after = page[-1]["id"]


def _conclude(session: Session, watched: Watched, counts: Mapping[str, int]) -> None:
    total, completed = sum(counts.values()), counts["COMPLETED"]
    bad = watched.unsuccessful() if completed < total else []
    found: dict[str, Any] = {status: number for status, number in counts.items() if number}
    if session.output.as_json:
        session.output.document({"counts": found, "unsuccessful": bad})
    if completed < total:
        lines = [f"Job {job['id']} ({job['name']}) is {job['status']}{_why(job)}." for job in bad[:FEW]]
        if total - completed > len(lines):
            lines.append(f"... and {total - completed - len(lines):,} more.")
        raise RefusedError("\n".join([f"{total - completed:,} of {_jobs(total)} did not complete:", *lines]))
    if not session.output.as_json:
        session.output.say(
            f"{'All ' if total > 1 else ''}{_jobs(total)} completed." if total else "There is no job to wait for."
        )


@contextmanager
def _progress(session: Session, counts: Mapping[str, int]) -> Iterator[Any]:
    """Shows a bar on a terminal; yields what moves it on."""
    if not sys.stderr.isatty() or not any(counts[status] for status in OPEN):
        yield len
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    layout = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*layout, console=session.output.console(), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(counts: Mapping[str, int]) -> None:
            words = "  ".join(f"{number:,} {status.lower()}" for status, number in counts.items() if number)
            ended = sum(number for status, number in counts.items() if status not in OPEN)
            bar.update(task, completed=ended, total=sum(counts.values()), description=words)

        show(counts)
        yield show


def _why(job: Document) -> str:
    from whatsnext_client.commands.base import columns

    note = columns.note(job)
    return f": {note.rstrip('.')}" if note else ""


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
