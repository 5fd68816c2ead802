"""What a server remembers of lines, and when it looks again."""

from datetime import UTC, datetime, timedelta

from tests.support import wait_until
from whatsnext_storage_sql.connection.clock import ASK_AGAIN, SharedClock
from whatsnext_storage_sql.queue.recall import BEGINNING, MANY, KnownLine, Recall

LINE = KnownLine((1, 1), "{}")


def test_line_is_searched_from_behind_the_jobs_that_left_it() -> None:
    recall = Recall()
    recall.remember((1,), [LINE])
    recall.found((1, 1), (0, 5))
    recall.left((1, 1), [(0, 5), (0, 6), (0, 9)], {5, 6})
    assert recall.first((1, 1)) == (0, 7)


def test_job_that_was_passed_over_is_not_forgotten() -> None:
    recall = Recall()
    recall.remember((1,), [LINE])
    recall.left((1, 1), [(0, 5), (0, 6), (0, 9)], {5, 9})
    assert recall.first((1, 1)) == (0, 6)


def test_job_that_enters_before_is_found() -> None:
    recall = Recall()
    recall.remember((1,), [LINE])
    recall.found((1, 1), (0, 5))
    recall.entered([(1, 1, 0, 9), (1, 1, 0, 3)])
    assert recall.first((1, 1)) == (0, 3)
    recall.entered([(1, 1, -7, 20)])
    assert recall.first((1, 1)) == (-7, 20)


def test_new_line_and_undone_work_make_it_look_again() -> None:
    recall = Recall()
    recall.remember((1,), [LINE])
    assert recall.lines((1,)) == [LINE]
    assert recall.lines(None) is None
    recall.entered([(1, 2, 0, 1)])
    assert recall.lines((1,)) is None
    assert recall.first((1, 1)) == BEGINNING
    recall.remember(None, [LINE])
    recall.forget()
    assert recall.lines(None) is None


def test_it_looks_again_after_a_while() -> None:
    recall = Recall()
    recall.remember(None, [LINE])
    wait_until(lambda: recall.lines(None) is None)


def test_it_does_not_grow_with_what_is_asked() -> None:
    recall = Recall()
    for number in range(MANY + 1):
        recall.remember((number,), [LINE])
    assert recall.lines((0,)) is None
    assert recall.lines((MANY,)) == [LINE]


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
