"""The Run:ai formatter does what a formatter must, with a stand-in for Run:ai."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from whatsnext_core.testing import FormatterConformance
from whatsnext_formatter_runai import RUNAIFormatter


class TestRUNAIFormatter(FormatterConformance):
    """Every scenario that a formatter must pass."""

    reads_stdin: ClassVar[bool] = False
    many: ClassVar[int] = 10  # each is several processes of the stand-in
    keeps_streams_apart: ClassVar[bool] = False
    sends_any_signal: ClassVar[bool] = False
    ends_detached: ClassVar[bool] = False  # the stand-in has no containers; a cluster ends all that is in one

    @pytest.fixture
    def make_formatter(self, cluster: Path) -> Callable[[], RUNAIFormatter]:  # noqa: ARG002  # where it runs
        """What makes a formatter."""
        return lambda: RUNAIFormatter("vision", "busybox", poll_interval=0.05)
