"""Which pilots are started: as many as what waits needs, within the limits, and none in vain."""

import platform

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsnext_autoscale_slurm import AutoscaleSettings
from whatsnext_autoscale_slurm.decision import ARRIVES, Plan, Refusal, Snapshot, Want, decide, offered_labels
from whatsnext_autoscale_slurm.pilots import Pilot, PilotState, Shape, Tag, comment
from whatsnext_core.model import Requirement
from whatsnext_core.resources import fits

NOW = 1_000_000.0
GIB = 2**30
SMALL = AutoscaleSettings(cpus=4, mem="8G", time=3600, margin=60, max_time=7200, max_pilots=10, max_pending=10)
FOUR = Shape(cpus=4, memory=8192, gpus=0, minutes=60)


def want(jobs: int, longest: float | None = None, **needs: object) -> Want:
    return Want(requirement=Requirement(**needs), longest=longest, jobs=jobs)  # type: ignore[arg-type]


def pilot(state: PilotState = PilotState.PENDING, job: str = "1", shape: Shape = FOUR, **fields: object) -> Pilot:
    return Pilot(id=f"pilot-{job}", job=job, state=state, shape=shape, **{"submitted_at": NOW - 1, **fields})  # type: ignore[arg-type]


def plan_for(*wants: Want, pilots: tuple[Pilot, ...] = (), settings: AutoscaleSettings = SMALL) -> Plan:
    return decide(Snapshot(wants=wants, pilots=pilots), settings, NOW)


def test_as_many_are_started_as_all_that_waits_can_run_on_at_once() -> None:
    assert plan_for() == Plan()
    assert plan_for(want(1)).submit == (FOUR,)
    assert plan_for(want(4)).submit == (FOUR,)
    assert plan_for(want(9)).submit == (FOUR, FOUR, FOUR)
    assert plan_for(want(9, cpu=4)).submit == (FOUR,) * 9
    assert plan_for(want(9, memory=4 * GIB)).submit == (FOUR,) * 5
    assert plan_for(want(64, cpu=0)).submit == (FOUR,) * 10
    assert plan_for(want(9), settings=evolve(SMALL, backlog=3)).submit == (FOUR,)


def test_small_jobs_fill_what_larger_ones_leave() -> None:
    assert plan_for(want(1, cpu=3), want(1)).submit == (FOUR,)
    assert len(plan_for(want(2, cpu=3), want(3)).submit) == 3


def test_a_pilot_is_as_large_as_a_job_needs() -> None:
    gpus = evolve(SMALL, gpu_kind="nvidia_a100")
    assert plan_for(want(1, cpu=9, memory=20 * GIB)).submit == (Shape(cpus=9, memory=20480, gpus=0, minutes=60),)
    needs = want(2, accelerators=2, accelerator_kind="A100", accelerator_memory=GIB)
    assert plan_for(needs, settings=gpus).submit == (Shape(cpus=4, memory=8192, gpus=2, minutes=60),) * 2
    assert plan_for(want(2, accelerators=0.5)).submit == (Shape(cpus=4, memory=8192, gpus=1, minutes=60),)


def test_a_pilot_lasts_as_long_as_a_job_may_take() -> None:
    assert plan_for(want(1, 3000.0)).submit == (FOUR,)
    assert plan_for(want(1, 4000.0)).submit == (evolve(FOUR, minutes=69),)
    found = plan_for(want(3, 7200.0), want(1))
    assert found.submit == (FOUR,)
    (note,) = found.notes
    assert note.startswith("No pilot is started for 3 jobs with 1 CPU each: they may take longer than a pilot may run")


def test_labels_and_kinds_that_no_pilot_has_are_said() -> None:
    (note,) = plan_for(want(1, labels=frozenset({"site=here"}))).notes
    assert "they ask for site=here, which no pilot carries" in note
    here = evolve(SMALL, labels=("site=here",), partition="main")
    labels = frozenset({"site=here", "slurm-partition=main", f"os={platform.system().lower()}"})
    assert plan_for(want(1, labels=labels), settings=here).submit == (FOUR,)
    (note,) = plan_for(want(1, accelerators=1, accelerator_kind="h100")).notes
    assert "they need GPUs of the kind 'h100'; if pilots have such, set gpu_kind" in note


def test_pilots_that_wait_or_start_count_and_those_that_work_do_not() -> None:
    assert plan_for(want(4), pilots=(pilot(),)) == Plan()
    assert plan_for(want(5), pilots=(pilot(),)).submit == (FOUR,)
    starts = pilot(PilotState.RUNNING, started_at=NOW - 5)
    assert plan_for(want(4), pilots=(starts,)) == Plan()
    assert plan_for(want(4), pilots=(evolve(starts, works=True),)).submit == (FOUR,)
    assert plan_for(want(4), pilots=(evolve(starts, started_at=NOW - ARRIVES),)).submit == (FOUR,)
    ended = evolve(starts, state=PilotState.ENDED, ended_at=NOW)
    assert plan_for(want(4), pilots=(ended,)).submit == (FOUR,)


def test_pilots_that_wait_for_nothing_are_withdrawn_the_youngest_first() -> None:
    waiting = tuple(pilot(job=str(number), submitted_at=NOW - number) for number in range(1, 4))
    assert plan_for(pilots=waiting).withdraw == ("3", "2", "1")
    assert plan_for(want(5), pilots=waiting).withdraw == ("1",)
    assert plan_for(pilots=(pilot(PilotState.RUNNING, started_at=NOW),)) == Plan()


def test_the_partition_is_full_when_a_pilot_waits_for_long() -> None:
    waits = pilot(submitted_at=NOW - SMALL.patience - 1, reason="Resources")
    found = plan_for(want(50), pilots=(waits,))
    assert found.submit == ()
    assert found.notes == (
        "The partition is full for pilots with 4 CPUs, 8192 MiB for 60 min: one waits since long (Resources).",
    )
    assert plan_for(want(50), want(1, cpu=8), pilots=(waits,)).submit == (evolve(FOUR, cpus=8),)


def test_no_more_wait_at_once_than_allowed() -> None:
    few = evolve(SMALL, max_pending=2)
    assert len(plan_for(want(50), settings=few).submit) == 2
    assert len(plan_for(want(50), pilots=(pilot(),), settings=few).submit) == 1
    working = tuple(pilot(PilotState.RUNNING, str(number), works=True) for number in range(9))
    assert len(plan_for(want(50), pilots=working).submit) == 1
    assert plan_for(want(50), settings=evolve(SMALL, max_pilots=0)).submit == ()


def test_failures_at_the_start_make_longer_and_longer_pauses() -> None:
    def after(*failed_at: float, good_at: float | None = None) -> Plan:
        pilots = [pilot(PilotState.FAILED, str(at), ended_at=at, reason="no such file") for at in failed_at]
        if good_at is not None:
            pilots.append(pilot(PilotState.ENDED, "good", started_at=good_at))
        return plan_for(want(1), pilots=tuple(pilots))

    assert after(NOW - 15.1).submit == (FOUR,)
    held = after(NOW - 14.9)
    assert held.submit == ()
    (note,) = held.notes
    assert note.startswith("Pilots with 4 CPUs, 8192 MiB for 60 min failed once; the next is tried 15 seconds after")
    assert note.endswith(" no such file")
    assert after(NOW - 100, NOW - 29).submit == ()
    assert after(NOW - 100, NOW - 31).submit == (FOUR,)
    assert "failed 3 times in a row; the next is tried 60 seconds" in after(NOW - 100, NOW - 90, NOW - 59).notes[0]
    assert after(*(NOW - 901 - number for number in range(40))).submit == (FOUR,)
    assert after(NOW - 3, good_at=NOW - 2).submit == (FOUR,)
    assert after(NOW - 3, good_at=NOW - 4).submit == ()


def test_what_slurm_refuses_counts_as_a_failure_of_its_like() -> None:
    refusal = Refusal(shape=FOUR, at=NOW - 1, words="Slurm refused it: invalid partition.")
    found = decide(Snapshot(wants=(want(1), want(1, cpu=8)), refusals=(refusal,)), SMALL, NOW)
    assert found.submit == (evolve(FOUR, cpus=8),)
    alone = decide(Snapshot(wants=(want(1),), refusals=(refusal,)), SMALL, NOW)
    assert alone.submit == ()
    assert "Slurm refused it: invalid partition." in alone.notes[0]


def test_a_comment_tells_what_a_pilot_is() -> None:
    text = comment("lab-1", "pilot-lab-1-ab", FOUR)
    assert Tag.parse(text) == Tag(name="lab-1", id="pilot-lab-1-ab", shape=FOUR)
    assert Tag.parse("(null)") is None
    assert Tag.parse("whatsnext-17-1-ab") is None


shapes = st.sampled_from([FOUR, evolve(FOUR, cpus=8), evolve(FOUR, gpus=1), evolve(FOUR, minutes=100)])
requirements = st.builds(
    Requirement,
    cpu=st.integers(0, 9),
    memory=st.sampled_from([0, GIB, 9 * GIB]),
    accelerators=st.sampled_from([0, 0, 0.5, 2]),
    labels=st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"site=moon"})]),
)
wants = st.builds(
    Want, requirement=requirements, longest=st.sampled_from([None, 60.0, 5000.0, 9000.0]), jobs=st.integers(0, 30)
)


@st.composite
def pilots(draw: st.DrawFn) -> list[Pilot]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        state = draw(st.sampled_from(PilotState))
        begun = NOW - draw(st.sampled_from([1.0, 30.0, 100.0, 1000.0]))
        started = None if state is PilotState.PENDING else begun
        ended = None if state.is_live else begun + 0.5
        each = pilot(state, str(number), draw(shapes), submitted_at=begun, started_at=started, ended_at=ended)
        found.append(evolve(each, works=state is PilotState.RUNNING and draw(st.booleans())))
    return found


refused = st.builds(Refusal, shape=shapes, at=st.just(NOW - 5), words=st.just("no"))
snapshots = st.builds(
    Snapshot,
    wants=st.lists(wants, max_size=5).map(tuple),
    pilots=pilots().map(tuple),
    refusals=st.lists(st.builds(Refusal, shape=shapes, at=st.just(NOW - 5), words=st.just("no")), max_size=2).map(
        tuple
    ),
)
limits = st.builds(
    AutoscaleSettings,
    max_pilots=st.integers(0, 8),
    max_pending=st.integers(1, 4),
    backlog=st.integers(1, 3),
    max_time=st.just(7200.0),
)


def could_run(each: Want, shape: Shape, given_limits: AutoscaleSettings) -> bool:
    lasts = shape.minutes * 60 - given_limits.margin
    offered = shape.capacity("", offered_labels(given_limits))
    return fits(each.requirement, offered) and (each.longest is None or each.longest <= lasts)


@settings(max_examples=300)
@given(snapshots, limits)
def test_no_limit_is_ever_passed_and_every_pilot_has_a_purpose(seen: Snapshot, given_limits: AutoscaleSettings) -> None:
    plan = decide(seen, given_limits, NOW)
    live = [each for each in seen.pilots if each.state.is_live]
    pending = {each.job for each in live if each.state is PilotState.PENDING}
    left = len(live) - len(plan.withdraw)
    if plan.submit:
        assert left + len(plan.submit) <= given_limits.max_pilots
        assert len(pending) - len(plan.withdraw) + len(plan.submit) <= given_limits.max_pending
    assert set(plan.withdraw) <= pending
    waiting = [each for each in seen.wants if each.jobs]
    for shape in plan.submit:
        assert shape.minutes * 60 <= given_limits.max_time
        assert any(could_run(each, shape, given_limits) for each in waiting)
        proven = [
            each.ended_at or each.started_at or each.submitted_at
            for each in seen.pilots
            if each.shape == shape and (each.state is PilotState.ENDED or each.works)
        ]
        assert all(any(at >= each.at for at in proven) for each in seen.refusals if each.shape == shape)
    assert sum(each.jobs for each in waiting) >= len(plan.submit)
    if not waiting:
        assert plan.submit == ()
        assert set(plan.withdraw) == pending


@settings(max_examples=300)
@given(snapshots, limits)
def test_what_was_done_is_not_done_again(seen: Snapshot, given_limits: AutoscaleSettings) -> None:
    plan = decide(seen, given_limits, NOW)
    new = [pilot(job=f"new-{number}", shape=shape, submitted_at=NOW) for number, shape in enumerate(plan.submit)]
    kept = [each for each in seen.pilots if each.job not in plan.withdraw]
    again = decide(evolve(seen, pilots=(*kept, *new)), given_limits, NOW)
    assert again.submit == ()
    assert again.withdraw == ()
    assert decide(seen, given_limits, NOW) == plan
