"""Scenarios F30 to F37: an execution is ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from whatsnext_core.formatting import Handle
from whatsnext_core.model import Cause
from whatsnext_core.testing.formatter.base import FormatterFixtures
from whatsnext_core.testing.formatter.jobs import Jobs

BEAT = 'trap "" TERM INT HUP; while :; do echo >>"$1"; sleep 0.05; done'
"""The script that lets a file grow until somebody kills it."""
FAMILY = """
sh -c "$2" sh "$1/child" &
if [ "$3" = detach ]; then
    sh -c 'sh -c "$2" sh "$1/orphan" & exit 0' sh "$1" "$2"
    setsid=setsid; command -v setsid >/dev/null || setsid=
    sh -c '$3 sh -c "$2" sh "$1/detached" & exit 0' sh "$1" "$2" "$setsid"
else
    echo >"$1/orphan"; echo >"$1/detached"
fi
for name in child orphan detached; do while [ ! -s "$1/$name" ]; do sleep 0.02; done; done
: >"$1/ready"
sleep 60
"""
"""The script that has a child, an orphaned grandchild, and one in a session of its own, all deaf to signals."""
DEAF = 'trap "" TERM INT; : >"$1/ready"; while :; do sleep 0.05; done'
"""The script that does not heed a signal."""


class EndingScenarios(FormatterFixtures):
    """Cancel and kill, and that nothing is left of an execution."""

    def test_signal_reaches_the_program_which_may_end_well(self, jobs: Jobs) -> None:
        """F30 (Engine.cancel): the program has its say."""
        # A shell says on stderr that the signal ended its sleep as well, and an engine may mix the two streams.
        script = "exec 2>/dev/null; trap 'echo saved; exit 0' TERM; : >$1/ready; while :; do sleep 0.05; done"
        handle = jobs.start_and_await(jobs.script(script))
        jobs.engine.cancel(handle, "SIGTERM", 30)
        assert jobs.wait(handle).exit_code in (0, None)
        assert jobs.read(handle) == b"saved\n"

    @pytest.mark.parametrize("name", ["SIGINT", "SIGUSR1"])
    def test_signal_is_the_one_that_was_asked_for(self, jobs: Jobs, name: str) -> None:
        """F31 (Engine.cancel): not just any signal."""
        if not self.sends_any_signal:
            pytest.skip("This formatter declares that its engine always sends the same signal.")
        script = f"trap 'echo got {name}; exit 9' {name[3:]}; : >$1/ready; while :; do sleep 0.05; done"
        handle = jobs.start_and_await(jobs.script(script))
        jobs.engine.cancel(handle, name, 30)
        assert not jobs.wait(handle).succeeded
        assert f"got {name}".encode() in jobs.read(handle)

    def test_program_that_heeds_no_signal_is_killed_after_the_grace(self, jobs: Jobs) -> None:
        """F32 (Engine.cancel): grace has an end."""
        handle = jobs.start_and_await(jobs.script(DEAF))
        jobs.engine.cancel(handle, "SIGTERM", 0.5)
        execution = jobs.wait(handle)
        assert not execution.succeeded
        assert execution.cause in (Cause.EXIT, Cause.CANCELLED)

    def test_cancel_does_not_wait(self, jobs: Jobs) -> None:
        """F33 (Engine.cancel): nor does it kill before the grace is over."""
        handle = jobs.start_and_await(jobs.script(DEAF))
        begin = time.monotonic()
        jobs.engine.cancel(handle, "SIGTERM", 3600)
        assert time.monotonic() - begin < 60
        assert jobs.engine.poll({"it": handle})["it"].state != "ended"
        jobs.engine.kill(handle)
        jobs.wait(handle)

    def test_cancel_leaves_no_process(self, jobs: Jobs) -> None:
        """F34 (Engine.cancel): neither children, nor orphans, nor those that detached themselves."""
        handle, directory = self._start_family(jobs)
        jobs.engine.cancel(handle, "SIGTERM", 0.2)
        jobs.wait(handle)
        assert_silent(directory)

    def test_kill_leaves_no_process(self, jobs: Jobs) -> None:
        """F35 (Engine.kill): the same at once."""
        handle, directory = self._start_family(jobs)
        jobs.engine.kill(handle)
        assert not jobs.wait(handle).succeeded
        assert_silent(directory)

    def test_kill_cuts_a_grace_short(self, jobs: Jobs) -> None:
        """F36 (Engine.kill): force comes first."""
        handle = jobs.start_and_await(jobs.script(DEAF))
        jobs.engine.cancel(handle, "SIGTERM", 3600)
        jobs.engine.kill(handle)
        assert not jobs.wait(handle).succeeded

    def test_ending_what_has_ended_changes_nothing(self, jobs: Jobs) -> None:
        """F37 (Engine.cancel, Engine.kill): an end is an end."""
        handle = jobs.start(jobs.script("exit 5"))
        first = jobs.wait(handle)
        jobs.engine.cancel(handle, "SIGTERM", 0)
        jobs.engine.kill(handle)
        assert jobs.engine.poll({"it": handle}) == {"it": first}

    def _start_family(self, jobs: Jobs) -> tuple[Handle, Path]:
        context = jobs.script(FAMILY, BEAT, "detach" if self.ends_detached else "")
        return jobs.start_and_await(context), context.directory


def assert_silent(directory: Path) -> None:
    """Fail if any of the family still writes."""
    files = [directory / name for name in ("child", "orphan", "detached")]
    sizes = [file.stat().st_size for file in files]
    assert all(sizes)
    for _ in range(10):
        time.sleep(0.05)
        assert [file.stat().st_size for file in files] == sizes
