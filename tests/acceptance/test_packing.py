"""One worker fills its machine: 16 CPUs and 4 devices, by a mix of jobs, and nothing is promised twice."""

import json
import shlex
import subprocess
import sys
from collections import defaultdict
from itertools import cycle
from typing import Any

import pytest

from tests.acceptance.recording import completed
from tests.support import wait_until
from tests.support.server import ServerProcess, command, running_server, running_worker
from whatsnext.api.client import Job, Project, Server

CPUS, DEVICES = 16, 4
KINDS = {"one": (1, 0), "four": (4, 0), "device": (1, 1), "half": (1, 0.5)}
"""CPUs and devices that jobs of each kind need."""
FULL = ["four", "four", "device", "device", "half", "half", "half", "half", "one", "one"]
"""The first jobs: together all CPUs and all devices. Each of them ends only when all have begun."""
MORE = 20
PROGRAM = """
import json, os, pathlib, sys, time
folder, meet = pathlib.Path(sys.argv[1]), int(sys.argv[2])
mine = folder / os.environ["WHATSNEXT_JOB_ID"]
names = ("WHATSNEXT_CPUS", "OMP_NUM_THREADS", "WHATSNEXT_DEVICES", "CUDA_VISIBLE_DEVICES")
seen = {name: os.environ.get(name) for name in names} | {"begin": time.monotonic()}
mine.touch()
deadline = time.monotonic() + 100
while len(list(folder.iterdir())) < meet:
    assert time.monotonic() < deadline
    time.sleep(0.02)
sum(number * number for number in range(200_000))
mine.write_text(json.dumps(seen | {"end": time.monotonic()}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The server, the project, its jobs, and what each of them recorded."""
    folder = tmp_path_factory.mktemp("packing")
    record, program = folder / "record", folder / "job.py"
    record.mkdir()
    program.write_text(PROGRAM)
    line = f"{shlex.quote(sys.executable)} {shlex.quote(str(program))} {shlex.quote(str(record))} {{meet}}"
    with running_server(folder, f"sqlite:///{folder / 'queue.db'}") as server:
        project = Server("127.0.0.1", server.port).append_project("packing")
        for name, (cpu, accelerators) in KINDS.items():
            project.create_task(name, command_template=line, required_cpu=cpu, required_accelerators=accelerators)
        kinds = cycle(["half", "one", "device", "four", "half"])
        names = [*FULL, *(next(kinds) for _ in range(MORE))]
        jobs = [Job(f"{number}-{name}", name, {"meet": len(FULL)}) for number, name in enumerate(names)]
        project.extend_queue(jobs)
        options = ("--cpus", str(CPUS), "--accelerators", str(DEVICES), "--name", "packer")
        with running_worker(server, folder / "worker", *options, project="packing") as worker:
            wait_until(lambda: completed(project) == len(jobs), timeout=120, why=f"all jobs are done: {worker.tail()}")
        seen = {job.id: json.loads((record / str(job.id)).read_text()) for job in jobs}
        yield server, project, jobs, seen


Ran = tuple[ServerProcess, Project, list[Job], dict[int, dict[str, Any]]]


def test_all_of_the_machine_is_used_at_once(ran: Ran) -> None:
    _, _, jobs, seen = ran
    first = [seen[job.id or 0] for job in jobs[: len(FULL)]]
    assert max(each["begin"] for each in first) < min(each["end"] for each in first)
    assert sum(int(each["WHATSNEXT_CPUS"]) for each in first) == CPUS
    used = [device for each in first for device in each["CUDA_VISIBLE_DEVICES"].split(",") if device != "-1"]
    assert sorted(set(used)) == ["0", "1", "2", "3"]


def test_no_cpu_and_no_device_is_promised_twice(ran: Ran) -> None:
    """By the server's record of attempts, and by the times that the jobs themselves wrote down."""
    _, project, jobs, seen = ran
    by_server, by_jobs = [], []
    for job in jobs:
        (attempt,) = project.rest.attempts(job.number)
        given, own = attempt["allocation"], seen[job.number]
        cpu, accelerators = KINDS[job.task]
        shares = {share["device"]: share["millis"] for share in given["devices"]}
        assert (given["cpu"], sum(shares.values())) == (cpu, accelerators * 1000)
        assert own["WHATSNEXT_CPUS"] == own["OMP_NUM_THREADS"] == str(cpu)
        assert own["WHATSNEXT_DEVICES"] == ",".join(shares)
        assert own["CUDA_VISIBLE_DEVICES"] == (",".join(shares) or "-1")
        by_server += [(attempt["claimed_at"], 1, cpu, shares), (attempt["finished_at"], 0, cpu, shares)]
        by_jobs += [(own["begin"], 1, cpu, shares), (own["end"], 0, cpu, shares)]
    for changes in (by_server, by_jobs):
        cpus, devices, most = 0, defaultdict[str, int](int), 0
        for _, begins, cpu, shares in sorted(changes, key=lambda change: change[:2]):
            sign = 1 if begins else -1
            cpus += sign * cpu
            most = max(most, cpus)
            assert cpus <= CPUS
            for device, millis in shares.items():
                devices[device] += sign * millis
                assert devices[device] <= 1000
        assert most == CPUS


def test_record_of_attempts_says_who_when_where_and_how(ran: Ran) -> None:
    """By REST, by the library and by the command line."""
    server, project, jobs, _ = ran
    job = jobs[FULL.index("half")]
    (shown,) = project.rest.attempts(job.number)
    (attempt,) = job.attempts()
    assert shown["client_id"] == attempt.client_id is not None
    assert shown["claimed_at"] <= shown["started_at"] <= shown["finished_at"]
    assert (attempt.exit_code, attempt.cause, shown["exit_code"], shown["cause"]) == (0, None, 0, None)
    assert (attempt.peak_memory or 0) == shown["peak_memory"] > 1_000_000
    assert (attempt.cpu_seconds or 0) == shown["cpu_seconds"] > 0.001
    assert attempt.allocation.device_ids == tuple(share["device"] for share in shown["allocation"]["devices"])
    told = subprocess.run(
        command("jobs", "show", str(job.id), "--project", "packing", "--port", str(server.port)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert attempt.client_id is not None
    for words in (attempt.client_id, f"1 CPU, 0.5 of device {attempt.allocation.device_ids[0]}", "COMPLETED"):
        assert words in told
