"""Which devices others use, and which processes are a worker's own."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping

import psutil
import pytest

from tests.support import wait_until
from whatsnext_client.engine.neighbours import Neighbours, is_own, taken_by_others
from whatsnext_client.engine.plan import WorkPlan
from whatsnext_core.model import Capacity, Device
from whatsnext_core.probing import Measurement

OWN, FOREIGN, HIDDEN = 1, 2, 3
WHOSE: Mapping[int, bool | None] = {OWN: True, FOREIGN: False, HIDDEN: None}


def seen(free: int, *users: int) -> Measurement:
    return Measurement(devices=(Device(id="g", free=free),), users={"g": users} if users else {})


@pytest.mark.parametrize(
    ("found", "mine", "taken"),
    [
        (seen(1000), set(), False),
        (seen(500, FOREIGN), set(), False),
        (seen(0, FOREIGN), set(), True),
        (seen(0, FOREIGN), {"g"}, True),
        (seen(0, OWN), set(), False),
        (seen(0, OWN, FOREIGN), {"g"}, True),
        (seen(0, HIDDEN), set(), True),
        (seen(0, HIDDEN), {"g"}, False),
        (seen(0), set(), True),
        (seen(0), {"g"}, False),
        (Measurement(), {"g"}, True),
    ],
)
def test_device_is_taken_if_others_use_it_or_it_is_gone(found: Measurement, mine: set[str], taken: bool) -> None:
    assert taken_by_others(found, ["g"], mine, WHOSE.__getitem__) == ({"g"} if taken else set())


class Never:
    """A probe that nobody asks."""

    def measure(self) -> Measurement:
        raise AssertionError("it was asked")


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test."""
    found: list[subprocess.Popen[str]] = []
    yield found
    for process in found:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.communicate()


def test_processes_of_a_job_are_known_by_what_they_or_their_forebears_name(
    sleepers: list[subprocess.Popen[str]],
) -> None:
    def started(argv: list[str], **env: str) -> int:
        process = subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
        sleepers.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    def is_mine(pid: int) -> bool | None:
        """The answer once there is one: while a process becomes another program, it shows no environment."""
        found = is_own(pid, "me")
        while found is None and psutil.pid_exists(pid):
            time.sleep(0.01)
            found = is_own(pid, "me")
        return found

    sleep = "echo $$; exec sleep 60"
    assert is_mine(started(["sh", "-c", sleep], WHATSNEXT_CLIENT_ID="me")) is True
    assert is_mine(started(["sh", "-c", sleep], WHATSNEXT_CLIENT_ID="you")) is False
    child = f"env -i sh -c '{sleep}'; true"
    nameless = started(["sh", "-c", child], WHATSNEXT_CLIENT_ID="me")
    assert psutil.Process(nameless).environ().get("WHATSNEXT_CLIENT_ID") is None
    assert is_mine(nameless) is True
    bare = psutil.Process(started(["sh", "-c", "echo $$; exec env -i sleep 60"]))
    wait_until(lambda: bare.name() == "sleep" and not bare.environ(), 20, "its environment is empty")
    assert is_own(bare.pid, "me") is None
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert is_own(gone.pid, "me") is None


def test_changes_are_told_and_a_probe_that_fails_changes_nothing() -> None:
    answers = [seen(1000), seen(0, os.getpid()), None, seen(0, os.getpid()), seen(1000)]
    told: list[Capacity] = []

    class Scripted:
        def measure(self) -> Measurement:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer is None:
                raise OSError("the card is away")
            return answer

    total = Capacity(cpu=1, devices=(Device(id="g"),))
    plan = WorkPlan(total=total, project_names={}, probe=Scripted(), probe_interval=0.01)
    neighbours = Neighbours(plan, client_id="me", in_use=set, on_change=told.append)
    neighbours.start()
    wait_until(lambda: len(told) >= 2, 20, "both changes are told")
    neighbours.close()
    assert [device.free for capacity in told for device in capacity.devices] == [0, 1000]
    assert neighbours.taken == set()


def test_device_that_is_in_use_at_first_is_not_offered_and_yet_room_for_own_jobs() -> None:
    busy = Capacity(cpu=1, devices=(Device(id="a", free=0), Device(id="b", free=500)))
    plan = WorkPlan(total=busy, project_names={}, probe=Never())
    neighbours = Neighbours(plan, client_id="me", in_use=set, on_change=lambda _: None)
    assert neighbours.taken == {"a"}
    assert [device.free for device in plan.room.devices] == [1000, 500]
    assert [device.free for device in plan.without(frozenset({"b"})).devices] == [1000, 0]


def test_devices_that_nobody_measures_stay_as_they_are() -> None:
    plan = WorkPlan(total=Capacity(cpu=1, devices=(Device(id="a", free=0),)), project_names={})
    assert plan.room == plan.total
    assert Neighbours(plan, client_id="me", in_use=set, on_change=lambda _: None).taken == set()
