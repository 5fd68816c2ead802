"""What the end of a process means."""

import errno
import os
from pathlib import Path

import pytest

from whatsnext_core.formatting.ends import LONGEST_LINE, MemoryWatch, describe_end, last_line, was_killed
from whatsnext_core.formatting.programs import refusal
from whatsnext_core.model import Cause


def test_memory_watch_notices_what_the_kernel_kills(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("nr_free_pages 1234\noom_kill 3\nnuma_hit 1\n")
    watch = MemoryWatch(counters)
    assert not watch.struck()
    counters.write_text("oom_kill 4\n")
    assert watch.struck()
    assert not watch.struck()


@pytest.mark.parametrize("text", [None, "nr_free_pages 1\n"])
def test_memory_watch_says_nothing_where_nothing_is_counted(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "vmstat").write_text(text)
    assert not MemoryWatch(tmp_path / "vmstat").struck()


def test_end_for_lack_of_memory_has_a_cause_of_its_own(tmp_path: Path) -> None:
    end = describe_end(-9, tmp_path / "none", out_of_memory=True)
    assert (end.succeeded, end.cause, end.message) == (False, Cause.OOM, "Killed for lack of memory")


def test_killed_is_what_got_sigkill_itself_or_by_a_shell() -> None:
    assert [code for code in range(-20, 256) if was_killed(code)] == [-9, 137]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", ""),
        (b"\n \n\t\n", ""),
        (b"one\ntwo\n\n", "two"),
        (b"progress 1%\rprogress 2%\r", "progress 2%"),
        (b"\x1b[31mred\x1b[0m\n\x00\x07\n", "[31mred[0m"),
        (b"bad \xff utf-8", "bad \ufffd utf-8"),
        (b"x" * 10_000, "x" * LONGEST_LINE),
    ],
)
def test_last_line_is_short_and_printable(tmp_path: Path, text: bytes, expected: str) -> None:
    (tmp_path / "err").write_bytes(text)
    assert last_line(tmp_path / "err") == expected


def test_last_line_of_no_file_is_empty(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none") == ""


def test_real_time_signal_has_a_number_only(tmp_path: Path) -> None:
    assert describe_end(-40, tmp_path / "none").message == "Ended by signal 40"


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE, errno.ENOMEM])
def test_system_that_has_no_room_for_a_process_says_so(number: int) -> None:
    message = str(refusal(number, "/bin/true", ("true",)))
    assert os.strerror(number) in message
    assert "'true'" in message
