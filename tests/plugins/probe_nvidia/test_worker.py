"""A worker deals out the GPUs that nobody else uses."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.probe_nvidia.conftest import Driver
from tests.support import Daemon, wait_until
from tests.support.server import ServerProcess, clean_environment, command
from whatsnext.api.client import Job, Project, Server

BIG = "card GPU-big 85520809984 NVIDIA H100 80GB HBM3"
SMALL = "card GPU-small 25769803776 NVIDIA GeForce RTX 4090"
WAIT = 'echo $$ >"$1/pid.new"; mv "$1/pid.new" "$1/pid"; while [ ! -e "$1/go" ]; do sleep 0.05; done'


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with ServerProcess(tmp_path / "server") as server:
        yield Server("127.0.0.1", server.port).append_project("gpus")


@pytest.fixture
def worker(project: Project, driver: Driver, tmp_path: Path) -> Iterator[Daemon]:
    driver.write(BIG, SMALL)
    argv = command("worker", "--forever", "--verbose", "--project", "gpus", "--cpus", "2", "--state-dir", str(tmp_path))
    argv += ["--server", project.rest.transport.address.url]
    env = {**clean_environment(WHATSNEXT_PROBE_INTERVAL="0.1"), **driver.environment}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    with Daemon(argv, tmp_path / "worker.log", env=env) as worker:
        yield worker


def test_probe_shows_what_a_worker_offers(driver: Driver) -> None:
    driver.write(BIG, "user 1", SMALL)
    env = {**clean_environment(), **driver.environment, "CUDA_VISIBLE_DEVICES": "0,1"}
    shown = subprocess.run(command("probe"), env=env, capture_output=True, text=True, check=True)
    assert "GPU-big NVIDIA H100 80GB HBM3 79.65 GiB (in use by others)" in shown.stdout
    assert "GPU-small NVIDIA GeForce RTX 4090 24 GiB\n" in shown.stdout
    listed = subprocess.run(command("probe", "--json"), env=env, capture_output=True, text=True, check=True)
    offer = json.loads(listed.stdout)["offer"]
    assert [(one["memory"], one["free"]) for one in offer["devices"]] == [(85520809984, 0), (25769803776, 1000)]


def test_gpu_is_dealt_out_only_while_nobody_else_uses_it(
    project: Project, worker: Daemon, driver: Driver, tmp_path: Path
) -> None:
    project.create_task(
        "big",
        command_template="sh -c 'echo $CUDA_VISIBLE_DEVICES'",
        required_accelerators=1,
        accelerator_kind="H100",
        accelerator_memory=79 * 2**30,
    )
    project.create_task(
        "holding",
        command_template=f"sh -c '{WAIT}' - {tmp_path}",
        required_accelerators=1,
        accelerator_kind="H100",
    )
    project.create_task(
        "small",
        command_template="sh -c 'echo $CUDA_VISIBLE_DEVICES'",
        required_accelerators=1,
        accelerator_kind="RTX",
    )
    # A job of the worker's own is seen on the GPU, and the GPU goes on being its.
    project.append_queue(holding := Job("holding", "holding", {}))
    wait_until((tmp_path / "pid").exists, 60, f"the job runs: {worker.tail()}")
    driver.write(BIG, f"user {(tmp_path / 'pid').read_text().strip()}", SMALL)
    driver.await_reads(3)
    assert "Others use" not in worker.log.read_text()
    driver.write(BIG, SMALL)
    driver.await_reads(3)
    (tmp_path / "go").touch()
    assert holding.wait(60) == "COMPLETED"
    # Somebody else computes on it now.
    driver.write(BIG, f"user {os.getpid()}", SMALL)
    wait_until(lambda: "Others use the device GPU-big" in worker.log.read_text(), 60, "the worker sees it")
    project.append_queue(second := Job("second", "big", {}, priority=9))
    project.append_queue(other := Job("other", "small", {}))
    other.wait(60)
    assert other.logs() == "GPU-small\n"
    assert second.refresh().status == "PENDING"
    # They leave.
    driver.write(BIG, SMALL)
    second.wait(60)
    assert second.logs() == "GPU-big\n"
