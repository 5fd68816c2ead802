"""What all probes of a machine together say."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.core.plugins.toys import Toy
from whatsnext_client import probes
from whatsnext_core.model import Capacity, Device
from whatsnext_core.plugins import load_plugins
from whatsnext_core.probing import Measurement

PROBES = """\
import threading
from whatsnext_core.hookspecs import ProbePlugin, hookimpl
from whatsnext_core.probing import Measurement

never = threading.Event()

class Good:
    def measure(self):
        return Measurement(cpu=3)

class Failing:
    def measure(self):
        raise OSError("no such device")

class Hanging:
    def measure(self):
        never.wait()

class Wrong:
    def measure(self):
        return 5

@hookimpl
def whatsnext_resource_probes():
    kinds = {"good": Good, "failing": Failing, "hanging": Hanging, "wrong": Wrong}
    return [
        ProbePlugin(name=name, summary="A toy.", factory=lambda config, kind=kind: kind())
        for name, kind in kinds.items()
    ]
"""


def test_a_probe_that_fails_hangs_or_lies_costs_a_warning_and_contributes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Toy(name="toy-probes", group="toy.probes", plugins={"probes": PROBES}).install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    warnings: list[str] = []
    found = probes.measure(load_plugins("toy.probes"), patience=0.2, warn=warnings.append)
    assert found == {"good": Measurement(cpu=3)}
    causes = {"'failing'": "OSError: no such device", "'hanging'": "within 0.2 seconds", "'wrong'": "5 instead of"}
    for name, cause in causes.items():
        (warning,) = (line for line in warnings if name in line)
        assert cause in warning
        assert "toy-probes 1.0" in warning
    sys.modules.pop("toy_toy_probes_probes").never.set()


def test_measurements_add_up_to_the_least_of_cpus_and_memory_and_all_devices_and_labels() -> None:
    gpu, fpga = Device(id="0", kind="gpu"), Device(id="f0", kind="fpga")
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    together = probes.combine(
        [
            Measurement(cpu=8, cpu_ids=tuple(range(8)), memory=100, labels=frozenset({"os=linux"}), ends_at=late),
            Measurement(cpu=2, cpu_ids=(4, 5), devices=(gpu,), ends_at=early),
            Measurement(memory=50, devices=(fpga, Device(id="0", kind="the same again")), labels=frozenset({"fast"})),
        ]
    )
    assert together == Measurement(
        cpu=2, cpu_ids=(4, 5), memory=50, devices=(gpu, fpga), labels=frozenset({"os=linux", "fast"}), ends_at=early
    )
    assert probes.offer(together) == Capacity(
        cpu=2, memory=50, devices=(gpu, fpga), labels=frozenset({"os=linux", "fast"})
    )


def test_a_machine_that_no_probe_measures_offers_one_cpu() -> None:
    assert probes.offer(probes.combine([])) == Capacity(cpu=1)
