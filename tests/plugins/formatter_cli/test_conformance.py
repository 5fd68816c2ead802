"""The formatter does what every formatter does."""

import pytest

from whatsnext_core.testing import FormatterConformance
from whatsnext_formatter_cli import CLIFormatter


class TestCLIFormatter(FormatterConformance):
    @pytest.fixture
    def make_formatter(self) -> type[CLIFormatter]:
        return CLIFormatter
