"""The probe does what every probe does."""

import pytest

from whatsnext_core.testing import ProbeConformance
from whatsnext_probe_cpu import CpuProbe


class TestCpuProbe(ProbeConformance):
    @pytest.fixture
    def probe(self) -> CpuProbe:
        return CpuProbe()
