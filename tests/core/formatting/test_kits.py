"""The kits themselves: what they want of an author, and that they hold on a machine with nothing."""

import pytest

from whatsnext_core.probing import Measurement
from whatsnext_core.testing import ProbeConformance
from whatsnext_core.testing.formatter.base import FormatterFixtures, MakeFormatter


class Nothing:
    """A probe on a machine that has nothing of what it looks for."""

    def measure(self) -> Measurement:
        return Measurement()


class TestProbeThatFindsNothing(ProbeConformance):
    @pytest.fixture
    def probe(self) -> Nothing:
        return Nothing()


class TestFormatterThatIsNotGiven(FormatterFixtures):
    @pytest.mark.xfail(raises=NotImplementedError, strict=True, reason="the author is told to override the fixture")
    def test_is_missed(self, make_formatter: MakeFormatter) -> None:
        pytest.fail(f"There is {make_formatter} to test.")


class TestProbeThatIsNotGiven:
    probe = ProbeConformance.probe

    @pytest.mark.xfail(raises=NotImplementedError, strict=True, reason="the author is told to override the fixture")
    def test_is_missed(self, probe: Nothing) -> None:
        pytest.fail(f"There is {probe} to test.")
