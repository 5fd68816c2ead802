"""What the state machine draws from: few values of each kind, so that they meet often."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from whatsnext_core.model import (
    Capacity,
    Cause,
    Condition,
    Device,
    Requirement,
    RetryPolicy,
    TaskSpec,
)
from whatsnext_core.scheduling import Offer

SELDOM = st.sampled_from([False, False, False, True])
NAMES = st.sampled_from(["a", "b", "ä"])
PRIORITIES = st.integers(-1, 1)
CONDITIONS = st.sampled_from(Condition)
CLIENTS = st.sampled_from(["one", "two"])
SESSIONS = st.sampled_from(["s1", "s2"])
CAUSES = st.sampled_from([Cause.EXIT, Cause.OOM, Cause.OOM, Cause.LOST, Cause.CANCELLED, Cause.PROMISED])
LEASE = timedelta(seconds=60)
LEASES = st.sampled_from([LEASE, LEASE, None])
TICKS = st.sampled_from([0.5, 5, 30, 60, 121, 86_400])
PARAMETERS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"x": 1}, {"x": 1.0}, {"b": [True, None], "a": "ü"}, {"a": "ü", "b": [True, None]}]
)
REFERENCES: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{"x": {"$result": "a.n"}}, {"x": [{"$result": "b"}]}])
"""Parameters that ask for results by a name that the job may or may not depend on."""


def parameters(parents: Collection[int]) -> st.SearchStrategy[dict[str, Any]]:
    """Return what draws parameters, now and then with a reference to one of the parents."""
    asking = [{"x": [{"$result": {"job": parent, **path}}]} for parent in parents for path in ({}, {"path": "n"})]
    return PARAMETERS | st.sampled_from(asking) if asking else PARAMETERS


SUMS = {text: sha256(text.encode()).hexdigest() for text in ("a", "ab")}
"""The checksums that files are said to have."""

REQUIREMENTS = st.sampled_from(
    [
        Requirement(),
        Requirement(cpu=4, memory=500),
        Requirement(memory=2_000),
        Requirement(cpu=2, memory=1_000),
        Requirement(accelerators=0.5, accelerator_kind="A1"),
        Requirement(cpu=0, accelerators=2),
        Requirement(labels=frozenset({"ssd"})),
    ]
)
POLICIES = st.sampled_from(
    [
        RetryPolicy(retries=3, delay=0, memory_factor=1.5, max_losses=1),
        RetryPolicy(retries=1, delay=0, memory_factor=2),
        RetryPolicy(retries=2, delay=5, max_losses=0),
        RetryPolicy(retries=3, delay=5, jitter=0, factor=3, causes=frozenset({Cause.EXIT})),
    ]
)
TIMEOUTS = st.sampled_from([None, None, 40.0, 90.0])
TASKS = st.builds(TaskSpec, name=NAMES, requirement=REQUIREMENTS, retry=POLICIES, timeout=TIMEOUTS)


def _capacity(cpu: int, free: tuple[int, int], *, labelled: bool) -> Capacity:
    devices = tuple(
        Device(id=str(place), kind=kind, free=millis)
        for place, (kind, millis) in enumerate(zip(("A100", "a10"), free, strict=True))
    )
    labels = frozenset({"ssd", "zone=b"} if labelled else ())
    return Capacity(cpu=cpu, memory=1_500 * cpu, devices=devices, labels=labels)


_MILLIS = st.sampled_from([1_000, 500, 0])


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    """Draw what a client offers: a part of four CPUs and two devices."""
    labelled = draw(st.booleans())
    return Offer(
        free=_capacity(draw(st.sampled_from([4, 3, 1, 0])), draw(st.tuples(_MILLIS, _MILLIS)), labelled=labelled),
        total=_capacity(4, (1_000, 1_000), labelled=labelled),
        limit=draw(st.sampled_from([2, 1, 4, 0])),
        ignore_cpu=draw(SELDOM),
        ignore_accelerators=draw(SELDOM),
        time_left=draw(st.sampled_from([None, None, 70.0, 120.0])),
    )


WHOLE_OFFER = Offer(
    free=_capacity(4, (1_000, 1_000), labelled=True), total=_capacity(4, (1_000, 1_000), labelled=True), limit=3
)
"""All that a client can have."""
