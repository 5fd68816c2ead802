"""What is said of a ready job that fits some client: its place, what must end, who drains, when it starts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.explaining.given import (
    ANOTHER,
    NOW,
    ahead,
    client,
    codes,
    devices,
    explained,
    held,
    job,
    place,
    reasons,
    runs,
    said,
    seconds,
    task,
)
from whatsnext_core.explaining.estimate import ENOUGH, release, samples
from whatsnext_core.explaining.fleet import Wishes, survey
from whatsnext_core.model import Allocation, Capacity, Cause, Requirement
from whatsnext_core.resources import Room
from whatsnext_core.storage import Holding

DAY = 86_400.0


# -- place -------------------------------------------------------------------------------------------------------------


def test_the_first_of_the_queue_starts_where_there_is_room() -> None:
    found = reasons()
    assert [each.code for each in found] == ["next", "queue", "estimate"]
    assert found[0].text == "gpu-1 has room for it now: it starts when that client next asks for jobs."
    assert (found[0].client_ids, found[0].advice) == (("gpu-1",), "")
    assert found[1].text == "It is ready, and no ready job stands before it in the queue."
    assert found[2].text == "It may start at once."
    two = reasons(clients=(client("a"), client("b")))
    assert two[0].text == "a and b have room for it now: it starts when one of them next asks for jobs."


def test_a_job_that_should_have_started_long_ago_is_puzzling() -> None:
    found = said("next", place=place(since=300))
    assert found.text.endswith("It has been ready for 5 min.")
    assert found.advice == "See whether gpu-1 takes jobs of project 'digits', and what its worker says."


def test_place_counts_those_before_it_and_those_that_compete() -> None:
    found = explained(place=place(ahead(2), ahead(1, cpu=8)))
    assert (found.place, found.place_is_exact) == (3, True)
    assert [each.code for each in found.reasons] == ["queue", "no-estimate"]
    assert found.reasons[0].text == (
        "It is ready, and 3 jobs stand before it in the queue; 2 of them compete for the same clients."
    )
    assert "higher priority" in found.reasons[0].advice
    one = said("queue", place=place(ahead(1)))
    assert one.text == "It is ready, and 1 job stands before it in the queue."
    assert "; none of them competes for the same" in said("queue", place=place(ahead(1, cpu=8))).text
    assert "; 1 of them competes for" in said("queue", place=place(ahead(1), ahead(1, cpu=8))).text
    many = explained(place=place(ahead(10_000), more=True))
    assert many.reasons[0].text == "It is ready, and more than 10,000 jobs stand before it in the queue."
    assert (many.place, many.place_is_exact) == (10_000, False)


def test_a_job_whose_batch_was_just_published_is_not_in_the_queue_yet() -> None:
    found = explained(place=None)
    assert [each.code for each in found.reasons] == ["settling"]
    assert found.place is None


def test_an_earlier_attempt_that_did_not_succeed_is_told_of() -> None:
    lost = job(attempt=2, losses=2, cause=Cause.LOST, message="The client was not heard of.")
    assert said("last-attempt", lost).text == "Attempt 2 did not succeed (lost: The client was not heard of)."
    assert "last-attempt" not in codes(job(attempt=1))


# -- room --------------------------------------------------------------------------------------------------------------


def test_a_busy_client_is_named_with_what_must_end_there() -> None:
    clients = (client(cpu=8), client("small", 4))
    found = reasons(
        clients=clients,
        task=task(cpu=8),
        holdings=(held(812, 6), held(813, 1, since=None), held(5, 4, on="small")),
        looked_at={"gpu-1", "small"},
    )
    assert [each.code for each in found] == ["busy", "queue", "lacks", "no-estimate"]
    assert found[0].text == (
        "It needs 8 CPUs, and no client has that free now: it fits gpu-1 when job 812 'job-812' and job 813 'job-813' "
        "end. From 12:04:59 UTC on a client drains for it."
    )
    assert (set(found[0].job_ids), found[0].client_ids) == ({812, 813}, ("gpu-1",))
    assert found[2].text == "1 of 2 clients lacks 8 CPUs (the most is 8)."


def test_only_what_holds_the_missing_resource_must_end() -> None:
    with_devices = client(cpu=64, devices=2)
    found = said(
        "busy",
        clients=(with_devices,),
        task=task(accelerators=1),
        holdings=(held(1, 8), held(2, allocation=devices("0")), held(3, 8), held(4, allocation=devices("1"))),
        runs=runs(70, 80, 90),
    )
    assert "it fits gpu-1 when job 2 'job-2' ends (likely in 10 s to 30 s)." in found.text
    assert found.job_ids == (2,)


def test_the_client_that_is_free_first_is_named_first_and_the_rest_is_counted() -> None:
    clients = tuple(client(f"c{number}", 1) for number in range(5))
    holdings = tuple(held(number, on=f"c{number}", since=10 * number) for number in range(5))
    found = said("busy", clients=clients, holdings=holdings, runs=runs(100, 100, 100), place=place(since=DAY))
    assert found.text == (
        "It needs 1 CPU, and no client has that free now: it fits c4 when job 4 'job-4' ends (likely in 60 s), "
        "c3 when job 3 'job-3' ends (likely in 70 s), c2 when job 2 'job-2' ends (likely in 80 s), and 2 more clients."
    )
    assert found.client_ids == ("c4", "c3", "c2")


def test_nothing_is_said_of_room_on_clients_that_hold_too_much_to_be_looked_at() -> None:
    assert codes(looked_at=set()) == ["queue"]
    assert explained(looked_at=set()).estimate is None


def test_clients_drain_for_it_or_for_another_job() -> None:
    clients = (client("a"), client("b"), client("c"), client("d"))
    reservations = {
        "a": (7, NOW - seconds(10)),
        "b": (8, NOW - seconds(10)),
        "c": (9, NOW - seconds(121)),
        "gone": (7, NOW),
    }
    full = tuple(held(number, 4, on=name) for number, name in enumerate("abcd", 20))
    found = reasons(clients=clients, holdings=full, reservations=reservations)
    assert [each.code for each in found[:3]] == ["reserved", "reserved-elsewhere", "busy"]
    assert found[0].text == "a drains for it: it takes nothing that would make this job wait longer."
    assert found[1].text == "1 client drains for another job and takes only what leaves it room: b for job 8."
    assert (found[1].job_ids, found[1].client_ids) == ((8,), ("b",))
    assert "drains for it" not in found[2].text
    others = {"a": (8, NOW), "b": (9, NOW)}
    assert said("reserved-elsewhere", clients=clients, reservations=others).text.startswith(
        "2 clients drain for another job and take only what leaves it room: a for job 8 and b for job 9"
    )


# -- estimate ----------------------------------------------------------------------------------------------------------


def test_a_start_is_estimated_from_past_runs_of_what_runs_and_of_what_is_before_it() -> None:
    found = explained(
        clients=(client(cpu=2),),
        holdings=(held(1, since=20), held(2, since=10)),
        place=place(ahead(4), ahead(2, ANOTHER), ahead(9, 3, cpu=50), ahead(9, 4, cpu=0)),
        runs=(*runs(40, 60, 50), *runs(*range(1, 21), task_id=ANOTHER)),
        task_names={1: "train", ANOTHER: "test"},
    )
    estimate = found.estimate
    assert estimate is not None
    assert [(each.task, each.runs, each.shortest, each.longest) for each in estimate.samples] == [
        ("train", 3, 40.0, 60.0),
        ("test", 20, 3.0, 18.0),
    ]
    assert estimate.earliest == NOW + seconds(20 + 4 * 40 / 2 + 2 * 3 / 2)
    assert estimate.latest == NOW + seconds(40 + 4 * 60 / 2 + 2 * 18 / 2)
    last = found.reasons[-1]
    assert last.text == (
        "It may start in 103 s to 178 s (by 12:02:58 UTC), judging by the last 3 runs of train (40 s to 60 s) "
        "and the last 20 runs of test (3 s to 18 s)."
    ).replace("103 s to 178 s", "2 min to 3 min")
    assert last.until == estimate.latest


def test_jobs_before_it_that_one_of_the_clients_takes_without_a_bound_do_not_count() -> None:
    one, other = client("one", capacity=Capacity(cpu=1)), client("other", capacity=Capacity(cpu=1, memory=100))
    holdings = (held(1, on="one"), held(2, on="other"))
    found = explained(
        clients=(one, other), holdings=holdings, place=place(ahead(9, 3, cpu=0, memory=10)), runs=runs(70, 80, 90)
    )
    assert found.estimate is not None
    assert found.estimate.latest == NOW + seconds(30)


def test_no_estimate_is_made_of_too_few_runs_and_says_of_what() -> None:
    found = explained(place=place(ahead(1, ANOTHER), ahead(1, 3)), runs=runs(1, 2, task_id=ANOTHER))
    assert found.estimate is None
    assert found.reasons[-1].code == "no-estimate"
    assert found.reasons[-1].text == (
        "No estimate of its start: too few runs have completed lately of task 2 and task 3."
    )
    busy = explained(clients=(client(cpu=1),), holdings=(held(1),))
    assert busy.reasons[-1].text == "No estimate of its start: too few runs have completed lately of train."


def test_an_estimate_has_no_end_where_none_is_known() -> None:
    overdue = explained(clients=(client(cpu=1),), holdings=(held(1, since=100),), runs=runs(1, 2, 3))
    assert overdue.estimate is not None
    assert overdue.estimate.latest is None
    assert "It may start at any time from now on, judging by" in overdue.reasons[-1].text
    many = explained(place=place(ahead(10_000), more=True), runs=runs(4, 4, 4))
    assert "It may start in 3 h at the earliest, judging by" in many.reasons[-1].text
    endless = explained(place=place(ahead(10_000)), runs=runs(DAY * 400, DAY * 400, DAY * 400))
    assert (endless.estimate, endless.reasons[-1].code) == (None, "queue")
    mixed = explained(place=place(ahead(1000)), runs=runs(1, 1, DAY * 4000 * 4))
    assert mixed.estimate is not None
    assert mixed.estimate.latest is None


def test_of_many_runs_the_newest_count_without_the_extremes() -> None:
    (found,) = samples([*runs(*range(1, 51)), *runs(1000)], {}).values()
    assert (found.runs, found.shortest, found.longest, found.task) == (50, 6, 45, "task 1")
    assert samples(runs(*range(ENOUGH - 1)), {}) == {}


# -- properties --------------------------------------------------------------------------------------------------------


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Requirement, int, list[Holding]]:
    cpu = draw(st.integers(1, 8))
    holdings: list[Holding] = []
    free = cpu
    for number in range(draw(st.integers(0, 6))):
        share = draw(st.integers(0, free))
        free -= share
        since = draw(st.none() | st.integers(0, 200))
        holdings.append(held(number + 1, share, since=since, task_id=draw(st.integers(1, 3))))
    return Requirement(cpu=draw(st.integers(1, cpu))), cpu, holdings


@given(crowds(), st.lists(st.integers(0, 150), max_size=8))
@settings(max_examples=200)
def test_what_must_end_is_enough_and_no_more(given: tuple[Requirement, int, list[Holding]], lengths: list[int]) -> None:
    requirement, cpu, holdings = given
    known = samples([*runs(*lengths), *runs(*lengths, task_id=2)], {})
    fleet = survey([client(cpu=cpu)], requirement, 1, now=NOW, silent_after=seconds(90), wishes=Wishes())
    found = release(fleet.seats[0], requirement, holdings, known, NOW)

    def fits_without(ended: tuple[Holding, ...]) -> bool:
        room = Room(Capacity(cpu=cpu))
        for each in holdings:
            if each not in ended:
                room.take(each.allocation)
        return room.find(requirement) is not None

    assert fits_without(found.holdings)
    for each in found.holdings:
        assert not fits_without(tuple(other for other in found.holdings if other is not each))
    assert 0 <= found.wait.low <= found.wait.high
    assert (not found.holdings) == fits_without(())


@given(st.integers(0, 30), st.integers(0, 30), st.lists(st.floats(0, 1e6), min_size=3, max_size=30))
@settings(max_examples=100)
def test_more_jobs_before_it_never_make_it_start_earlier(few: int, more: int, lengths: list[float]) -> None:
    def estimate(number: int) -> tuple[float, float]:
        groups = [ahead(number)] if number else []
        found = explained(clients=(client(cpu=3),), place=place(*groups), runs=runs(*lengths)).estimate
        assert found is not None
        assert found.latest is not None
        return (found.earliest - NOW).total_seconds(), (found.latest - NOW).total_seconds()

    first, second = estimate(few), estimate(few + more)
    assert first[0] <= first[1]
    assert first[0] <= second[0]
    assert first[1] <= second[1]


def test_an_allocation_of_a_device_that_is_gone_takes_nothing() -> None:
    gone = held(1, allocation=Allocation(cpu=1, devices=devices("9").devices))
    assert codes(holdings=(gone,))[0] == "next"
