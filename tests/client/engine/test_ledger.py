"""What a worker says to the server, and how it takes in the answers."""

import time
from datetime import UTC, datetime

import pytest
from attrs import evolve

from whatsnext_client.engine.ledger import IDLERS, MOST_ENDS, Ledger
from whatsnext_client.engine.records import NAMED_EVERY, Held, Stage
from whatsnext_core.model import (
    Allocation,
    Assignment,
    AttemptEnd,
    Capacity,
    Cause,
    Job,
    JobStatus,
    LogPiece,
    Requirement,
    Share,
    Task,
)
from whatsnext_core.resources import numbered_devices
from whatsnext_core.sync import Order, OrderKind, SyncRequest, SyncResponse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def assignment(job_id: int, *, allocation: Allocation | None = None) -> Assignment:
    """A claimed job, of one CPU unless said otherwise."""
    given = Allocation(cpu=1) if allocation is None else allocation
    task = Task(id=1, project_id=1, name="task", created_at=NOW, updated_at=NOW, requirement=Requirement())
    job = Job(
        id=job_id, name=f"job-{job_id}", project_id=1, task_id=1, task_name="task", parameters={}, priority=0,
        status=JobStatus.QUEUED, depends={}, created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return Assignment(job=job, task=task, fence=1, allocation=given)


def response(*assignments: Assignment, orders: tuple[Order, ...] = (), lease: float = 90.0) -> SyncResponse:
    """An answer of the server."""
    return SyncResponse(now=NOW, lease=lease, interval=20, num_pending=0, assignments=assignments, orders=orders)


def end(held: Held, *, result: object = None) -> AttemptEnd:
    """The end of an attempt that succeeded."""
    return AttemptEnd(job_id=held.job_id, fence=held.fence, succeeded=True, result=result)


def start(ledger: Ledger, held: Held) -> None:
    """Let an attempt run."""
    held.handle = {"pid": held.job_id}
    held.started, held.running = time.monotonic(), True
    ledger.started(held, time.monotonic())


def finish(ledger: Ledger, held: Held, *, result: object = None) -> None:
    """Let an attempt end, and its end be sent."""
    ledger.ended(held, end(held, result=result), time.monotonic())
    ledger.report(held, time.monotonic())


@pytest.fixture
def ledger() -> Ledger:
    """The ledger of a worker with 4 CPUs and 2 devices."""
    return Ledger(session_id="s", total=Capacity(cpu=4, devices=numbered_devices(2)), project_ids=(1,))


def claim(ledger: Ledger, *assignments: Assignment) -> tuple[Held, ...]:
    """Ask for jobs, and get these."""
    return ledger.answered(ledger.compose_prompt(), response(*assignments), time.monotonic()).fresh


def test_a_new_worker_asks_at_once_for_all_that_fits(ledger: Ledger) -> None:
    assert ledger.prompt_due() == 0.0
    request = ledger.compose_prompt()
    assert (request.want, request.wait, request.free.cpu) == (4 + IDLERS, 0.0, 4)
    assert request.project_ids == (1,)


def test_only_one_request_at_a_time_asks_for_jobs(ledger: Ledger) -> None:
    prompt = ledger.compose_prompt()
    assert ledger.hold_due() is None
    ledger.answered(prompt, response(), time.monotonic())
    held = ledger.compose_hold()
    assert held.want > 0
    assert held.wait > 0
    assert ledger.compose_prompt().want == 0


def test_requests_are_numbered(ledger: Ledger) -> None:
    numbers = []
    for _ in range(3):
        request = ledger.compose_prompt()
        numbers.append(request.request)
        ledger.answered(request, response(), time.monotonic())
    assert numbers == [1, 2, 3]


def test_room_is_given_back_with_the_request_that_reports_the_end(ledger: Ledger) -> None:
    device = Allocation(cpu=2, devices=(Share(device="0", millis=1000),))
    (held,) = claim(ledger, assignment(1, allocation=device))
    start(ledger, held)
    ledger.ended(held, end(held), time.monotonic())
    request = ledger.compose_hold()
    assert (request.free.cpu, [each.free for each in request.free.devices]) == (2, [0, 1000])
    assert [each.job_id for each in request.running] == [1]
    ledger.answered(request, response(), time.monotonic())
    ledger.report(held, time.monotonic())
    request = ledger.compose_prompt()
    assert (request.free.cpu, [each.free for each in request.free.devices]) == (4, [1000, 1000])
    assert [each.job_id for each in request.ended] == [1]
    assert request.running == ()
    news = ledger.answered(request, response(), time.monotonic())
    assert news.settled == (held,)
    assert ledger.held == {}


def test_an_attempt_that_waits_for_room_is_held_and_not_running(ledger: Ledger) -> None:
    claim(ledger, assignment(1))
    request = ledger.compose_hold()
    assert [ref.job_id for ref in request.held] == [1]
    assert request.running == ()
    assert request.free.cpu == 3


def test_what_was_named_a_moment_ago_is_named_again_only_by_held_requests(ledger: Ledger) -> None:
    (one, other) = claim(ledger, assignment(1), assignment(2))
    assert ledger.compose_prompt().held == ()
    assert [ref.job_id for ref in ledger.compose_hold().held] == [1, 2]
    one.lease_until -= 2 * NAMED_EVERY
    assert [ref.job_id for ref in ledger.compose_prompt().held] == [1]
    other.stopping = Cause.CANCELLED
    assert [ref.job_id for ref in ledger.compose_prompt().held] == [1, 2]
    start(ledger, other)
    request = ledger.compose_prompt()
    assert [start.job_id for start in request.running] == [2]
    other.stopping = None
    ledger.answered(request, response(), time.monotonic())
    assert ledger.compose_prompt().running == ()


def test_an_attempt_is_named_often_enough_for_a_short_lease(ledger: Ledger) -> None:
    request = ledger.compose_prompt()
    (held,) = ledger.answered(request, response(assignment(1), lease=0.8), time.monotonic() - 0.2).fresh
    assert [ref.job_id for ref in ledger.compose_prompt().held] == [held.job_id]


def test_the_server_soon_hears_that_an_attempt_runs(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    assert ledger.prompt_due() is None
    start(ledger, held)
    due = ledger.prompt_due()
    assert due is not None
    assert 0 < due - time.monotonic() < 1
    request = ledger.compose_prompt()
    ledger.answered(request, response(), time.monotonic())
    assert ledger.prompt_due() is None


def test_a_repeated_answer_brings_nothing_twice(ledger: Ledger) -> None:
    request = ledger.compose_prompt()
    assert len(ledger.answered(request, response(assignment(1)), time.monotonic()).fresh) == 1
    assert ledger.answered(request, response(assignment(1)), time.monotonic()).fresh == ()


def test_a_lease_counts_from_when_the_request_was_sent(ledger: Ledger) -> None:
    request = ledger.compose_prompt()
    (held,) = ledger.answered(request, response(assignment(1), lease=10.0), 100.0).fresh
    assert held.lease_until == 110.0


def test_a_released_attempt_is_named_until_the_server_knows(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    ledger.release(held)
    assert ledger.held == {}
    request = ledger.compose_prompt()
    assert [ref.job_id for ref in request.released] == [1]
    assert request.held == ()
    ledger.answered(request, response(), time.monotonic())
    assert ledger.is_clear
    assert ledger.compose_prompt().released == ()


def test_an_answer_to_what_was_asked_before_the_last_end_does_not_tell_whether_jobs_are_left(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    start(ledger, held)
    before = ledger.compose_hold()
    finish(ledger, held)
    with_end = ledger.compose_prompt()
    assert not ledger.is_clear_since(with_end)
    assert ledger.answered(with_end, response(), time.monotonic()).settled == (held,)
    assert (ledger.is_clear_since(before), ledger.is_clear_since(with_end)) == (False, True)


def test_an_answer_to_what_was_asked_before_a_job_was_given_back_does_not_either(ledger: Ledger) -> None:
    asked = ledger.compose_hold()
    assert ledger.is_clear_since(asked)
    beside = ledger.compose_prompt()
    (held,) = ledger.answered(asked, response(assignment(1)), time.monotonic()).fresh
    ledger.release(held)
    assert not ledger.is_clear_since(beside)
    assert ledger.is_clear_since(ledger.compose_prompt())


def test_a_worker_asks_at_once_when_an_attempt_was_lost(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    start(ledger, held)
    before = ledger.compose_hold()
    ledger.drop(held)
    assert not ledger.is_clear_since(before)
    assert ledger.prompt_due() == 0.0
    assert ledger.is_clear_since(ledger.compose_prompt())


def test_an_adopted_attempt_is_named_as_such_first(ledger: Ledger) -> None:
    held = Held(job_id=1, fence=1, name="job", allocation=Allocation(cpu=1), signal="SIGTERM", grace=1, timeout=None)
    start(ledger, held)
    ledger.adopt([held])
    request = ledger.compose_prompt()
    assert [ref.job_id for ref in request.adopted] == [1]
    assert request.running == ()
    assert request.free.cpu == 3
    ledger.answered(request, response(), time.monotonic())
    request = ledger.compose_prompt()
    assert request.adopted == ()
    assert [ref.job_id for ref in request.running] == [1]


def test_a_muted_attempt_is_not_spoken_of_but_keeps_its_room(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    start(ledger, held)
    ledger.mute(held)
    request = ledger.compose_prompt()
    assert (request.running, request.held, request.free.cpu) == ((), (), 3)


def test_a_worker_that_leaves_asks_for_no_jobs(ledger: Ledger) -> None:
    ledger.answered(ledger.compose_prompt(), response(), time.monotonic())
    held_request = ledger.compose_hold()
    ledger.take_jobs(False)
    assert ledger.prompt_due() == 0.0
    prompt = ledger.compose_prompt()
    assert prompt.want == 0
    ledger.answered(held_request, response(), time.monotonic())
    ledger.answered(prompt, response(), time.monotonic())
    assert ledger.is_clear
    assert ledger.hold_due() is None


def test_many_ends_go_in_several_requests(ledger: Ledger) -> None:
    attempts = claim(ledger, *(assignment(number + 1, allocation=Allocation()) for number in range(MOST_ENDS + 1)))
    for held in attempts:
        start(ledger, held)
        finish(ledger, held)
    first = ledger.compose_prompt()
    assert len(first.ended) == MOST_ENDS
    ledger.answered(first, response(), time.monotonic())
    assert len(ledger.compose_prompt().ended) == 1


def test_large_results_go_in_several_requests(ledger: Ledger) -> None:
    attempts = claim(ledger, *(assignment(number + 1, allocation=Allocation()) for number in range(100)))
    for held in attempts:
        start(ledger, held)
        finish(ledger, held, result="x" * 60_000)
    assert 1 <= len(ledger.compose_prompt().ended) < 60


def test_a_refused_end_is_sent_once_more_without_its_result_and_then_given_up(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    start(ledger, held)
    finish(ledger, held, result={"x": 1})
    assert ledger.refused(ledger.compose_prompt()) == ()
    again = ledger.compose_prompt()
    assert again.ended[0].result is None
    assert ledger.refused(again) == (held,)
    assert ledger.is_clear


def printed(held: Held, data: bytes = b"hello") -> tuple[LogPiece, ...]:
    """The last of what an attempt has written."""
    return (LogPiece(job_id=held.job_id, fence=held.fence, stream="stdout", offset=0, data=data),)


def test_little_output_goes_with_the_end(ledger: Ledger) -> None:
    one, other, silent = claim(ledger, *(assignment(number) for number in (1, 2, 3)))
    one.output, other.output = printed(one), printed(other)
    one.logs_done = other.logs_done = False
    for held in (one, other, silent):
        start(ledger, held)
        finish(ledger, held)
    request = ledger.compose_prompt()
    assert request.output == (*one.output, *other.output)
    settled = ledger.answered(request, evolve(response(), output=(5, 3)), time.monotonic()).settled
    assert settled == (one, other, silent)
    assert [held.logs_done for held in settled] == [True, False, True]


def test_output_that_the_server_says_nothing_of_is_not_taken_for_sent(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    held.output, held.logs_done = printed(held), False
    start(ledger, held)
    finish(ledger, held)
    ledger.answered(ledger.compose_prompt(), response(), time.monotonic())
    assert held.logs_done is False


def test_output_of_many_goes_in_several_requests(ledger: Ledger) -> None:
    attempts = claim(ledger, *(assignment(number + 1, allocation=Allocation()) for number in range(200)))
    for held in attempts:
        held.output = printed(held, bytes(16_000))
        start(ledger, held)
        finish(ledger, held)
    request = ledger.compose_prompt()
    assert 1 <= len(request.ended) == len(request.output) < 150


def test_a_refused_end_is_sent_once_more_without_its_output(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    held.output, held.logs_done = printed(held), False
    start(ledger, held)
    finish(ledger, held)
    assert ledger.refused(ledger.compose_prompt()) == ()
    again = ledger.compose_prompt()
    assert (len(again.ended), again.output) == (1, ())
    assert ledger.answered(again, response(), time.monotonic()).settled == (held,)
    assert held.logs_done is False


def test_orders_that_come_again_do_not_make_the_worker_ask_again_and_again(ledger: Ledger) -> None:
    (held,) = claim(ledger, assignment(1))
    start(ledger, held)
    request = ledger.compose_hold()
    order = Order(kind=OrderKind.CANCEL, job_id=1, fence=1)
    ledger.answered(request, response(orders=(order,)), time.monotonic())
    due = ledger.hold_due()
    assert due is not None
    assert due > time.monotonic()


def test_short_jobs_are_kept_in_stock_and_long_ones_are_not(ledger: Ledger) -> None:
    number = 0

    def run(count: int, duration: float) -> SyncRequest:
        nonlocal number
        for _ in range(count):
            number += 1
            (held,) = claim(ledger, assignment(number))
            start(ledger, held)
            assert held.started is not None
            held.started -= duration
            finish(ledger, held)
        return ledger.compose_prompt()

    stocked = run(30, 0.001)
    assert stocked.free.cpu > 4
    assert [each.free for each in stocked.free.devices] == [1000, 1000]
    ledger.answered(stocked, response(), time.monotonic())
    assert run(60, 10.0).free.cpu == 4


def test_a_worker_that_ignores_needs_counts_jobs() -> None:
    counting = Ledger(session_id="s", total=Capacity(cpu=100), project_ids=None, slots=2)
    (held,) = claim(counting, assignment(1, allocation=Allocation(cpu=64)))
    assert counting.compose_prompt().want == 1
    assert held.stage is Stage.WAITING


def test_a_failed_end_needs_a_cause() -> None:
    with pytest.raises(Exception, match="neither success nor a cause"):
        AttemptEnd(job_id=1, fence=1, succeeded=False)
    assert AttemptEnd(job_id=1, fence=1, succeeded=False, cause=Cause.EXIT).cause is Cause.EXIT


def test_a_worker_that_leaves_says_how_long_jobs_may_take(ledger: Ledger) -> None:
    assert ledger.compose_prompt().time_left is None
    leave_by = time.monotonic() + 100
    leaving = Ledger(session_id="s", total=Capacity(cpu=4), project_ids=None, leave_by=leave_by)
    leaving.hold_for = 30.0
    left = leaving.compose_prompt().time_left
    held = leaving.compose_hold().time_left
    assert left is not None
    assert held is not None
    assert 90 < left <= 100
    assert 60 < held <= 70
    late = Ledger(session_id="s", total=Capacity(cpu=4), project_ids=None, leave_by=time.monotonic() - 1)
    assert late.compose_prompt().time_left == 0
