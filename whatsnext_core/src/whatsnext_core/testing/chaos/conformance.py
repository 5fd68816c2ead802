"""The kit as a test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Final

import pytest

from whatsnext_core.testing.chaos.installation import Installation
from whatsnext_core.testing.chaos.run import run_chaos

SEED: Final = "WHATSNEXT_CHAOS_SEED"
"""The variable that names the seed of a run that is to be repeated."""


class ChaosConformance:
    """Nothing is lost and nothing counts twice while processes are killed: for whoever writes a storage or a server.

    An author's whole test file is a subclass with one fixture::

        class TestLmdbInChaos(ChaosConformance):
            @pytest.fixture
            def installation(self, tmp_path):
                return Installation(
                    server=lambda port: ["whatsnext-server", "run", "--port", str(port), "--database", ...],
                    worker=lambda url, name, folder, project: ["whatsnext", "worker", "--forever", ...],
                    lease=2.0,
                    environment=os.environ,
                )

    Another seed than that of the class is named by ``WHATSNEXT_CHAOS_SEED``; a failure tells which one it was.
    """

    jobs: ClassVar[int] = 300
    """Jobs of the run."""
    kills: ClassVar[int] = 6
    """Processes that are killed, at least."""
    pause: ClassVar[float] = 0.5
    """Seconds between two blows, on average."""
    seed: ClassVar[int] = 1
    """What jobs and blows come from."""

    @pytest.fixture
    def installation(self) -> Installation:
        """What is started. An author overrides this one."""
        raise NotImplementedError("Override the fixture 'installation' with one that says what to start.")

    def test_nothing_is_lost_and_nothing_counts_twice(self, installation: Installation, tmp_path: Path) -> None:
        """Run jobs while processes are killed, and hold what is left to all promises."""
        report = run_chaos(
            installation,
            tmp_path / "chaos",
            jobs=self.jobs,
            kills=self.kills,
            seed=int(os.environ.get(SEED) or self.seed),
            pause=self.pause,
            short=True,
        )
        report.check()
