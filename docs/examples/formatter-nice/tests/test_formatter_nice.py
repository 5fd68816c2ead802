"""The nice formatter does what a formatter must."""

import os
from collections.abc import Callable

import pytest
from formatter_nice import NiceConfig, NiceFormatter

from whatsnext_core.testing import FormatterConformance
from whatsnext_core.testing.formatter import Jobs


class TestNiceFormatter(FormatterConformance):
    """Every scenario that a formatter must pass."""

    @pytest.fixture
    def make_formatter(self) -> Callable[[], NiceFormatter]:
        """What makes a formatter."""
        return lambda: NiceFormatter(NiceConfig(adjustment=3))

    def test_jobs_step_back_as_far_as_the_settings_say(self, jobs: Jobs) -> None:
        assert int(jobs.run(jobs.context("nice")).stdout) == min(os.nice(0) + 3, 19)

    def test_a_task_may_step_back_further(self, jobs: Jobs) -> None:
        context = jobs.context("nice", options={"nice": {"adjustment": 19}})
        assert jobs.run(context).stdout == b"19\n"


def test_a_task_without_a_template_is_the_program_of_its_name() -> None:
    assert NiceFormatter().format("train", {"lr": 0.1}) == ["train", "--lr", "0.1"]
