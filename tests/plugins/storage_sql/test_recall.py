"""What a storage remembers of lines, and when it looks again."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support import wait_until
from whatsnext_core.model import Requirement
from whatsnext_storage_sql.connection.clock import ASK_AGAIN, SharedClock
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.queue.recall import LONG_AGO, MANY, KnownLine, Recall

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = (1, 1)
LINE = KnownLine(key=KEY, requirement=Requirement(), jobs=(), is_read=False).begins((0, 5), NOW)


@pytest.fixture
def recall() -> Recall:
    """It knows one line, which begins with job 5."""
    recall = Recall()
    recall.remember((1,), [LINE], 0.0)
    return recall


def since(recall: Recall) -> datetime:
    """Since when the first job could start, as far as is known."""
    (line,) = recall.lines((1,)) or [LINE.begins(None)]
    return line.jobs[0].since


def test_line_begins_behind_the_jobs_that_left_it(recall: Recall) -> None:
    recall.left(KEY, [(0, 5), (0, 6), (0, 9)], {5, 6})
    assert recall.first(KEY) == (0, 7)
    assert since(recall) == LONG_AGO  # nobody knows how long the next one has waited


def test_job_that_was_passed_over_is_not_forgotten(recall: Recall) -> None:
    recall.left(KEY, [(0, 5), (0, 6), (0, 9)], {5, 9})
    assert recall.first(KEY) == (0, 6)
    recall.left(KEY, [(0, 6), (0, 9)], {9})
    assert recall.first(KEY) == (0, 6)


def test_line_begins_behind_its_first_job_when_that_is_taken_out(recall: Recall) -> None:
    recall.leaving([(1, 1, 0, 8), (2, 1, 0, 5)])
    assert (recall.first(KEY), since(recall)) == ((0, 5), NOW)
    recall.leaving([(1, 1, 0, 5)])
    assert (recall.first(KEY), since(recall)) == ((0, 6), LONG_AGO)


def test_job_that_enters_before_is_found(recall: Recall) -> None:
    recall.entered([(1, 1, 0, 9), (1, 1, 0, 3)], to_micros(NOW + timedelta(1)))
    assert (recall.first(KEY), since(recall)) == ((0, 3), NOW + timedelta(1))
    recall.entered([(1, 1, -7, 20)])
    assert (recall.first(KEY), since(recall)) == ((-7, 20), LONG_AGO)


def test_empty_line_is_passed_over_until_somebody_enters_it(recall: Recall) -> None:
    recall.begins(KEY, None)
    assert recall.lines((1,)) == []
    recall.entered([(1, 1, 0, 30)], to_micros(NOW))
    assert recall.lines((1,)) == [LINE.begins((0, 30), NOW)]


def test_line_of_a_paused_project_is_known_and_not_shown() -> None:
    recall = Recall()
    recall.remember(
        None, [LINE.begins((0, 5)), KnownLine(key=(2, 1), requirement=Requirement(), jobs=(), is_open=False)], 0
    )
    recall.entered([(2, 1, 0, 9)])
    assert [line.key for line in recall.lines(None) or ()] == [KEY]


def test_new_line_and_undone_work_make_it_look_again(recall: Recall) -> None:
    assert recall.lines((1,)) == [LINE]
    assert recall.lines(None) is None
    recall.entered([(2, 2, 0, 1)])  # a project that it did not look at
    assert recall.lines((1,)) == [LINE]
    recall.entered([(1, 2, 0, 1)])
    assert recall.lines((1,)) is None
    assert recall.first(KEY) is None
    recall.remember(None, [LINE], 0.0)
    recall.entered([(2, 2, 0, 1)])
    assert recall.lines(None) is None
    recall.remember(None, [LINE], 0.0)
    recall.forget()
    assert recall.lines(None) is None


def test_what_others_wrote_makes_it_look_again(recall: Recall) -> None:
    recall.check(None)
    assert recall.lines((1,)) == [LINE]
    recall.check(7)
    assert recall.lines((1,)) is None


def test_it_looks_again_after_a_while_unless_nobody_else_writes() -> None:
    shared, own = Recall(), Recall(is_alone=True)
    for recall in (shared, own):
        recall.remember(None, [LINE], 0.0)
    wait_until(lambda: shared.lines(None) is None)
    assert own.lines(None) == [LINE]


def test_it_looks_less_often_where_that_takes_long() -> None:
    quick, slow = Recall(), Recall()
    quick.remember(None, [LINE], 0.0)
    slow.remember(None, [LINE], 60.0)
    wait_until(lambda: quick.lines(None) is None)
    assert slow.lines(None) == [LINE]


def test_it_does_not_grow_with_what_is_asked() -> None:
    recall = Recall()
    for number in range(MANY + 1):
        recall.remember((number,), [LINE], 0.0)
    assert recall.lines((0,)) is None
    assert recall.lines((MANY,)) == []


def test_shared_clock_carries_an_answer_on_and_never_goes_back() -> None:
    answers = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)]
    asked = iter(answers)
    present = [100.0]
    clock = SharedClock(lambda: next(asked), lambda: present[0])
    assert clock.now() == answers[0]
    present[0] += 0.25
    assert clock.now() == answers[0] + timedelta(seconds=0.25)
    present[0] += ASK_AGAIN
    assert clock.now() == answers[1]
    present[0] += 2 * ASK_AGAIN
    assert clock.now() == answers[1]
