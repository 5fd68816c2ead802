"""Which attempts find room, after those that an earlier process of the worker left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.engine.test_turns import NOW, held
from whatsnext.api.client import CLIFormatter
from whatsnext_client.engine.folder import StateFolder
from whatsnext_client.engine.pace import Pace
from whatsnext_client.engine.places import Places
from whatsnext_client.engine.plan import WorkPlan
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.runner import Runner
from whatsnext_client.engine.surroundings import Surroundings
from whatsnext_core.model import Allocation, Capacity


def nothing(*_: object) -> None:
    """Take no notice."""


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """The room of a worker with two CPUs and no jobs."""
    folder = StateFolder.acquire(tmp_path, "worker")
    surroundings = Surroundings(server="", client_id="", project_names={}, deals_devices=False, filters=True)
    runner = Runner(CLIFormatter(), folder, surroundings, on_running=nothing, on_waiting=nothing)
    plan = WorkPlan(total=Capacity(cpu=2), project_names={})
    yield Places(plan, Pace(), runner, taken=frozenset)
    folder.close()


def inherit(places: Places, numbers: range, allocation: Allocation | None = None) -> list[Held]:
    found = [held(number, allocation) for number in numbers]
    for each in found:
        places.inherit(each)
    return found


@pytest.mark.parametrize("last", [0, 2, 5])
def test_room_is_free_when_no_more_are_left_than_fit_whichever_ran_and_whichever_waited(
    places: Places, last: int
) -> None:
    left = inherit(places, range(6))
    stays = left.pop(last)
    for each in left[:4]:
        places.leave(each)
        assert not places.admit(held(9), NOW)
    places.leave(left[4])
    assert places.admit(held(9), NOW)
    places.enter(held(9), NOW)
    assert not places.admit(held(10), NOW)
    places.leave(stays)
    assert places.admit(held(10), NOW)


def test_room_of_a_smaller_one_is_none_for_a_larger_one_until_all_of_it_is_free(places: Places) -> None:
    small, large = inherit(places, range(1)), inherit(places, range(5, 6), Allocation(cpu=2))
    assert places.admit(held(9), NOW)
    places.leave(small[0])
    assert not places.admit(held(9), NOW)
    places.leave(large[0])
    assert places.admit(held(9, Allocation(cpu=2)), NOW)
