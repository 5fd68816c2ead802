"""A formatter that has little of its own does what every formatter does."""

import pytest

from tests.core.formatting.formatters import Least
from whatsnext_core.formatting import Formatter
from whatsnext_core.testing import FormatterConformance


class TestFormatterWithOnlyFormat(FormatterConformance):
    @pytest.fixture
    def make_formatter(self) -> type[Formatter]:
        return Least
