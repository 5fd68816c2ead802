"""The probe does what every probe does, with cards and without a driver."""

import pytest

from tests.plugins.probe_nvidia.conftest import Driver
from whatsnext_core.testing import ProbeConformance
from whatsnext_probe_nvidia import NvidiaProbe


class TestNvidiaProbeHere(ProbeConformance):
    """On this machine, whatever it has."""

    @pytest.fixture
    def probe(self) -> NvidiaProbe:
        return NvidiaProbe()


class TestNvidiaProbeWithCards(ProbeConformance):
    """With a card that is whole and one that is divided."""

    @pytest.fixture
    def probe(self, driver_here: Driver) -> NvidiaProbe:
        driver_here.write(
            "card GPU-1 85520809984 NVIDIA H100 80GB HBM3",
            "card GPU-2 85520809984 NVIDIA A100-SXM4-80GB",
            "mig MIG-1 10468982784 NVIDIA A100-SXM4-80GB MIG 1g.10gb",
            "user 1",
        )
        return NvidiaProbe()
