"""What the scenarios cannot see: a failed job that comes back, or goes, before all its siblings were stopped."""

from collections.abc import Sequence

import pytest

from whatsnext_core.memory import MemoryStorage
from whatsnext_core.memory.stopping import AT_ONCE
from whatsnext_core.model import Cause, JobStatus
from whatsnext_core.testing.storage import Story


@pytest.fixture
def story() -> Story:
    return Story(MemoryStorage())


@pytest.fixture
def sweep(story: Story) -> Sequence[int]:
    """Jobs of which the first has failed, and too many for one step."""
    task = story.task()
    jobs = story.jobs(task, AT_ONCE + 10)
    story.job(task, after=jobs)
    taken = story.take()
    story.end(taken, Cause.PROMISED, stop_siblings=True)
    return jobs


def test_the_rest_goes_on_when_the_failed_job_is_retried(story: Story, sweep: Sequence[int]) -> None:
    assert story.status(sweep[1]) is JobStatus.CANCELLED
    story.retry(sweep[0])
    story.settle()
    assert story.statuses([sweep[0], sweep[1], sweep[-1]]) == ["PENDING", "CANCELLED", "PENDING"]


def test_the_rest_goes_on_when_the_failed_job_is_deleted(story: Story, sweep: Sequence[int]) -> None:
    story.delete(sweep[0])
    story.settle()
    assert story.statuses([sweep[1], sweep[-1]]) == ["CANCELLED", "PENDING"]


def test_siblings_that_are_gone_or_done_are_passed_over(story: Story, sweep: Sequence[int]) -> None:
    story.delete(sweep[-1])
    story.finish(sweep[-2])
    story.settle()
    assert story.statuses(sweep[-4:-1]) == ["CANCELLED", "CANCELLED", "COMPLETED"]
