"""``whatsnext jobs watch``: lines for people, lines for programs, and an end."""

import json
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from tests.cli.shell import PROGRAM, Shell
from tests.support import Daemon, wait_until
from tests.support.server import clean_environment
from whatsnext_client.commands.jobs.happening import words
from whatsnext_client.commands.jobs.watch import moment
from whatsnext_core.model import Event, EventKind

K = EventKind


def event(kind: EventKind, **data: Any) -> Event:
    return Event(id=1, project_id=1, job_id=17, kind=kind, at=datetime.now(UTC), data=data)


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (K.SUBMITTED, {"to": "PENDING"}, "was submitted and is PENDING"),
        (K.CLAIMED, {"to": "QUEUED", "fence": 2, "client": "gpu-1"}, "is QUEUED on gpu-1, attempt 2"),
        (K.CLAIMED, {"to": "QUEUED", "fence": 1}, "is QUEUED on a client without a name, attempt 1"),
        (K.STARTED, {"client": "gpu-1"}, "is RUNNING on gpu-1"),
        (K.COMPLETED, {"client": "gpu-1", "exit_code": 0}, "is COMPLETED by gpu-1"),
        (K.FAILED, {"cause": "exit", "exit_code": 3}, "is FAILED: exit, exit code 3"),
        (K.FAILED, {}, "is FAILED: no cause given"),
        (
            K.RETRYING,
            {"cause": "oom", "delay": 90.0},
            "failed (oom) and is PENDING again; the next attempt may begin in 1m30s",
        ),
        (
            K.RETRYING,
            {"cause": "exit", "exit_code": 1},
            "failed (exit, exit code 1) and is PENDING again; the next attempt may begin at once",
        ),
        (K.LOST, {"client": "gpu-1"}, "was lost by gpu-1 and is PENDING again"),
        (K.RELEASED, {"client": "gpu-1"}, "was given back by gpu-1 and is PENDING again"),
        (K.CANCEL_REQUESTED, {"client": "gpu-1"}, "is to be cancelled; gpu-1 must confirm it"),
        (K.UPDATED, {"fields": ["name", "priority"]}, "was changed: name, priority"),
    ],
)
def test_event_is_told_in_words(kind: EventKind, data: dict[str, Any], expected: str) -> None:
    assert words(event(kind, **data)) == expected


def test_every_kind_has_words() -> None:
    assert all(words(event(kind)) for kind in EventKind)


def test_moment_is_a_time_or_how_long_ago() -> None:
    assert moment("2026-01-31T12:00:00Z") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert moment("2026-01-31T12:00").tzinfo is UTC
    assert 3_590 < (datetime.now(UTC) - moment("1h")).total_seconds() < 3_700
    for bad in ("yesterday", "1e300"):
        with pytest.raises(click.BadParameter, match="neither a time"):
            moment(bad)


def test_watching_jobs_shows_what_happened_and_ends_with_them(shell: Shell) -> None:
    good, other = shell.add("say", "--name", "good", "--param", "text=1"), shell.add("say", "--name", "other")
    shell.call("jobs", "cancel", str(other))
    with shell.worker():
        shell.call("jobs", "wait", str(good))
    lines = shell.call("jobs", "watch", str(good), "--since", "1h").stdout.splitlines()
    assert all(line[8:].startswith(f"  job {good} (good) ") for line in lines)
    assert "was submitted and is PENDING" in lines[0]
    assert "is QUEUED on worker-" in lines[1]
    assert "is COMPLETED by worker-" in lines[-1]
    done = shell.call("jobs", "watch", str(good), str(other), "--since", "1h", "--json", "--kind", "cancelled", code=1)
    assert [json.loads(line)["job_id"] for line in done.stdout.splitlines()] == [other]
    assert f"Job {other} is CANCELLED." in done.stderr
    assert shell.call("jobs", "watch", str(good)).stdout == ""


def test_watching_a_project_goes_on_as_it_happens(shell: Shell) -> None:
    argv = [PROGRAM, "jobs", "watch", "--json", "--kind", "submitted,CANCELLED"]
    with Daemon(
        argv, shell.folder / "watch.log", cwd=shell.folder, env={**clean_environment(), **shell.settings}
    ) as it:

        def seen(job: int) -> list[str]:
            assert it.alive(), it.tail()
            events = [json.loads(line) for line in it.log.read_text().splitlines()]
            return [event["kind"] for event in events if event["job_id"] == job]

        wait_until(lambda: seen(shell.add("say")), 60, "it listens")
        job = shell.add("say")
        shell.call("jobs", "retry", str(job), code=1)
        shell.call("jobs", "cancel", str(job))
        wait_until(lambda: seen(job) == ["submitted", "cancelled"], 60, "both events have come")


def test_bad_question_is_refused(shell: Shell) -> None:
    assert "exploded" in shell.refused("jobs", "watch", "--kind", "exploded", code=2)
    assert "yesterday" in shell.refused("jobs", "watch", "--since", "yesterday", code=2)
    assert "1,001 jobs" in shell.refused("jobs", "watch", "1-1001", code=2)
    assert "not found" in shell.refused("jobs", "watch", "999999999")
