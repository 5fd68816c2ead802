"""Who gets what: never over capacity, best first, and nobody starves."""

from collections.abc import Collection, Iterable
from datetime import timedelta

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import NOW
from tests.core.test_resources import capacities, requirements
from whatsnext_core.model import Allocation, Capacity, Requirement, TaskSpec
from whatsnext_core.resources import allocate, fits, give_back, numbered_devices, set_aside, take, whole
from whatsnext_core.scheduling import Line, Offer, Pick, Plan, ReadyJob, ends_in_time, longest, plan_claim

WAIT = timedelta(minutes=5)


@st.composite
def queues(draw: st.DrawFn) -> list[Line]:
    """Lines of distinct requirements, with jobs of a few priorities and ages."""
    needs = draw(st.lists(requirements, max_size=4, unique_by=lambda requirement: requirement.key))
    ids = iter(draw(st.permutations(range(1, 21))))
    lines = []
    for requirement in needs:
        jobs = [
            ReadyJob(
                job_id=next(ids),
                priority=draw(st.integers(-1, 1)),
                since=NOW - timedelta(minutes=draw(st.sampled_from([0, 4, 5, 9]))),
            )
            for _ in range(draw(st.integers(0, 4)))
        ]
        jobs.sort(key=lambda job: (-job.priority, job.job_id))
        lines.append(Line(requirement=requirement, jobs=jobs))
    return lines


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    """A part of a capacity."""
    free = draw(capacities)
    more = draw(st.integers(0, 3))
    total = whole(evolve(free, cpu=min(6, free.cpu + more)))
    flags = st.sampled_from([False, False, True])
    return Offer(
        free=free,
        total=total,
        limit=draw(st.integers(0, 20)),
        ignore_cpu=draw(flags),
        ignore_accelerators=draw(flags),
    )


def view(offer: Offer, requirement: Requirement) -> Requirement:
    """The requirement without what the offer ignores."""
    return evolve(
        requirement,
        cpu=0 if offer.ignore_cpu else requirement.cpu,
        accelerators=0 if offer.ignore_accelerators else requirement.accelerators,
    )


def naive_plan(lines: Iterable[Line], offer: Offer, elsewhere: Collection[int]) -> Plan:
    """The same decision, from the words: every job is looked at, in order."""
    jobs = [(job, line.requirement) for line in lines for job in line.jobs]
    jobs.sort(key=lambda pair: (-pair[0].priority, pair[0].job_id))
    free, reserve = offer.free, None
    picks: list[Pick] = []
    passed: set[str] = set()
    for job, needs in jobs:
        requirement = view(offer, needs)
        if len(picks) == offer.limit:
            break
        if needs.key in passed or not fits(requirement, offer.total):
            continue
        found = allocate(requirement, free)
        if found is not None:
            picks.append(Pick(job_id=job.job_id, allocation=found))
            free = take(free, found)
            continue
        passed.add(needs.key)
        if reserve is None and job.job_id not in elsewhere and NOW - job.since >= WAIT:
            reserve = job.job_id
            free = set_aside(requirement, free)
    return Plan(picks=tuple(picks), reserve=reserve)


@settings(max_examples=50)
@given(queues(), offers(), st.sets(st.integers(1, 20)))
def test_plan_is_that_of_a_naive_planner(lines: list[Line], offer: Offer, elsewhere: set[int]) -> None:
    found = plan_claim(lines, offer, now=NOW, reserve_after=WAIT, reserved_elsewhere=elsewhere)
    assert found == naive_plan(lines, offer, elsewhere)


@settings(max_examples=50)
@given(queues(), offers())
def test_plan_never_goes_over_capacity(lines: list[Line], offer: Offer) -> None:
    needs = {job.job_id: line.requirement for line in lines for job in line.jobs}
    plan = plan_claim(lines, offer, now=NOW, reserve_after=WAIT)
    free = offer.free
    for pick in plan.picks:
        requirement = view(offer, needs[pick.job_id])
        assert (pick.allocation.cpu, pick.allocation.memory) == (requirement.cpu, requirement.memory)
        assert pick.allocation.cpu <= free.cpu
        assert free.memory is None or pick.allocation.memory <= free.memory
        assert requirement.labels <= free.labels
        left = {device.id: device.free for device in free.devices}
        assert all(share.millis <= left[share.device] for share in pick.allocation.devices)
        free = take(free, pick.allocation)
    assert len({pick.job_id for pick in plan.picks}) == len(plan.picks) <= offer.limit


@settings(max_examples=50)
@given(queues(), offers())
def test_best_jobs_come_first(lines: list[Line], offer: Offer) -> None:
    rank = {job.job_id: (-job.priority, job.job_id) for line in lines for job in line.jobs}
    plan = plan_claim(lines, offer, now=NOW, reserve_after=WAIT)
    ranks = [rank[pick.job_id] for pick in plan.picks]
    assert ranks == sorted(ranks)
    for line in lines:
        taken = [job.job_id in {pick.job_id for pick in plan.picks} for job in line.jobs]
        assert taken == sorted(taken, reverse=True)


@settings(max_examples=50)
@given(queues(), offers())
def test_longer_lines_than_the_limit_change_nothing(lines: list[Line], offer: Offer) -> None:
    heads = [Line(requirement=line.requirement, jobs=line.jobs[: offer.limit]) for line in lines]
    if offer.limit:
        assert plan_claim(heads, offer, now=NOW, reserve_after=WAIT) == plan_claim(
            lines, offer, now=NOW, reserve_after=WAIT
        )


@settings(max_examples=100)
@given(queues(), offers(), st.sets(st.integers(1, 20)), st.data())
def test_lines_that_are_read_when_it_comes_to_them_give_the_same_plan(
    lines: list[Line], offer: Offer, elsewhere: set[int], data: st.DataObject
) -> None:
    unread = [data.draw(st.just(line) | known_of(line)) for line in lines]
    read: list[tuple[int, int]] = []

    def read_line(line: Line) -> Line:
        read.append((-line.jobs[0].priority, line.jobs[0].job_id))
        return lines[next(place for place, each in enumerate(unread) if each is line)]

    plan = plan_claim(unread, offer, now=NOW, reserve_after=WAIT, reserved_elsewhere=elsewhere, read=read_line)
    assert plan == plan_claim(lines, offer, now=NOW, reserve_after=WAIT, reserved_elsewhere=elsewhere)
    rank = {job.job_id: (-job.priority, job.job_id) for line in lines for job in line.jobs}
    if len(plan.picks) == offer.limit:  # whatever may come behind the last one was left alone
        assert all(place <= rank[plan.picks[-1].job_id] for place in read)


@st.composite
def known_of(draw: st.DrawFn, line: Line) -> Line:
    """What may be known of a line: its first job, or one that would come before it and wait for longer, if any."""
    long_ago = ReadyJob(job_id=0, priority=draw(st.integers(2, 3)), since=NOW - timedelta(days=1))
    first = draw(
        st.sampled_from(
            [line.jobs[0], evolve(line.jobs[0], since=long_ago.since), long_ago] if line.jobs else [long_ago]
        )
    )
    return evolve(line, jobs=[first], is_read=False)


@settings(max_examples=50)
@given(queues(), offers(), st.sets(st.integers(1, 20)))
def test_reservation_is_for_one_that_fits_the_total_and_waited(
    lines: list[Line], offer: Offer, elsewhere: set[int]
) -> None:
    plan = plan_claim(lines, offer, now=NOW, reserve_after=WAIT, reserved_elsewhere=elsewhere)
    if plan.reserve is None:
        return
    (line,) = (line for line in lines if plan.reserve in {job.job_id for job in line.jobs})
    (job,) = (job for job in line.jobs if job.job_id == plan.reserve)
    requirement = view(offer, line.requirement)
    assert fits(requirement, offer.total)
    assert not fits(requirement, offer.free) or plan.picks
    assert NOW - job.since >= WAIT
    assert plan.reserve not in elsewhere
    assert plan.reserve not in {pick.job_id for pick in plan.picks}


@settings(max_examples=50)
@given(
    cpu=st.integers(2, 6),
    devices=st.integers(0, 2),
    durations=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    older=st.integers(0, 10),
)
def test_wide_job_starts_under_a_stream_of_small_ones(cpu: int, devices: int, durations: list[int], older: int) -> None:
    """Every minute more small jobs come than ever fit. Without a reservation the wide one would wait for ever."""
    total = Capacity(cpu=cpu, devices=numbered_devices(devices))
    small, wide = Requirement(cpu=1, accelerators=0.5 * (devices > 0)), Requirement(cpu=cpu, accelerators=devices)
    wide_id, last = older + 1, older + 1
    waiting = [ReadyJob(job_id=number, priority=0, since=NOW) for number in range(1, older + 1)]
    running: list[tuple[int, Allocation]] = []
    free = total
    bound = 5 + 9 * (older + 2)
    for minute in range(bound):
        now = NOW + timedelta(minutes=minute)
        for end, allocation in running:
            if end <= minute:
                free = give_back(free, allocation)
        running = [(end, allocation) for end, allocation in running if end > minute]
        waiting += [ReadyJob(job_id=last + place, priority=0, since=now) for place in range(1, cpu + 1)]
        last += cpu
        lines = [
            Line(requirement=small, jobs=waiting),
            Line(requirement=wide, jobs=[ReadyJob(job_id=wide_id, priority=0, since=NOW)]),
        ]
        plan = plan_claim(lines, Offer(free=free, total=total, limit=cpu), now=now, reserve_after=WAIT)
        for pick in plan.picks:
            if pick.job_id == wide_id:
                return
            running.append((minute + durations[pick.job_id % len(durations)], pick.allocation))
            free = take(free, pick.allocation)
        taken = {pick.job_id for pick in plan.picks}
        waiting = [job for job in waiting if job.job_id not in taken]
    raise AssertionError(f"the wide job did not start within {bound} minutes")


def test_nothing_is_planned_from_nothing() -> None:
    offer = Offer(free=Capacity(cpu=1), total=Capacity(cpu=1), limit=5)
    assert plan_claim([], offer, now=NOW, reserve_after=WAIT) == Plan()
    empty = Line(requirement=Requirement(), jobs=[])
    assert plan_claim([empty], offer, now=NOW, reserve_after=WAIT) == Plan()


def test_a_job_ends_in_time_by_its_own_limit_or_that_of_its_task_and_its_grace() -> None:
    limited, unlimited = TaskSpec(name="t", timeout=60, grace=5), TaskSpec(name="t", grace=5)
    assert [longest(None, limited), longest(10, limited), longest(None, unlimited)] == [65, 15, None]
    assert ends_in_time(65, 65)
    assert not ends_in_time(65, 64.9)
    assert ends_in_time(65, None)
    assert ends_in_time(None, 0)
