"""The probe does what a probe must, outside of an allocation and inside of one."""

import pytest

from whatsnext_core.probing import Measurement
from whatsnext_core.testing import ProbeConformance
from whatsnext_probe_slurm import SlurmProbe

INSIDE = {
    "SLURM_JOB_ID": "17",
    "SLURM_CPUS_ON_NODE": "6",
    "SLURM_MEM_PER_NODE": "300",
    "SLURM_JOB_PARTITION": "main",
    "SLURMD_NODENAME": "n1",
    "SLURM_JOB_END_TIME": "1795650868",
    "CUDA_VISIBLE_DEVICES": "0,1",
}


class TestOutside(ProbeConformance):
    """Every scenario, where there is no allocation."""

    @pytest.fixture
    def probe(self) -> SlurmProbe:
        """The probe."""
        return SlurmProbe({})


class TestInside(ProbeConformance):
    """Every scenario, inside of an allocation."""

    @pytest.fixture
    def probe(self) -> SlurmProbe:
        """The probe."""
        return SlurmProbe(INSIDE)


def test_outside_of_an_allocation_it_says_nothing() -> None:
    assert SlurmProbe({"PATH": "/bin"}).measure() == Measurement()
