"""CPUs are dealt out once, and only such as there are."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsnext_client.engine.pinning import Pins, check_pins
from whatsnext_core.errors import InvalidError

USABLE = sorted(os.sched_getaffinity(0))


@given(
    cpus=st.sets(st.integers(0, 20), min_size=1),
    wishes=st.lists(st.integers(0, 5) | st.none(), max_size=20),
    kept=st.sets(st.integers(0, 25), max_size=3),
)
def test_no_cpu_belongs_to_two_jobs(cpus: set[int], wishes: list[int | None], kept: set[int]) -> None:
    pins, held = Pins(cpus), [tuple(kept)]
    pins.keep(kept)
    for wish in wishes:
        if wish is None:
            pins.give_back(held.pop(0) if held else ())
            continue
        room = len(cpus - {cpu for each in held for cpu in each})
        taken = pins.take(min(wish, room))
        assert len(taken) == min(wish, room)
        assert set(taken) <= cpus - {cpu for each in held for cpu in each}
        held.append(taken)


def test_worker_that_pins_nothing_deals_out_nothing() -> None:
    pins = Pins(())
    assert pins.take(3) == ()
    pins.give_back((1, 2))
    assert pins.take(3) == ()


def test_cpus_must_be_there_and_be_enough() -> None:
    assert check_pins((), 99) == ()
    assert check_pins(set(USABLE), len(USABLE)) == tuple(USABLE)
    with pytest.raises(InvalidError, match=r"CPU 70000: this process may use [0-9,-]+; name only these"):
        check_pins({*USABLE, 70_000}, 1)
    with pytest.raises(InvalidError, match=rf"offers 99, and there are 1 \({USABLE[0]}\)"):
        check_pins(USABLE[:1], 99)


def test_elsewhere_than_on_linux_there_is_no_pinning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    with pytest.raises(InvalidError, match="on Linux only"):
        check_pins({0}, 1)
