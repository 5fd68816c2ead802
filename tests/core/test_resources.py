"""What fits, and what is left then."""

from fractions import Fraction

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from whatsnext_core.model import Allocation, Capacity, Device, Requirement, Share
from whatsnext_core.resources import (
    WHOLE,
    Room,
    allocate,
    fits,
    give_back,
    numbered_devices,
    set_aside,
    shortfalls,
    suits,
    take,
    whole,
)

kinds = st.sampled_from(["", "A100", "a10"])
devices = st.builds(
    Device,
    id=st.text("abcd", min_size=1, max_size=2),
    kind=kinds,
    memory=st.integers(0, 2),
    free=st.integers(0, 4).map(lambda quarters: quarters * 250),
)
capacities = st.builds(
    Capacity,
    cpu=st.integers(0, 4),
    memory=st.none() | st.integers(0, 4),
    devices=st.lists(devices, max_size=4, unique_by=lambda device: device.id).map(tuple),
    labels=st.frozensets(st.sampled_from("xyz")),
)
requirements = st.builds(
    Requirement,
    cpu=st.integers(0, 4),
    accelerators=st.sampled_from([0, 0.25, 0.5, 0.75, 1, 2, 3]),
    memory=st.integers(0, 4),
    accelerator_kind=kinds,
    accelerator_memory=st.integers(0, 2),
    labels=st.frozensets(st.sampled_from("xyz"), max_size=1),
)


def naively_fits(requirement: Requirement, capacity: Capacity) -> bool:
    """Whether it fits, from the definition."""
    wanted = Fraction(requirement.accelerator_millis, WHOLE)
    good = [Fraction(device.free, WHOLE) for device in capacity.devices if suits(requirement, device)]
    enough = any(free >= wanted for free in good) if wanted < 1 else good.count(Fraction(1)) >= wanted
    return (
        requirement.cpu <= capacity.cpu
        and (capacity.memory is None or requirement.memory <= capacity.memory)
        and requirement.labels <= capacity.labels
        and (wanted == 0 or enough)
    )


@given(requirements, capacities)
def test_what_fits_is_what_the_definition_says(requirement: Requirement, capacity: Capacity) -> None:
    assert fits(requirement, capacity) == naively_fits(requirement, capacity)
    assert (shortfalls(requirement, capacity) == []) == naively_fits(requirement, capacity)


@given(requirements, capacities)
def test_allocation_is_a_part_of_what_is_free(requirement: Requirement, capacity: Capacity) -> None:
    found = allocate(requirement, capacity)
    if found is None:
        return
    assert (found.cpu, found.memory) == (requirement.cpu, requirement.memory)
    free = {device.id: device for device in capacity.devices}
    assert sum(share.millis for share in found.devices) == requirement.accelerator_millis
    assert len(set(found.device_ids)) == len(found.devices)
    for share in found.devices:
        assert suits(requirement, free[share.device])
        assert free[share.device].free >= share.millis
    left = take(capacity, found)
    assert give_back(left, found) == capacity
    assert left.cpu == capacity.cpu - requirement.cpu
    assert sum(device.free for device in left.devices) == (
        sum(device.free for device in capacity.devices) - requirement.accelerator_millis
    )


@given(requirements, capacities)
def test_share_goes_to_the_fullest_device_with_room(requirement: Requirement, capacity: Capacity) -> None:
    found = allocate(evolve(requirement, accelerators=0.25), capacity)
    if found is not None:
        room = [device.free for device in capacity.devices if suits(requirement, device) and device.free >= 250]
        (share,) = found.devices
        assert next(device.free for device in capacity.devices if device.id == share.device) == min(room)


@given(requirements, capacities)
def test_setting_aside_leaves_only_what_the_waiting_job_does_not_need(
    requirement: Requirement, capacity: Capacity
) -> None:
    left = set_aside(requirement, capacity)
    assert left.cpu == max(0, capacity.cpu - requirement.cpu)
    assert (left.memory is None) == (capacity.memory is None)
    for before, after in zip(capacity.devices, left.devices, strict=True):
        assert after == before or (after.free == 0 and suits(requirement, before))
    kept = [device for device, after in zip(capacity.devices, left.devices, strict=True) if after != device]
    assert len(kept) <= max(1, requirement.accelerator_millis // WHOLE) if requirement.accelerator_millis else not kept


@given(requirements, requirements, capacities)
def test_nothing_that_starts_beside_a_waiting_job_makes_it_wait_longer(
    waiting: Requirement, other: Requirement, capacity: Capacity
) -> None:
    if not fits(waiting, capacity):
        return
    found = allocate(other, set_aside(waiting, capacity))
    if found is not None:
        assert fits(waiting, take(capacity, found))


@given(requirements, capacities)
def test_ignored_resources_are_neither_asked_for_nor_given(requirement: Requirement, capacity: Capacity) -> None:
    room = Room(capacity, ignore_cpu=True, ignore_accelerators=True)
    found = room.find(requirement)
    assert found == allocate(evolve(requirement, cpu=0, accelerators=0), capacity)
    room.set_aside(requirement)
    assert room.capacity().cpu == capacity.cpu
    assert room.capacity().devices == capacity.devices


@given(capacities, st.integers(0, 9), st.integers(0, 9))
def test_taking_never_goes_below_zero_nor_giving_above_whole(capacity: Capacity, cpu: int, memory: int) -> None:
    ids = [device.id for device in capacity.devices]
    shares = tuple(Share(device=name, millis=700) for name in ids[:2])
    allocation = Allocation(cpu=cpu, memory=memory, devices=shares)
    for left in (take(capacity, allocation), give_back(capacity, allocation)):
        assert left.cpu >= 0
        assert all(0 <= device.free <= WHOLE for device in left.devices)
        assert left.memory is None or left.memory >= 0


def test_whole_capacity_has_all_devices_free() -> None:
    used = Capacity(cpu=1, devices=(Device(id="0", free=0), Device(id="1", free=500)))
    assert whole(used).devices == (Device(id="0"), Device(id="1"))
    assert numbered_devices(2) == whole(used).devices


@pytest.mark.parametrize(
    ("requirement", "code", "words"),
    [
        (Requirement(cpu=5), "cpu", "needs 5 CPUs, has 4"),
        (Requirement(memory=9), "memory", "needs 9 bytes of memory, has 8"),
        (Requirement(labels={"b", "a", "x"}), "labels", "lacks the labels a, b"),
        (Requirement(accelerators=2), "accelerators", "needs 2 accelerators, has 1.5"),
        (
            Requirement(accelerators=1, accelerator_kind="h100"),
            "accelerators",
            "needs 1 accelerators of kind h100, has 0",
        ),
    ],
)
def test_shortfalls_say_what_is_lacking(requirement: Requirement, code: str, words: str) -> None:
    devices = (Device(id="0", kind="A100"), Device(id="1", kind="A100", free=500))
    capacity = Capacity(cpu=4, memory=8, devices=devices, labels=frozenset({"x"}))
    assert shortfalls(requirement, capacity) == [(code, words)]
