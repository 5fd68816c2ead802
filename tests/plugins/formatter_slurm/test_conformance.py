"""The Slurm formatter does what a formatter must."""

from collections.abc import Callable
from typing import ClassVar

import pytest

from tests.components import SlurmCluster
from whatsnext_core.testing import FormatterConformance
from whatsnext_formatter_slurm import SlurmFormatter


@pytest.mark.slurm
class TestSlurmFormatter(FormatterConformance):
    """Every scenario that a formatter must pass."""

    reads_stdin: ClassVar[bool] = False
    ends_detached: ClassVar[bool] = False  # a cluster without cgroups cannot find them

    @pytest.fixture
    def make_formatter(self, slurm: SlurmCluster) -> Callable[[], SlurmFormatter]:  # noqa: ARG002  # where it runs
        """What makes a formatter."""
        return lambda: SlurmFormatter(mem="100M", poll_interval=0.2)
