"""The conformance kit for authors of resource probes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from whatsnext_core.converters import from_json, to_json
from whatsnext_core.model import Capacity
from whatsnext_core.model.limits import check_labels
from whatsnext_core.probing import Measurement, Probe


class ProbeConformance:
    """What every probe does, scenario by scenario.

    An author's whole test file is a subclass with one fixture::

        class TestFpgaProbe(ProbeConformance):
            @pytest.fixture
            def probe(self):
                return FpgaProbe()

    Each scenario has a number. They hold on a machine that has nothing of what the probe looks for, too.
    """

    @pytest.fixture
    def probe(self) -> Probe:
        """The probe. An author overrides this one."""
        raise NotImplementedError("Override the fixture 'probe' with one that gives a probe.")

    def test_probe_measures(self, probe: Probe) -> None:
        """P01 (Probe.measure): a measurement."""
        assert isinstance(probe, Probe)
        assert isinstance(probe.measure(), Measurement)

    def test_cpus_are_counted_and_numbered(self, probe: Probe) -> None:
        """P02 (Measurement.cpu, cpu_ids): at least one; numbers in order, each once."""
        found = probe.measure()
        assert found.cpu is None or found.cpu >= 1
        assert list(found.cpu_ids) == sorted({number for number in found.cpu_ids if number >= 0})
        assert not found.cpu_ids or found.cpu is None or found.cpu <= len(found.cpu_ids)

    def test_memory_is_an_amount_of_bytes(self, probe: Probe) -> None:
        """P03 (Measurement.memory): bytes, and not kilobytes."""
        memory = probe.measure().memory
        assert memory is None or memory > 2**20

    def test_devices_have_ids_of_their_own(self, probe: Probe) -> None:
        """P04 (Measurement.devices): each id once."""
        devices = probe.measure().devices
        assert len({device.id for device in devices}) == len(devices)
        assert all(device.id and device.memory >= 0 for device in devices)

    def test_labels_can_be_required_by_tasks(self, probe: Probe) -> None:
        """P05 (Measurement.labels): as tasks write them."""
        check_labels(probe.measure().labels, "labels of the probe")

    def test_end_of_the_machine_is_a_time_in_utc(self, probe: Probe) -> None:
        """P06 (Measurement.ends_at): with its offset."""
        ends_at = probe.measure().ends_at
        assert ends_at is None or ends_at.utcoffset() is not None

    def test_measurement_is_what_a_client_offers(self, probe: Probe) -> None:
        """P07 (Capacity): within the bounds, and as JSON."""
        found = probe.measure()
        offered = Capacity(cpu=found.cpu or 0, memory=found.memory, devices=found.devices, labels=found.labels)
        assert from_json(to_json(offered), Capacity) == offered

    def test_any_thread_may_measure_again_and_again(self, probe: Probe) -> None:
        """P08 (Probe.measure): from threads, with one result."""
        expected = [device.id for device in probe.measure().devices]
        with ThreadPoolExecutor(4) as pool:
            found = [each.result() for each in [pool.submit(probe.measure) for _ in range(8)]]
        assert all([device.id for device in each.devices] == expected for each in found)
        assert len({each.cpu for each in found}) == 1
