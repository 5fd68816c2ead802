"""What the variables of Slurm mean."""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.components import SlurmCluster
from tests.plugins.probe_slurm.test_conformance import INSIDE
from tests.support import wait_until
from tests.support.server import clean_environment
from whatsnext_core.model import Device
from whatsnext_core.probing import Measurement
from whatsnext_probe_slurm import SlurmProbe
from whatsnext_probe_slurm.allocation import Allocation, read_allocation

MIB = 2**20


def read(**changes: str) -> Allocation:
    found = read_allocation({**INSIDE, **changes})
    assert found is not None
    return found


def test_a_batch_script_has_all_of_its_jobs_part_of_the_node() -> None:
    measured = SlurmProbe(INSIDE).measure()
    assert measured == Measurement(
        cpu=6,
        memory=300 * MIB,
        devices=(Device(id="0"), Device(id="1")),
        labels=frozenset({"slurm-partition=main", "slurm-node=n1"}),
        ends_at=datetime(2026, 11, 25, 23, 54, 28, tzinfo=UTC),
    )


def test_a_task_of_a_step_has_its_share() -> None:
    step = {"SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": "2(x2),3", "SLURM_NODEID": "2"}
    found = read(**step)
    assert (found.cpu, found.memory) == (2, 100 * MIB)
    assert read(**step, SLURM_CPUS_PER_TASK="1").cpu == 1
    assert read(**{**step, "SLURM_NODEID": "1"}).cpu == 3
    assert read(**{**step, "SLURM_NODEID": "9"}).cpu == 6
    assert read(**{**step, "SLURM_STEP_ID": "batch"}).cpu == 6


def test_memory_may_be_dealt_out_by_cpu_or_not_at_all() -> None:
    assert read(SLURM_MEM_PER_NODE="", SLURM_MEM_PER_CPU="50").memory == 300 * MIB
    assert read(SLURM_MEM_PER_NODE="0").memory is None
    assert read(SLURM_MEM_PER_NODE="", SLURM_MEM_PER_CPU="50", SLURM_CPUS_ON_NODE="").memory is None
    assert read(SLURM_CPUS_ON_NODE="0").cpu is None


@pytest.mark.parametrize(
    ("variables", "devices"),
    [
        ({"CUDA_VISIBLE_DEVICES": "GPU-1, GPU-2,GPU-1"}, ("GPU-1", "GPU-2")),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles", "SLURM_JOB_GPUS": "1"}, ()),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        ({"ROCR_VISIBLE_DEVICES": "3"}, ("3",)),
        ({"SLURM_JOB_GPUS": "1,2"}, ("1", "2")),
        ({"SLURM_STEP_GPUS": "2", "SLURM_JOB_GPUS": "1,2"}, ("2",)),
        ({}, ()),
    ],
)
def test_devices_are_those_that_the_process_sees(variables: Mapping[str, str], devices: tuple[str, ...]) -> None:
    found = read_allocation({"SLURM_JOB_ID": "1", **variables})
    assert found is not None
    assert found.devices == devices
    assert (found.cpu, found.memory, found.labels, found.ends_at) == (None, None, frozenset(), None)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec sleep 60", "squeue did not answer within 0.3 seconds"),
        ("echo 'slurm_load_jobs error: no' >&2; exit 1", "slurm_load_jobs error: no"),
        ("exit 3", "squeue ended with exit code 3"),
        ("echo nonsense", "nonsense"),
    ],
)
def test_a_slurm_that_does_not_tell_the_end_costs_a_warning(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    measured = measure_with(script, tmp_path, monkeypatch)
    assert (measured.cpu, measured.ends_at) == (6, None)
    ((_, level, message),) = caplog.record_tuples
    assert level == logging.WARNING
    assert message.startswith("Slurm does not say when job 17 ends (")
    assert words in message


def test_without_squeue_there_is_a_warning_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert SlurmProbe({**INSIDE, "SLURM_JOB_END_TIME": "soon", "PATH": str(tmp_path)}).measure().ends_at is None
    assert "No such file or directory: 'squeue'" in caplog.text


@pytest.mark.parametrize("told", ["N/A", "Unknown", ""])
def test_a_job_without_a_limit_has_no_end(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure_with(f"echo {told}", tmp_path, monkeypatch).ends_at is None


def measure_with(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Measurement:
    """What is measured where this script is squeue."""
    (folder / "squeue").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    environ = {name: value for name, value in INSIDE.items() if name != "SLURM_JOB_END_TIME"}
    return SlurmProbe({**environ, "PATH": f"{folder}:/usr/bin:/bin"}, patience=0.3).measure()


@pytest.mark.slurm
def test_a_real_allocation_is_what_the_command_line_shows(slurm: SlurmCluster, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("whatsnext")
    before = datetime.now(UTC)
    options = ["--cpus-per-task=2", "--gpus=2", "--mem=300M", "--time=5", f"--output={tmp_path}/out"]
    environ = clean_environment(**slurm.environment)
    script = f"{program} probe --json >{tmp_path}/draft && mv {tmp_path}/draft {tmp_path}/shown"
    argv = ["sbatch", *options, f"--error={tmp_path}/err", "--wrap", script]
    subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    wait_until((tmp_path / "shown").exists, 60, f"the probe has spoken; what went wrong: {tmp_path / 'err'}")
    shown = json.loads((tmp_path / "shown").read_text())
    offer, found = shown["offer"], shown["probes"]["slurm-allocation"]
    assert (found["cpu"], offer["memory"], len(offer["devices"])) == (2, 300 * MIB, 2)
    assert "slurm-partition=main" in offer["labels"]
    lasts = datetime.fromisoformat(shown["ends_at"]) - before
    assert timedelta(minutes=4, seconds=50) < lasts < timedelta(minutes=6)
