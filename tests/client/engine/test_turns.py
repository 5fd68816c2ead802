"""Which jobs are handed to the engine before there is room for them, and when their room is free again."""

import pytest
from attrs import evolve

from whatsnext_client.engine.pace import ENOUGH, Pace
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.turns import LONGEST, MOST, Turn, Turns
from whatsnext_core.model import Allocation, Share

NOW = 100.0
LATER = NOW + 60


def pace(interval: float, duration: float = 0.001) -> Pace:
    """The pace of jobs that end so many seconds after each other."""
    found = Pace()
    for number in range(ENOUGH * 4):
        found.ended(number * interval, duration, 1, 0)
    return found


def held(number: int, allocation: Allocation | None = None) -> Held:
    return Held(
        job_id=number, fence=1, name="job", allocation=allocation or Allocation(cpu=1), signal="SIGTERM", grace=30.0,
        timeout=None,
    )  # fmt: skip


@pytest.fixture
def turns() -> Turns:
    return Turns(pace(0.001), usable=True)


def test_jobs_without_room_wait_for_the_turn_of_those_that_have_some(turns: Turns) -> None:
    assert not turns.has_place(held(1), NOW, LATER)
    assert turns.join(held(1), NOW, LATER, has_room=True) == Turn(1, NOW + LONGEST)
    assert turns.join(held(2), NOW, LATER, has_room=True) == Turn(2, NOW + LONGEST)
    assert turns.has_place(held(3), NOW, LATER)
    assert turns.join(held(3), NOW, NOW + 1, has_room=False) == Turn(2, NOW + 1)


def test_room_is_free_again_when_fewer_are_left_than_have_some(turns: Turns) -> None:
    for number in (1, 2, 3):
        turns.join(held(number), NOW, LATER, has_room=number < 3)
    assert [turns.leave(held(number)) for number in (2, 3, 1)] == [False, True, True]
    assert turns.leave(held(4))
    assert turns.join(held(5), NOW, LATER, has_room=True).width == 1


@pytest.mark.parametrize(("interval", "most"), [(0.001, MOST), (0.01, 5), (0.1, 0)])
def test_as_many_wait_as_begin_within_a_moment(interval: float, most: int) -> None:
    turns = Turns(pace(interval), usable=True)
    turns.join(held(0), NOW, LATER, has_room=True)
    number = 0
    while turns.has_place(held(number + 1), NOW, LATER):
        number += 1
        turns.join(held(number), NOW, LATER, has_room=False)
    assert number == most


def test_long_jobs_wait_for_room() -> None:
    turns = Turns(pace(0.001, duration=1.0), usable=True)
    assert not turns.suits(held(1))


def test_nothing_takes_turns_where_that_is_impossible() -> None:
    assert not Turns(pace(0.001), usable=False).suits(held(1))


def test_jobs_that_need_other_room_or_devices_or_no_cpu_wait_for_room(turns: Turns) -> None:
    shares = (Share(device="0", millis=1000),)
    assert not turns.suits(held(1, Allocation(cpu=1, devices=shares)))
    assert not turns.suits(held(1, Allocation(cpu=0)))
    turns.join(held(1), NOW, LATER, has_room=True)
    wide = held(2, Allocation(cpu=2))
    assert not turns.has_place(wide, NOW, LATER)
    assert not turns.has_place(held(2, evolve(held(1).allocation, memory=2**20)), NOW, LATER)
    turns.leave(held(1))
    assert turns.suits(wide)


def test_job_whose_lease_may_lapse_meanwhile_waits_for_room(turns: Turns) -> None:
    turns.join(held(1), NOW, LATER, has_room=True)
    assert not turns.has_place(held(2), NOW, NOW + LONGEST)
