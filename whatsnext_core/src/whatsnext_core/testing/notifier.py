"""The conformance kit for authors of notifiers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from whatsnext_core.model import Event, EventKind
from whatsnext_core.model.limits import MAX_ID
from whatsnext_core.notifying import BatchNotifier, Notifier

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
USUAL = 200
"""Events that a server hands over at once, unless the notifier says otherwise."""


class FarEnd(Protocol):
    """What a notifier talks to, under the control of the test: the real thing, or one that speaks as it does."""

    def numbers(self) -> Sequence[int]:
        """Return the numbers of the events that it has taken, in the order in which they came."""
        ...

    def refuse(self, refusing: bool) -> None:
        """Refuse everything from now on, or take it again."""
        ...


class NotifierConformance:
    """What every notifier does, scenario by scenario.

    An author's whole test file is a subclass with two fixtures::

        class TestMailNotifier(NotifierConformance):
            @pytest.fixture
            def far_end(self):
                with MailServer() as server:
                    yield server

            @pytest.fixture
            def notifier(self, far_end):
                return MailNotifier(MailConfig(port=far_end.port))

    Each scenario has a number. The notifier is to pass on all events, whatever their kind or project.
    """

    @pytest.fixture
    def far_end(self) -> FarEnd:
        """What the notifier talks to. An author overrides this one."""
        raise NotImplementedError("Override the fixture 'far_end' with one that gives what the notifier talks to.")

    @pytest.fixture
    def notifier(self, far_end: FarEnd) -> Notifier:
        """A notifier that talks to the far end. An author overrides this one."""
        raise NotImplementedError(f"Override the fixture 'notifier' with one that talks to {far_end}.")

    def test_notifier_says_how_much_it_takes(self, notifier: Notifier) -> None:
        """N01 (Notifier, BatchNotifier.batch): if it says so, at least one event."""
        assert isinstance(notifier, Notifier)
        assert batch_of(notifier) >= 1

    def test_events_arrive_in_order(self, notifier: Notifier, far_end: FarEnd) -> None:
        """N02 (Notifier.notify): when the call returns, each is there, once."""
        notifier.notify(some_events(1))
        assert list(far_end.numbers()) == [1]
        several = some_events(min(4, batch_of(notifier)), first=5)
        notifier.notify(several)
        assert list(far_end.numbers()) == [1, *(event.id for event in several)]

    def test_no_events_are_nothing_to_do(self, notifier: Notifier, far_end: FarEnd) -> None:
        """N03 (Notifier.notify): and no error."""
        notifier.notify([])
        assert list(far_end.numbers()) == []

    def test_full_batch_arrives(self, notifier: Notifier, far_end: FarEnd) -> None:
        """N04 (BatchNotifier.batch): as many as it takes, or as many as a server hands over."""
        events = some_events(batch_of(notifier))
        notifier.notify(events)
        assert list(far_end.numbers()) == [event.id for event in events]

    def test_every_kind_and_odd_values_arrive(self, notifier: Notifier, far_end: FarEnd) -> None:
        """N05 (model.Event): the largest numbers, and any characters in the data."""
        for place, kind in enumerate(EventKind):
            data = {"client": "wörker \u2028 🚀 \"'%s{}\\", "from": "RUNNING", "exit_code": -1, "delay": 0.125}
            number = MAX_ID - len(EventKind) + place
            notifier.notify([Event(id=number, project_id=MAX_ID, job_id=MAX_ID, kind=kind, at=NOON, data=data)])
        assert len(far_end.numbers()) == len(EventKind)

    def test_refusal_is_an_error_and_the_same_events_arrive_later(self, notifier: Notifier, far_end: FarEnd) -> None:
        """N06 (Notifier.notify): again and again, until they are taken."""
        events = some_events(min(3, batch_of(notifier)))
        far_end.refuse(True)
        for _ in range(3):
            with pytest.raises(Exception, match=r"\S") as caught:
                notifier.notify(events)
            assert isinstance(caught.value, Exception)
        assert list(far_end.numbers()) == []
        far_end.refuse(False)
        notifier.notify(events)
        assert list(far_end.numbers()) == [event.id for event in events]

    def test_another_thread_than_the_maker_calls(self, notifier: Notifier, far_end: FarEnd) -> None:
        """N07 (Notifier.notify): as servers do."""
        with ThreadPoolExecutor(1) as thread:
            for number in (1, 2, 3):
                thread.submit(notifier.notify, some_events(1, first=number)).result()
        assert list(far_end.numbers()) == [1, 2, 3]

    def test_closing_twice_is_closing_once(self, notifier: Notifier, far_end: FarEnd) -> None:
        """N08 (Notifier.close): also after a refusal."""
        far_end.refuse(True)
        with pytest.raises(Exception, match=r"\S"):
            notifier.notify(some_events(1))
        notifier.close()
        notifier.close()


def batch_of(notifier: Notifier) -> int:
    """Return how many events a notifier takes at once."""
    return notifier.batch if isinstance(notifier, BatchNotifier) else USUAL


def some_events(count: int, first: int = 1) -> list[Event]:
    """Return events of several jobs and projects, with numbers from ``first`` on."""
    return [
        Event(
            id=number,
            project_id=1 + number % 2,
            job_id=1 + number % 7,
            kind=EventKind.STARTED if number % 3 else EventKind.SUBMITTED,
            at=NOON + timedelta(seconds=number),
            data={"to": "PENDING"},
        )
        for number in range(first, first + count)
    ]
