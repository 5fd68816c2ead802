"""What the library of a driver says, and what it costs when it fails, hangs, or is not there."""

import logging
import subprocess
import sys

import pytest

from tests.plugins.probe_nvidia.conftest import Driver
from tests.support.server import clean_environment
from whatsnext_client import probes
from whatsnext_core.plugins import load_plugins
from whatsnext_probe_nvidia import NvidiaOptions, NvidiaProbe

G = 2**30


def test_cards_instances_and_processes_are_read(driver_here: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver_here.write(
        f"card GPU-1 {80 * G} NVIDIA H100 80GB HBM3",
        "user 1",
        f"card GPU-2 {80 * G} NVIDIA A100-SXM4-80GB",
        f"mig MIG-1 {10 * G} NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        "hole",
        f"mig MIG-2 {20 * G} NVIDIA A100-SXM4-80GB MIG 2g.20gb",
        *("user 42", "user 43"),
        f"card GPU-3 {24 * G} NVIDIA GeForce RTX 4090",
    )
    found = NvidiaProbe().measure()
    assert [(one.id, one.kind, one.memory // G, one.free) for one in found.devices] == [
        ("GPU-1", "NVIDIA H100 80GB HBM3", 80, 0),
        ("MIG-1", "NVIDIA A100-SXM4-80GB MIG 1g.10gb", 10, 1000),
        ("MIG-2", "NVIDIA A100-SXM4-80GB MIG 2g.20gb", 20, 0),
        ("GPU-3", "NVIDIA GeForce RTX 4090", 24, 1000),
    ]
    assert found.users == {"GPU-1": (1,), "MIG-2": (42, 43)}
    assert NvidiaProbe(NvidiaOptions(share_with_others=True)).measure().users == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-3,0")
    assert [device.id for device in NvidiaProbe().measure().devices] == ["GPU-3", "GPU-1"]


def test_allocation_of_slurm_has_the_gpus_that_it_was_given(
    driver_here: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver_here.write(f"card GPU-1 {G} NVIDIA A100", f"card GPU-2 {G} NVIDIA A100")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert NvidiaProbe().measure().devices == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [device.id for device in NvidiaProbe().measure().devices] == ["GPU-2"]


def test_lost_card_is_left_out_with_one_warning(driver_here: Driver, caplog: pytest.LogCaptureFixture) -> None:
    driver_here.write(f"card GPU-1 {G} NVIDIA A100", "lost 15", f"card GPU-2 {G} NVIDIA A100")
    probe = NvidiaProbe()
    with caplog.at_level(logging.WARNING):
        assert [device.id for device in probe.measure().devices] == ["GPU-2"]
        probe.measure()
    assert [record.getMessage() for record in caplog.records] == [
        "GPU GPU-1 is left out, since NVML says of it: GPU is lost."
    ]


def test_error_of_the_driver_costs_a_warning(driver_here: Driver) -> None:
    driver_here.write("init 9")
    warnings: list[str] = []
    assert "nvidia" not in probes.measure(load_plugins(), warn=warnings.append)
    (warning,) = warnings
    assert "'nvidia' of whatsnext-probe-nvidia" in warning
    assert "NVIDIA's driver: Driver Not Loaded" in warning


def test_driver_that_hangs_costs_a_warning(driver_here: Driver) -> None:
    driver_here.write("hang")
    warnings: list[str] = []
    assert "nvidia" not in probes.measure(load_plugins(), patience=0.3, warn=warnings.append)
    (warning,) = warnings
    assert "did not answer within 0.3 seconds" in warning


def test_machine_without_a_driver_has_no_cards_and_nothing_is_said() -> None:
    code = (
        "import pynvml\n"
        "try:\n    pynvml.nvmlInit()\nexcept pynvml.NVMLError_LibraryNotFound:\n    print('no library')\n"
        "from whatsnext_probe_nvidia import NvidiaProbe\n"
        "print(NvidiaProbe().measure().devices)\n"
    )
    env = {**clean_environment(), "LD_LIBRARY_PATH": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    if "no library" in done.stdout:
        assert (done.stdout, done.stderr) == ("no library\n()\n", "")
    else:
        assert done.stdout.startswith("(")  # this machine has a real driver
