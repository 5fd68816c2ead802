"""``whatsnext jobs watch``: what happens to jobs, line by line, as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from whatsnext_client.commands.base.failures import RefusedError
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.output import STYLES, clean
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import parse_duration, parse_ids
from whatsnext_client.commands.jobs.waiting import OPEN

if TYPE_CHECKING:
    from whatsnext_client.rest import Rest
    from whatsnext_core.model import Event

MOST = 1_000
"""Jobs that can be watched by their ids."""
FEW = 20
"""Names that are asked for one by one."""
REMEMBERED = 100_000
"""Names that are kept."""


def moment(text: str) -> datetime:
    """Return the time that ``2026-01-31T12:00`` names, here unless it says where, or so long ago as ``1h30m`` says."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
        except (ValueError, OverflowError):
            raise click.BadParameter(
                f"{text!r} is neither a time such as 2026-01-31T12:00 nor how long ago, such as 90, 10m or 2h."
            ) from None
    return found.astimezone(UTC)


@click.command(
    "watch",
    cls=Command,
    examples=[
        "whatsnext --project digits jobs watch",
        "whatsnext jobs watch 17 20-25",
        "whatsnext --project digits jobs watch --since 1h --kind failed,lost",
        "whatsnext --project digits jobs watch --json | jq -r .kind",
    ],
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--since", type=moment, metavar="TIME", help="Begin so long ago (10m, 2h), or at a time, not now.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only events of this kind; may be repeated.")
@common_options
@pass_session
def watch(session: Session, ids: tuple[str, ...], *, since: datetime | None, kinds: tuple[str, ...]) -> None:
    """Print what happens to jobs, as it happens: to those with these ids, or to all of the project.

    With ids it ends once all of them have ended, with exit code 0 if all are COMPLETED, and 1 if not; a BLOCKED job
    counts as ended. Without, it goes on until Ctrl+C. It outlives a restart of the server, and shows what happened
    meanwhile. With --json each event is one line. Each ID is a number or a range such as 17-20.
    """
    from whatsnext_client.events import EventStream, parameters

    api, wanted = session.patient_api, parse_ids(ids)
    if len(wanted) > MOST:
        raise click.BadParameter(f"{len(wanted):,} jobs are named; name at most {MOST:,}, or watch the project.")
    project_id = None if wanted else session.project["id"]
    shown = _kinds(kinds)
    only = parameters(project_id=project_id, job_ids=wanted, kinds=sorted(shown))
    lines = Lines(session, api)
    place = None
    if since is not None:
        for page, after in api.event_pages(only, since=since):
            lines.show(page)
            place = after
    listening = parameters(project_id=project_id, job_ids=wanted) if wanted else only
    with EventStream(api.transport, listening, after=place) as stream:
        watched = Watched(api, wanted)
        batches = stream.batches()
        while not (wanted and watched.have_ended()):
            batch = next(batches)
            watched.see(batch)
            lines.show([event for event in batch if not shown or event.kind.value in shown])
    watched.conclude()


def _kinds(texts: Sequence[str]) -> frozenset[str]:
    """Return the kinds that are named, one by one or separated by commas."""
    from whatsnext_core.errors import InvalidError
    from whatsnext_core.model import EventKind

    try:
        return frozenset(EventKind.parse(part.strip()) for text in texts for part in text.split(",") if part.strip())
    except InvalidError as error:
        raise click.BadParameter(str(error)) from None


class Lines:
    """Prints events, each with the name of its job."""

    def __init__(self, session: Session, api: Rest) -> None:
        self._as_json = session.output.as_json
        self._api = api
        self._names: dict[int, str] = {}

    def show(self, events: Sequence[Event]) -> None:
        """Prints events."""
        from whatsnext_core.converters import to_json

        if self._as_json:
            for event in events:
                click.echo(json.dumps(to_json(event)))
            return
        self._learn({event.job_id for event in events} - self._names.keys())
        for event in events:
            click.echo(self._line(event))

    def _line(self, event: Event) -> str:
        from whatsnext_client.commands.jobs.happening import words

        name = self._names.get(event.job_id)
        called = f"job {event.job_id} ({name})" if name else f"job {event.job_id}"
        status = event.data.get("to")
        text = clean(words(event))
        if status in STYLES:
            text = text.replace(status, click.style(status, fg=STYLES[status]))
        return f"{event.at.astimezone():%H:%M:%S}  {clean(called)} {text}"

    def _learn(self, job_ids: set[int]) -> None:
        """Ask for names: of many jobs at once where their ids lie together."""
        if len(self._names) > REMEMBERED:
            self._names.clear()
        for first, last in _runs(sorted(job_ids)):
            for job in self._api.jobs(after_id=first - 1, before_id=last + 1, limit=last - first + 1):
                self._names[job["id"]] = job["name"]


class Watched:
    """The jobs that were named, and where they stand."""

    def __init__(self, api: Rest, ids: Sequence[int]) -> None:
        self._statuses: dict[int, str] = {}
        for first, last in _runs(sorted(ids)):
            for job in api.jobs(after_id=first - 1, before_id=last + 1, limit=last - first + 1):
                self._statuses[job["id"]] = job["status"]
        missing = [job_id for job_id in ids if job_id not in self._statuses]
        if missing:
            raise RefusedError(f"Job with id {missing[0]} not found.")

    def see(self, events: Sequence[Event]) -> None:
        """Take in what happened."""
        for event in events:
            if event.job_id in self._statuses:
                status = "DELETED" if event.kind.value == "deleted" else event.data.get("to")
                self._statuses[event.job_id] = status or self._statuses[event.job_id]

    def have_ended(self) -> bool:
        """Return whether none of them will come to an end by itself any more."""
        return not any(status in OPEN for status in self._statuses.values())

    def conclude(self) -> None:
        """Raise RefusedError, naming them, if some ended otherwise than COMPLETED."""
        bad = [f"Job {job_id} is {status}." for job_id, status in self._statuses.items() if status != "COMPLETED"]
        if bad:
            more = [f"... and {len(bad) - FEW:,} more."] if len(bad) > FEW else []
            raise RefusedError("\n".join([*bad[:FEW], *more]))


def _runs(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yields first and last of the runs of ids that one list may give."""
    place = 0
    while place < len(ids):
        last = place
        while last + 1 < len(ids) and ids[last + 1] - ids[place] < MOST:
            last += 1
        yield ids[place], ids[last]
        place = last + 1


__all__ = ["watch"]
