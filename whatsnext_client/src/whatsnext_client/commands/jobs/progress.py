"""The progress of a large submission on a terminal: jobs read, bytes sent, and then the server's work."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

    from whatsnext_client.commands.base.session import Session

T = TypeVar("T")

STEP = 1_000
"""Jobs after which the number is shown anew; fewer need no bar."""


class Silence:
    """No progress, where nobody looks."""

    def reading(self, jobs: Iterable[T]) -> Iterable[T]:
        """Return the jobs."""
        return jobs

    def sending(self, jobs: int, size: int) -> None:
        """Begin to send so many bytes."""

    def sent(self, place: int) -> None:
        """Note how many bytes went out."""


class Bars(Silence):
    """A line for each phase, that goes when the submission is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._size = 0
        self._jobs = 0

    def reading(self, jobs: Iterable[T]) -> Iterator[T]:
        """Yields the jobs, and shows their number."""
        task = None
        for number, job in enumerate(jobs, 1):
            yield job
            if number % STEP == 0:
                task = self._progress.add_task("", total=None) if task is None else task
                self._progress.update(task, description=f"checked {number:,} jobs")
        if task is not None:
            self._progress.remove_task(task)

    def sending(self, jobs: int, size: int) -> None:
        """Begins the phase of sending."""
        self._jobs, self._size = jobs, size
        if jobs >= STEP:
            self._progress.add_task(f"sending {jobs:,} jobs, {size / 1e6:.1f} MB", total=size)

    def sent(self, place: int) -> None:
        """Moves the bar on; at its end the server's work begins."""
        if self._jobs < STEP:
            return
        task = self._progress.task_ids[-1]
        self._progress.update(task, completed=place)
        if place >= self._size:
            self._progress.remove_task(task)
            self._progress.add_task(f"the server writes {self._jobs:,} jobs", total=None)
            self._size = sys.maxsize


@contextmanager
def progress(session: Session) -> Iterator[Silence]:
    """Shows the progress of a submission on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield Silence()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    layout = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*layout, console=session.output.console(), transient=True) as bars:
        yield Bars(bars)
