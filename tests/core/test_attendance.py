"""Whether a server was there to renew leases."""

from datetime import UTC, datetime, timedelta

import pytest

from whatsnext_core.attendance import Attendance, absence, attend

NOW = datetime(2026, 1, 31, tzinfo=UTC)
GAP, GRACE = timedelta(seconds=40), timedelta(seconds=90)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_first_server_finds_no_absence() -> None:
    first = attend(None, NOW, gap=GAP, grace=GRACE)
    assert first == Attendance(NOW)
    assert absence(None, first) is None
    assert first.earliest_lapse(NOW) == NOW


@pytest.mark.parametrize(("seconds", "noted"), [(0, False), (9.9, False), (10, True), (40, True)])
def test_time_is_noted_now_and_then(seconds: float, noted: bool) -> None:
    before = Attendance(NOW, after(7))
    found = attend(before, after(seconds), gap=GAP, grace=GRACE)
    assert found == (Attendance(after(seconds), after(7)) if noted else before)
    assert (found is before) is not noted
    assert absence(before, found) is None


def test_absence_puts_lapses_off_for_the_grace() -> None:
    before = Attendance(NOW, after(-1000))
    found = attend(before, after(41), gap=GAP, grace=GRACE)
    assert found == Attendance(after(41), after(131))
    assert absence(before, found) == timedelta(seconds=41)
    assert found.earliest_lapse(after(50)) == after(131)
    assert found.earliest_lapse(after(131)) == after(131)
    assert found.earliest_lapse(after(200)) == after(200)


def test_clock_that_was_set_back_is_no_absence() -> None:
    before = Attendance(NOW, after(5))
    assert attend(before, after(-500), gap=GAP, grace=GRACE) == Attendance(after(-500), after(5))
