"""The Kubernetes formatter does what a formatter must, with a stand-in for the cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from whatsnext_core.testing import FormatterConformance
from whatsnext_formatter_kubernetes import KubernetesFormatter


class TestKubernetesFormatter(FormatterConformance):
    """Every scenario that a formatter must pass."""

    reads_stdin: ClassVar[bool] = False
    many: ClassVar[int] = 10  # each is several processes of the stand-in
    keeps_streams_apart: ClassVar[bool] = False
    ends_detached: ClassVar[bool] = False  # the stand-in has no containers; a cluster ends all that is in one

    @pytest.fixture
    def make_formatter(self, cluster: Path) -> Callable[[], KubernetesFormatter]:  # noqa: ARG002  # where it runs
        """What makes a formatter."""
        return lambda: KubernetesFormatter("busybox", poll_interval=0.05)
