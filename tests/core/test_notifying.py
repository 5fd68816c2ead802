"""The contract of notifiers, and its kit."""

from collections.abc import Sequence

import pytest

from whatsnext_core.model import Event
from whatsnext_core.notifying import BatchNotifier, Notifier
from whatsnext_core.testing import NotifierConformance
from whatsnext_core.testing.notifier import FarEnd


class Wall:
    """A far end in memory."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self.refusing = False

    def numbers(self) -> Sequence[int]:
        return self.found

    def refuse(self, refusing: bool) -> None:
        self.refusing = refusing


class Writer:
    """A notifier that writes numbers on a wall."""

    def __init__(self, wall: Wall) -> None:
        self.wall = wall

    def notify(self, events: Sequence[Event]) -> None:
        if self.wall.refusing and events:
            raise ConnectionError("no paint sticks")
        self.wall.found += [event.id for event in events]

    def close(self) -> None:
        """There is nothing to release."""


class SlowWriter(Writer):
    """One that says how much it takes."""

    batch = 2


class TestWriter(NotifierConformance):
    @pytest.fixture
    def far_end(self) -> FarEnd:
        return Wall()

    @pytest.fixture
    def notifier(self, far_end: Wall) -> Notifier:
        return Writer(far_end)


class TestSlowWriter(TestWriter):
    @pytest.fixture
    def notifier(self, far_end: Wall) -> Notifier:
        return SlowWriter(far_end)


class TestNotGiven:
    far_end = NotifierConformance.far_end

    @pytest.mark.xfail(raises=NotImplementedError, strict=True, reason="the author is told to override the fixture")
    def test_far_end_is_missed(self, far_end: FarEnd) -> None:
        pytest.fail(f"There is {far_end} to talk to.")


class TestNotifierIsNotGiven:
    notifier = NotifierConformance.notifier

    @pytest.fixture
    def far_end(self) -> FarEnd:
        return Wall()

    @pytest.mark.xfail(raises=NotImplementedError, strict=True, reason="the author is told to override the fixture")
    def test_notifier_is_missed(self, notifier: Notifier) -> None:
        pytest.fail(f"There is {notifier} to test.")


def test_only_one_that_says_so_has_a_batch() -> None:
    assert not isinstance(Writer(Wall()), BatchNotifier)
    assert isinstance(SlowWriter(Wall()), BatchNotifier)
