"""The formatter does what every formatter does; its jobs with a command template are ordinary processes."""

import pytest

from whatsnext_core.testing import FormatterConformance
from whatsnext_formatter_python import PythonFormatter


class TestPythonFormatter(FormatterConformance):
    @pytest.fixture
    def make_formatter(self) -> type[PythonFormatter]:
        return PythonFormatter
