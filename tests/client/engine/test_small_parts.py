"""Room, pace, results and ends."""

import os
import time
from pathlib import Path

import pytest

from whatsnext_client.engine.ends import end_of
from whatsnext_client.engine.pace import ENOUGH, MOST, Pace
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.results import read_result
from whatsnext_client.engine.room import covers, remaining
from whatsnext_client.engine.waking import Waker
from whatsnext_core.formatting import Execution, ExecutionState
from whatsnext_core.model import Allocation, Capacity, Cause, Device, Share

TOTAL = Capacity(cpu=4, memory=100, devices=(Device(id="0"), Device(id="1")))
HALF = Allocation(cpu=1, memory=30, devices=(Share(device="0", millis=500),))


def test_what_is_left_is_the_total_without_what_was_given() -> None:
    left = remaining(TOTAL, [HALF, HALF])
    assert (left.cpu, left.memory, [device.free for device in left.devices]) == (2, 40, [0, 1000])
    assert remaining(TOTAL, [Allocation(cpu=9)]).cpu == 0


def test_a_stock_adds_cpus_and_memory_but_never_devices() -> None:
    left = remaining(TOTAL, [HALF] * 2 + [Allocation(cpu=6, memory=10)], extra_cpu=10, extra_memory=50)
    assert (left.cpu, left.memory, [device.free for device in left.devices]) == (6, 80, [0, 1000])


def test_an_allocation_is_covered_by_exactly_what_it_names() -> None:
    assert covers(TOTAL, HALF)
    left = remaining(TOTAL, [Allocation(devices=(Share(device="0", millis=600),))])
    assert not covers(left, HALF)
    assert not covers(remaining(TOTAL, [Allocation(cpu=4)]), HALF)
    assert not covers(remaining(TOTAL, [Allocation(memory=80)]), HALF)


def test_a_pace_is_known_after_some_jobs_and_bounds_the_stock() -> None:
    pace = Pace()
    for number in range(ENOUGH - 1):
        pace.ended(number * 0.001, 0.001, 2, 10)
    assert pace.stock == 0
    for number in range(ENOUGH, 200):
        pace.ended(number * 0.001, 0.001, 2, 10)
    assert 100 < pace.stock <= MOST
    assert pace.stock_cpu == pytest.approx(2 * pace.stock, abs=2)
    for number in range(50):
        pace.ended(1 + number, 1.0, 1, 0)
    assert pace.stock == 0


@pytest.mark.parametrize(
    ("content", "value", "complaint"),
    [
        (b'{"best": {"lr": 0.1}}', {"best": {"lr": 0.1}}, ""),
        ('"ü"'.encode(), "ü", ""),
        (b"  \n", None, ""),
        (b"{", None, "no JSON"),
        (b"NaN", None, "no JSON"),
        (b"\xff\xfe", None, "no JSON"),
        (b'"' + b"x" * 70_000 + b'"', None, "more than 65536 bytes"),
        (b"[" * 40_000, None, "no JSON"),
    ],
)
def test_a_result_is_small_json_or_left_out_with_the_reason(
    tmp_path: Path, content: bytes, value: object, complaint: str
) -> None:
    (tmp_path / "result").write_bytes(content)
    found, words = read_result(tmp_path / "result")
    assert found == value
    assert complaint in words
    assert bool(complaint) == bool(words)


def test_no_result_is_no_complaint(tmp_path: Path) -> None:
    assert read_result(tmp_path / "result") == (None, "")
    assert read_result(tmp_path)[1] != ""


def held(**fields: object) -> Held:
    """An attempt."""
    attempt = Held(job_id=1, fence=1, name="job", allocation=HALF, signal="SIGTERM", grace=1, timeout=2.0)
    for name, value in fields.items():
        setattr(attempt, name, value)
    return attempt


def test_what_the_worker_did_outweighs_what_the_engine_says() -> None:
    done = Execution(state=ExecutionState.ENDED, succeeded=True, exit_code=0)
    assert end_of(held(), done).succeeded
    cancelled = end_of(held(stopping=Cause.CANCELLED), done)
    assert (cancelled.succeeded, cancelled.cause) == (False, Cause.CANCELLED)
    late = end_of(held(stopping=Cause.TIMEOUT), done)
    assert (late.cause, late.message) == (Cause.TIMEOUT, "It ran longer than its timeout of 2 seconds.")


def test_nonsense_of_an_engine_is_left_out() -> None:
    odd = Execution(state=ExecutionState.ENDED, succeeded=False, exit_code=10**20, peak_memory=-5)
    end = end_of(held(), odd)
    assert (end.cause, end.exit_code, end.peak_memory) == (Cause.EXIT, None, None)
    assert "nonsense" in end.message


def test_a_wake_that_came_before_the_sleep_is_not_lost() -> None:
    waker = Waker()
    for _ in range(10_000):
        waker.wake()
    waker.sleep(3600)
    waker.close()
    waker.wake()


def test_a_closed_descriptor_does_not_keep_the_loop_spinning() -> None:
    waker = Waker()
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    began = time.monotonic()
    for _ in range(3):
        waker.sleep(3600, reader)
    assert 0.1 < time.monotonic() - began < 60
    waker.close()
