"""Jobs of formatters that tests write."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.formatting.formatters import Least
from whatsnext_core.formatting import JobContext
from whatsnext_core.testing.formatter import Jobs


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """Local processes."""
    formatter = Least()
    jobs = Jobs(formatter, tmp_path, patience=60)
    yield jobs
    jobs.clear()
    formatter.close()


@pytest.fixture
def context(jobs: Jobs) -> JobContext:
    """A job that is to be run."""
    return jobs.script("exit 0")


@pytest.fixture
def later(tmp_path: Path) -> Iterator[Jobs]:
    """Jobs of a client that was started later."""
    formatter = Least()
    (tmp_path / "later").mkdir()
    yield Jobs(formatter, tmp_path / "later", patience=60)
    formatter.close()
