"""The fixtures of the scenarios, and what an engine may leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, TypeAlias

import pytest

from whatsnext_core.formatting import Engine
from whatsnext_core.testing.formatter.jobs import Jobs

MakeFormatter: TypeAlias = Callable[[], Engine]


class FormatterFixtures:
    """The fixtures that an author overrides, and the ones that the scenarios use."""

    reads_stdin: ClassVar[bool] = True
    """Whether what ``Invocation.stdin`` holds reaches the program."""
    sets_variables: ClassVar[bool] = True
    """Whether ``Invocation.env`` reaches the program."""
    shows_output_early: ClassVar[bool] = True
    """Whether output can be read before the end."""
    adopts: ClassVar[bool] = True
    """Whether what it started can be followed by another formatter, in another process."""
    keeps_streams_apart: ClassVar[bool] = True
    """Whether standard error is in a file of its own; otherwise both streams are in the one of standard output."""
    sends_any_signal: ClassVar[bool] = True
    """Whether a program gets the very signal that was asked for, and not the one that its engine always sends."""
    ends_detached: ClassVar[bool] = True
    """Whether the end of a job is the end of processes that lost their parent or left the job's session."""

    many: ClassVar[int] = 50
    """Jobs that scenario F21 runs at once; fewer where each costs seconds."""

    @pytest.fixture
    def make_formatter(self) -> MakeFormatter:
        """What makes a formatter; each has the same settings. An author overrides this one."""
        raise NotImplementedError("Override the fixture 'make_formatter' with one that gives a callable.")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Where scratch directories are made; an engine may need one that other machines see."""
        return tmp_path

    @pytest.fixture
    def patience(self) -> float:
        """Seconds that anything may take at most."""
        return 60.0

    @pytest.fixture
    def jobs(self, make_formatter: MakeFormatter, folder: Path, patience: float) -> Iterator[Jobs]:
        """Jobs on a formatter, which are gone after the test."""
        engine = make_formatter()
        jobs = Jobs(engine, folder, patience)
        yield jobs
        jobs.clear()
        engine.close()
