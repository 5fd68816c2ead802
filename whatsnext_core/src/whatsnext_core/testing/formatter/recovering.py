"""Scenarios F40 to F44: a client is gone, and another one goes on."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from whatsnext_core.formatting import Handle, JobContext
from whatsnext_core.testing.formatter.base import FormatterFixtures, MakeFormatter
from whatsnext_core.testing.formatter.jobs import Jobs

WAIT = ': >"$1/ready"; echo begun; while [ ! -e "$1/go" ]; do sleep 0.02; done; echo done; exit 6'
"""The script that ends when somebody makes a file."""


class RecoveryScenarios(FormatterFixtures):
    """Closing, adopting, and handles of others."""

    @pytest.fixture
    def later(self, make_formatter: MakeFormatter, folder: Path, patience: float) -> Iterator[Jobs]:
        """Jobs of a client that is started later."""
        if not self.adopts:
            pytest.skip("This formatter declares that what it started cannot be followed by another one.")
        (folder / "later").mkdir()
        engine = make_formatter()
        yield Jobs(engine, folder / "later", patience)
        engine.close()

    def test_closing_leaves_alone_what_runs(self, jobs: Jobs, later: Jobs) -> None:
        """F40 (Engine.close, Engine.adopt): the next client goes on."""
        context = jobs.script(WAIT)
        handle = jobs.start_and_await(context)
        jobs.engine.close()
        assert later.engine.adopt(handle)
        (context.directory / "go").touch()
        assert later.wait(handle).exit_code == 6
        later.engine.forget(handle)

    def test_job_of_a_client_that_vanished_is_followed_to_its_end(
        self, make_formatter: MakeFormatter, later: Jobs
    ) -> None:
        """F41 (Engine.adopt): the first one was killed, as by a power cut."""
        context = later.script(WAIT)
        handle = start_in_a_process_that_vanishes(make_formatter, context)
        later.until(lambda: later.engine.adopt(handle), "the execution can be adopted")
        (context.directory / "go").touch()
        done = later.finish(handle, context.directory)
        assert (done.execution.exit_code, done.stdout) == (6, b"begun\ndone\n")
        later.engine.forget(handle)

    def test_end_that_nobody_saw_is_known(self, make_formatter: MakeFormatter, later: Jobs) -> None:
        """F42 (Engine.adopt): exit code and output of a job that ended meanwhile."""
        context = later.script("echo out; echo err >&2; exit 7")
        handle = start_in_a_process_that_vanishes(make_formatter, context)
        later.until(lambda: later.engine.adopt(handle), "the execution can be adopted")
        done = later.finish(handle, context.directory)
        assert done.execution.exit_code == 7
        assert (done.stdout, done.stderr) == (
            (b"out\n", b"err\n") if self.keeps_streams_apart else (b"out\nerr\n", b"")
        )
        later.engine.forget(handle)

    def test_adopted_job_can_be_cancelled(self, make_formatter: MakeFormatter, later: Jobs) -> None:
        """F43 (Engine.cancel): as one's own."""
        context = later.script("trap 'exit 9' TERM; echo begun; while :; do sleep 0.05; done")
        handle = start_in_a_process_that_vanishes(make_formatter, context)
        later.until(lambda: later.engine.adopt(handle) and later.read(handle), "the job runs")
        later.engine.cancel(handle, "SIGTERM", 30)
        assert not later.wait(handle).succeeded
        later.engine.forget(handle)

    def test_handle_of_something_else_is_not_adopted(self, jobs: Jobs) -> None:
        """F44 (Engine.adopt): no, rather than an error."""
        assert not jobs.engine.adopt({})
        assert not jobs.engine.adopt({"engine": "another", "id": 1})


def start_in_a_process_that_vanishes(make_formatter: MakeFormatter, context: JobContext) -> Handle:
    """Return the handle of a job that a client started which then was killed, as by a power cut."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns if there are threads; the child uses nothing that they may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            engine = make_formatter()
            os.write(writer, json.dumps(dict(engine.start(engine.prepare(context)))).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        handle: Handle = json.loads(answer.read())
    os.waitpid(child, 0)
    return handle
