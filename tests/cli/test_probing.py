"""What all probes of a machine together say."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


WATCHED = """\
import threading
from whatsnext_core.hookspecs import ProbePlugin, hookimpl
from whatsnext_core.model import Device
from whatsnext_core.probing import Measurement

script, never = [], threading.Event()

class Scripted:
    def measure(self):
        act = script.pop(0)
        if act == "hang":
            never.wait()
        if act == "fail":
            raise OSError("the card is away")
        return Measurement(devices=(Device(id="0", free=act),), users={} if act else {"0": (5,)})

class Other:
    def measure(self):
        return Measurement(cpu=2)

@hookimpl
def whatsnext_resource_probes():
    kinds = {"scripted": Scripted, "other": Other}
    return [
        ProbePlugin(name=name, summary="A toy.", factory=lambda config, kind=kind: kind())
        for name, kind in kinds.items()
    ]
"""


def test_devices_are_measured_again_and_stay_as_they_were_while_their_probe_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Toy(name="toy-watched", group="toy.watched", plugins={"watched": WATCHED}).install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    warnings: list[str] = []
    plugins = load_plugins("toy.watched")
    module: Any = sys.modules.pop("toy_toy_watched_watched")
    module.script += [1000, 0, "fail", "fail", 1000, "hang"]
    watch = probes.Watch(plugins, probes.measure(plugins, warn=warnings.append), patience=0.2, warn=warnings.append)

    def free() -> int:
        (device,) = watch.measure().devices
        return device.free

    used = watch.measure()
    assert (used.devices[0].free, used.users) == (0, {"0": (5,)})
    assert [free(), free()] == [0, 0]
    assert len(warnings) == 1
    assert "'scripted' of toy-watched 1.0" in warnings[0]
    assert "failed (OSError: the card is away); its devices count as they were." in warnings[0]
    assert free() == 1000
    assert [free(), free()] == [1000, 1000]
    assert len(warnings) == 2
    assert "did not answer within 0.2 seconds" in warnings[1]
    module.never.set()


def test_measurements_add_up_to_the_least_of_cpus_and_memory_and_all_devices_and_labels() -> None:
    gpu, fpga = Device(id="0", kind="gpu"), Device(id="f0", kind="fpga")
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    together = probes.combine(
        [
            Measurement(cpu=8, cpu_ids=tuple(range(8)), memory=100, labels=frozenset({"os=linux"}), ends_at=late),
            Measurement(cpu=2, cpu_ids=(4, 5), devices=(gpu,), ends_at=early),
            Measurement(
                memory=50,
                devices=(fpga, Device(id="0", kind="the same again")),
                users={"0": (1,), "f0": (2,)},
                labels=frozenset({"fast"}),
            ),
        ]
    )
    assert together == Measurement(
        cpu=2,
        cpu_ids=(4, 5),
        memory=50,
        devices=(gpu, fpga),
        users={"f0": (2,)},
        labels=frozenset({"os=linux", "fast"}),
        ends_at=early,
    )
    assert probes.offer(together) == Capacity(
        cpu=2, memory=50, devices=(gpu, fpga), labels=frozenset({"os=linux", "fast"})
    )


def test_devices_that_a_batch_system_only_numbers_are_those_that_another_probe_knows() -> None:
    numbered = Measurement(devices=(Device(id="0"), Device(id="1")))
    named = Measurement(devices=(Device(id="GPU-1", kind="A100"), Device(id="GPU-2", kind="A100")))
    assert probes.combine([numbered, named]).devices == named.devices
    assert probes.combine([numbered]).devices == numbered.devices


def test_a_machine_that_no_probe_measures_offers_one_cpu() -> None:
    assert probes.offer(probes.combine([])) == Capacity(cpu=1)
