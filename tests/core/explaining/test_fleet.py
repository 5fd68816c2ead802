"""How the clients stand to a job."""

from typing import Any

import pytest

from tests.core.explaining.given import NOW, client, codes, facts, job, reasons, said, seconds, task
from whatsnext_core.explaining import explain
from whatsnext_core.explaining.fleet import Presence, Wishes, how_many, survey
from whatsnext_core.model import Capacity, Device, Requirement, RetryPolicy
from whatsnext_core.model.client import numbered_devices

LABELLED = Capacity(cpu=4, labels=frozenset({"site=here"}))
GIB = 2**30


def test_no_client_at_all() -> None:
    found = reasons(clients=())
    assert [each.code for each in found] == ["no-client", "queue"]
    assert found[0].text == "No client is known to the server, so nobody takes jobs."
    assert "whatsnext worker" in found[0].advice


def test_clients_that_are_all_away_are_counted_and_named() -> None:
    clients = (
        client("gone", heard=7200),
        client("left", is_active=False, heard=90_000),
        client("drains", draining=True),
        client("other"),
    )
    found = reasons(clients=clients, wishes=Wishes(projects={"other": {2, 3}, "gone": {1}}))
    assert found[0].text == (
        "No client takes jobs like this now: 1 is offline, 1 is out of service, 1 is draining, 1 is for other projects."
    )
    assert [(each.code, each.text) for each in found[1:-1]] == [
        ("offline", "1 client that would fit is offline: gone, last heard of 2 h ago."),
        ("draining", "1 client that would fit takes no more jobs: drains."),
        ("inactive", "1 client that would fit was taken out of service: left, last heard of 25 h ago."),
        ("other-projects", "1 client that would fit asks for jobs of other projects only: other."),
    ]
    assert all(each.advice for each in found[:-1])


def test_a_client_that_is_taken_away_too_early_is_told_of() -> None:
    wishes = Wishes(seconds={"gpu-1": 600.0})
    found = reasons(wishes=wishes, task=task(timeout=600.0))
    assert [each.code for each in found] == ["no-client", "leaving", "queue"]
    assert found[0].text == "No client takes jobs like this now: 1 is about to be taken away."
    assert found[1].text == ("1 client that would fit is taken away before it would surely end: gpu-1, in 10 min.")
    assert codes(wishes=wishes, task=task(timeout=570.0)) == ["next", "queue", "estimate"]
    assert codes(wishes=wishes) == ["next", "queue", "estimate"]


def test_those_that_were_heard_of_last_are_named_first() -> None:
    clients = (client(), *(client(f"old-{hours}", heard=3600 * hours) for hours in (5, 3, 9, 7)))
    found = said("offline", clients=clients)
    assert found.text == (
        "4 clients that would fit are offline: old-3, last heard of 3 h ago, old-5, last heard of 5 h ago, "
        "old-7, last heard of 7 h ago and 1 more."
    )
    assert found.client_ids == ("old-3", "old-5", "old-7")


def test_some_clients_lack_what_others_have() -> None:
    clients = (client("a", 2), client("b", 4), client("c", 8), client("d", 16))
    assert said("lacks", clients=clients, task=task(cpu=8)).text == "2 of 4 clients lack 8 CPUs (the most is 16)."
    assert said("lacks", clients=clients[1:], task=task(cpu=8)).text == "1 of 3 clients lacks 8 CPUs (the most is 16)."
    assert "lacks" not in codes(clients=clients)


def test_what_fits_nowhere_says_what_each_lacks_and_what_the_most_is() -> None:
    device = Device(id="0", kind="NVIDIA A100", memory=40 * GIB, free=0)
    clients = (
        client("a", capacity=Capacity(cpu=4, memory=8 * GIB, devices=(device,))),
        client("b", capacity=Capacity(cpu=64, memory=2 * GIB)),
    )
    needs: dict[str, Any] = {"cpu": 16, "memory": 4 * GIB, "accelerators": 2, "accelerator_kind": "a100"}
    found = said("does-not-fit", clients=clients, task=task(**needs))
    assert found.text == (
        "It does not fit any of 2 clients that take jobs: 1 of 2 clients lacks 16 CPUs (the most is 64); "
        "2 of 2 clients lack 2 accelerators (a100) (the most is 1); "
        "1 of 2 clients lacks 4 GiB of memory (the most is 8 GiB)."
    )
    assert found.advice == (
        "Start a client with 16 CPUs, 2 accelerators (a100), 4.0 GiB of memory, or let task 'train' ask for less."
    )
    alone = said("does-not-fit", task=task(accelerators=0.5, accelerator_memory=512))
    assert alone.text == (
        "It does not fit the only client that takes jobs: that one lacks 0.5 accelerator (512 B) (the most is 0)."
    )


def test_a_label_that_nobody_carries_is_named() -> None:
    clients = (client(), client("b", capacity=LABELLED, heard=500))
    needs = task(labels=frozenset({"site=there", "fast", "site=here"}))
    found = reasons(clients=clients, task=needs)
    assert [each.code for each in found] == ["unknown-label", "does-not-fit", "queue"]
    assert found[0].text == "No client carries the labels fast and site=there that its task asks for."
    assert "whatsnext worker --label fast" in found[0].advice
    assert "that one lacks the labels fast, site=here and site=there" in found[1].text
    one = reasons(clients=clients, task=task(labels=frozenset({"site=here"})))
    assert [each.code for each in one] == ["does-not-fit", "offline", "queue"]
    assert "that one lacks the label site=here" in one[0].text


def test_a_client_is_offline_once_it_was_silent_for_too_long() -> None:
    for heard, presence in ((90, Presence.TAKES), (91, Presence.OFFLINE)):
        fleet = survey([client(heard=heard)], Requirement(), 1, now=NOW, silent_after=seconds(90), wishes=Wishes())
        assert fleet.seats[0].presence is presence


@pytest.mark.parametrize(
    ("needs", "number"),
    [
        ({"cpu": 1}, 8),
        ({"cpu": 3}, 2),
        ({"cpu": 9}, 0),
        ({"cpu": 0}, None),
        ({"cpu": 0, "memory": 10}, 10),
        ({"cpu": 1, "accelerators": 0.4}, 4),
        ({"cpu": 1, "accelerators": 1}, 2),
        ({"cpu": 1, "accelerators": 2}, 1),
        ({"cpu": 1, "accelerators": 3}, 0),
    ],
)
def test_a_client_runs_so_many_at_once(needs: dict[str, Any], number: int | None) -> None:
    total = Capacity(cpu=8, memory=100, devices=numbered_devices(2))
    assert how_many(Requirement(**needs), total) == number
    if number and "memory" not in needs:
        assert how_many(Requirement(**needs), Capacity(cpu=8, devices=numbered_devices(2))) == number


def test_memory_that_grew_with_failures_is_what_must_fit() -> None:
    given = facts(
        job(ooms=2, failures=2, attempt=2),
        task=task(RetryPolicy(retries=5, memory_factor=2), memory=GIB),
        clients=(client(capacity=Capacity(cpu=4, memory=2 * GIB)),),
    )
    assert explain(given).reasons[0].text == (
        "It does not fit the only client that takes jobs: that one lacks 4 GiB of memory (the most is 2 GiB)."
    )
