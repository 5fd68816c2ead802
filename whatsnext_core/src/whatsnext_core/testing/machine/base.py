"""Two storages that get the same calls and must give the same answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from whatsnext_core.errors import WhatsNextError
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import Attempt, Job
from whatsnext_core.storage import JobQuery, Storage, Writer
from whatsnext_core.testing.machine.snapshot import EVERYTHING, comparable, ready_jobs, snapshot

UNKNOWN = 9_999
"""An id that no scenario reaches."""


class SideBySide(RuleBasedStateMachine):
    """The model and the storage under test."""

    fresh: ClassVar[Callable[[], AbstractContextManager[Storage]]]
    """Opens an empty storage for the length of one example."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.model = MemoryStorage()
        self.subject = self._stack.enter_context(type(self).fresh())
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.submissions: dict[int, int] = {}
        """The open submissions: their numbers in the model and in the subject."""
        self.uploads: list[tuple[int, int]] = []
        """The files that were begun: their numbers in the model and in the subject, the newest first."""
        self.numbers = dict.fromkeys(("s1", "s2"), 0)
        """The last request of each session."""

    def teardown(self) -> None:
        """Close the storage under test."""
        self._stack.close()

    def both(self, act: Callable[[Writer], Any], act_on_subject: Callable[[Writer], Any] | None = None) -> Any:
        """Do the same to both, expect the same, compare all, and return what the model answered; None if it refused."""
        expected, refused = _answer(self.model, act)
        found, refused_too = _answer(self.subject, act_on_subject or act)
        assert refused == refused_too, f"the model raised {refused}, the storage {refused_too}"
        assert comparable(found) == comparable(expected)
        self.compare()
        return expected

    def compare(self) -> None:
        """Expect both to show the same."""
        expected, found = snapshot(self.model, self.now), snapshot(self.subject, self.now)
        for part, value in expected.items():
            assert found[part] == value, part

    def settle(self, limit: int = 100) -> None:
        """Settle both until nothing is due."""

        def act(writer: Writer) -> Any:
            while (settled := writer.settle(self.now, limit)).more:
                pass
            return settled

        self.both(act)

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def project_ids(self) -> list[int]:
        """Return the projects that there are."""
        with self.model.read() as reader:
            return [project.id for project in reader.projects(EVERYTHING)]

    def task_ids(self) -> list[int]:
        """Return the tasks that there are."""
        with self.model.read() as reader:
            return [task.id for task in reader.tasks(EVERYTHING)]

    def jobs(self) -> Sequence[Job]:
        """Return the jobs that there are."""
        with self.model.read() as reader:
            return reader.jobs(JobQuery(page=EVERYTHING))

    def job_ids(self) -> list[int]:
        """Return the ids of the jobs that there are."""
        return [job.id for job in self.jobs()]

    def ready(self) -> list[int]:
        """Return the ids of the jobs that could start now, best first."""
        return ready_jobs(self.model, self.now)

    def attempts(self) -> list[Attempt]:
        """Return the attempts that there are, live ones first."""
        with self.model.read() as reader:
            found = [attempt for job in self.jobs() if job.attempt for attempt in reader.attempts(job.id)]
        return sorted(found, key=lambda attempt: not attempt.status.is_live)


def one_of(ids: Collection[int]) -> st.SearchStrategy[int]:
    """Draw one of the ids, the newest first; seldom one that is not there."""
    return st.sampled_from([*sorted(ids, reverse=True)] * 4 + [UNKNOWN])


def some_of(ids: Collection[int]) -> st.SearchStrategy[list[int]]:
    """Draw one to three ids."""
    return st.lists(one_of(ids), min_size=1, max_size=3)


def _answer(storage: Storage, act: Callable[[Writer], Any]) -> tuple[Any, type[WhatsNextError] | None]:
    try:
        with storage.write() as writer:
            return act(writer), None
    except WhatsNextError as error:
        return None, type(error)
