"""The formatter does what every formatter does, on a real engine."""

from collections.abc import Callable

import pytest

from tests.components import DockerEngine
from whatsnext_core.testing import FormatterConformance
from whatsnext_formatter_docker import DockerFormatter


class TestDockerFormatter(FormatterConformance):
    many = 6

    @pytest.fixture
    def make_formatter(self, docker: DockerEngine) -> Callable[[], DockerFormatter]:
        return lambda: DockerFormatter(docker.image, network="none")
