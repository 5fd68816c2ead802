"""The state machine runs on the model itself, and sees when a storage differs from it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

import hypothesis
import pytest
from attrs import evolve
from hypothesis import Phase

from whatsnext_core.memory import MemoryStorage
from whatsnext_core.memory.writer import MemoryWriter
from whatsnext_core.model import Assignment, AttemptEnd, AttemptRef, EndOutcome, Job, JobSpec
from whatsnext_core.storage import ClaimRequest, Renewal, Settled, Storage
from whatsnext_core.testing.machine import check_against_model

FEW = hypothesis.settings(max_examples=25, stateful_step_count=30, deadline=None, derandomize=True)
MANY = hypothesis.settings(FEW, max_examples=400, phases=[Phase.generate], print_blob=False)


class Faulty(MemoryStorage):
    """A storage whose transactions have a fault."""

    def __init__(self, writer: type[MemoryWriter]) -> None:
        super().__init__()
        self._writer = writer

    @contextmanager
    def write(self) -> Iterator[MemoryWriter]:
        with super().write():
            yield self._writer(self._state)


class ForgetsEdges(MemoryWriter):
    def submit(
        self, project_id: int, specs: Sequence[JobSpec], now: datetime, submission: int | None = None
    ) -> Sequence[int]:
        return super().submit(project_id, [evolve(spec, depends={}) for spec in specs], now, submission)


class GivesTheWorst(MemoryWriter):
    def claim(self, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
        return super().claim(request, now)[::-1]


class TakesStaleEnds(MemoryWriter):
    def finish(self, ends: Sequence[AttemptEnd], session_id: str | None, now: datetime) -> Sequence[EndOutcome]:
        return [evolve(outcome, accepted=True) for outcome in super().finish(ends, session_id, now)]


class RenewsForTooLong(MemoryWriter):
    def renew(self, refs: Sequence[AttemptRef], session_id: str, lease: timedelta, now: datetime) -> Renewal:
        return super().renew(refs, session_id, lease * 2, now)


class SettlesTooEarly(MemoryWriter):
    def settle(self, now: datetime, limit: int) -> Settled:
        return super().settle(now + timedelta(seconds=1), limit)


class CancelsTwice(MemoryWriter):
    def cancel(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        return super().cancel([*job_ids, *job_ids], now)[: len(job_ids)] if len(job_ids) > 1 else []


@contextmanager
def opened(make: Callable[[], Storage]) -> Iterator[Storage]:
    yield make()


def test_model_agrees_with_itself() -> None:
    check_against_model(partial(opened, MemoryStorage), FEW)


@pytest.mark.parametrize(
    "writer", [ForgetsEdges, GivesTheWorst, TakesStaleEnds, RenewsForTooLong, SettlesTooEarly, CancelsTwice]
)
def test_machine_sees_a_fault(writer: type[MemoryWriter]) -> None:
    with pytest.raises(AssertionError):
        check_against_model(partial(opened, partial(Faulty, writer)), MANY)
