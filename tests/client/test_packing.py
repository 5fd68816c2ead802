"""A worker runs as many jobs at once as fit, and no device is ever promised twice."""

import json
import os
from itertools import pairwise
from pathlib import Path

from tests.client.conftest import MakeClient
from tests.client.support import Python
from whatsnext.api.client import Job, Project
from whatsnext_client.engine.records import Held, Record
from whatsnext_core.model import Allocation

MEET = """
import os, pathlib, time
folder = pathlib.Path({folder!r})
(folder / os.environ["WHATSNEXT_JOB_ID"]).touch()
deadline = time.monotonic() + 60
while len(list(folder.iterdir())) < {count} and time.monotonic() < deadline:
    time.sleep(0.01)
assert len(list(folder.iterdir())) >= {count}
"""
SHOW = """
import json, os, time
time.sleep({seconds})
print(json.dumps([os.environ["WHATSNEXT_CPUS"], os.environ["CUDA_VISIBLE_DEVICES"]]))
"""


def meeting(folder: Path, count: int) -> dict[str, str]:
    """The parameters of a job that ends only when so many of its kind run at the same time."""
    folder.mkdir(exist_ok=True)
    return {"code": MEET.format(folder=str(folder), count=count)}


def test_as_many_jobs_as_there_are_cpus_run_at_once(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    project.create_task("meet")
    jobs = [Job(f"job-{number}", "meet", meeting(tmp_path / "meet", 4)) for number in range(4)]
    project.extend_queue(jobs)
    assert make_client(formatter=Python(), available_cpu=4).work() == 4
    assert {job.refresh().status for job in jobs} == {"COMPLETED"}


def test_jobs_without_cpus_do_not_take_any(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    project.create_task("meet", required_cpu=0)
    project.extend_queue([Job(f"job-{number}", "meet", meeting(tmp_path / "meet", 6)) for number in range(6)])
    assert make_client(formatter=Python(), available_cpu=1).work() == 6
    assert {job.status for job in project.jobs} == {"COMPLETED"}


def test_two_halves_share_a_device(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    project.create_task("meet", required_cpu=0, required_accelerators=0.5)
    project.extend_queue([Job(f"job-{number}", "meet", meeting(tmp_path / "meet", 4)) for number in range(4)])
    assert make_client(formatter=Python(), available_cpu=1, available_accelerators=2).work() == 4
    used = [job.attempts()[0].allocation.device_ids for job in project.jobs]
    assert sorted(used) == [("0",), ("0",), ("1",), ("1",)]


def test_pinned_jobs_share_no_cpu(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    """All CPUs of this machine are dealt out; a child of a job stays where its parent is."""
    usable = sorted(os.sched_getaffinity(0))
    project.create_task("one")
    project.create_task("none", required_cpu=0)
    show = "import json, os\nprint(json.dumps([os.environ.get('WHATSNEXT_CPU_IDS'), sorted(os.sched_getaffinity(0))]))"
    linger = "time.sleep(0.5)  # the server hears meanwhile that it runs, and where"
    code = f"{MEET.format(folder=str(tmp_path / 'meet'), count=len(usable))}\n{linger}\n{show}"
    (tmp_path / "meet").mkdir()
    pinned = [Job(f"job-{number}", "one", {"code": code}) for number in range(2 * len(usable))]
    free = Job("free", "none", {"code": show})
    project.extend_queue([*pinned, free])
    assert make_client(formatter=Python(), available_cpu=len(usable), cpu_ids=usable).work() == len(pinned) + 1
    changes = []
    for job in pinned:
        (attempt,) = job.attempts()
        told, used = json.loads(job.logs())
        assert attempt.handle is not None
        assert [told] == [",".join(map(str, used))]
        assert attempt.handle["cpus"] == used
        assert len(used) == 1
        changes += [(attempt.started_at, 1, used), (attempt.finished_at, 0, used)]
    busy: set[int] = set()
    for _, begins, used in sorted(changes, key=lambda change: change[:2]):
        assert busy.isdisjoint(used) if begins else busy.issuperset(used)
        busy = busy | set(used) if begins else busy - set(used)
    assert json.loads(free.logs()) == [None, usable]


def test_pins_of_a_restarted_worker_are_known() -> None:
    held = Held(job_id=1, fence=2, name="x", allocation=Allocation(cpu=2), signal="SIGTERM", grace=1.0, timeout=None)
    held.cpu_ids = (3, 5)
    record = Record.from_bytes(held.record("cli").to_bytes())
    assert Held.from_record(record, 0.0, 0.0).cpu_ids == (3, 5)


def test_memory_is_packed_too(project: Project, make_client: MakeClient) -> None:
    project.create_task("large", required_cpu=0, required_memory="3GiB", command_template="sleep 0.05")
    project.extend_queue([Job(f"job-{number}", "large") for number in range(4)])
    assert make_client(memory=4 * 2**30).work() == 4
    times = sorted((each.claimed_at, each.finished_at) for job in project.jobs for each in job.attempts())
    assert all(end is not None and end <= begin for (_, end), (begin, _) in pairwise(times))


def test_a_mix_of_jobs_overlaps_on_no_device_and_no_cpu(project: Project, make_client: MakeClient) -> None:
    mix = {"one": (1, 0), "four": (4, 0), "device": (1, 1), "half": (1, 0.5), "two": (2, 2)}
    for name, (cpu, accelerators) in mix.items():
        project.create_task(name, required_cpu=cpu, required_accelerators=accelerators)
    jobs = [Job(f"{name}-{number}", name, {"code": SHOW.format(seconds=0.1)}) for number in range(8) for name in mix]
    project.extend_queue(jobs)
    assert make_client(formatter=Python(), available_cpu=8, available_accelerators=4).work() == 40
    changes = []
    for job in jobs:
        (attempt,) = job.attempts()
        cpus, devices = json.loads(job.logs())
        assert attempt.exit_code == 0
        assert attempt.finished_at is not None
        assert int(cpus) == attempt.allocation.cpu == mix[job.task][0]
        assert devices == (",".join(attempt.allocation.device_ids) or "-1")
        shares = {share.device: share.millis for share in attempt.allocation.devices}
        changes.append((attempt.claimed_at, 1, attempt.allocation.cpu, shares))
        changes.append((attempt.finished_at, 0, -attempt.allocation.cpu, {k: -v for k, v in shares.items()}))
    used, devices_used, most = 0, dict.fromkeys("0123", 0), 0
    for _, _, cpu, shares in sorted(changes, key=lambda change: change[:2]):
        used += cpu
        most = max(most, used)
        assert used <= 8
        for device, millis in shares.items():
            devices_used[device] += millis
            assert devices_used[device] <= 1000
    assert most > 4
