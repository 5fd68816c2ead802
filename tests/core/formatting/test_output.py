"""Output that a program tells is copied into a file, piece by piece, and nobody waits for it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import wait_until
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import output
from whatsnext_core.formatting.output import Output


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    """Copies that are impatient."""
    monkeypatch.setattr(output, "AGAIN", 0.05)
    copies = Output()
    yield copies
    copies.close()


def telling(script: str, *words: str) -> list[str]:
    return ["sh", "-c", script, "sh", *words]


def complete(copies: Output, argv: list[str], file: Path) -> str:
    wait_until(lambda: copies.complete("job", argv, file), 30, "the output is complete")
    return file.read_text()


def test_output_is_copied_while_it_comes_and_completed_at_the_end(copies: Output, tmp_path: Path) -> None:
    file = tmp_path / "out"
    assert not copies.connects("job")
    copies.follow("job", telling("echo one; sleep 60"), file)
    assert copies.connects("job")
    wait_until(lambda: file.exists() and file.read_text() == "one\n", 30, "the first line is there")
    copies.follow("job", telling("exit 1"), file)
    copies.forget("job")
    copies.forget("job")
    assert complete(copies, telling("echo one; echo two"), file) == "one\ntwo\n"
    assert not list(tmp_path.glob("*.whole"))


def test_copy_that_broke_off_begins_again_over_the_same_bytes(copies: Output, tmp_path: Path) -> None:
    file = tmp_path / "out"
    script = 'echo one; [ -e "$1" ] && echo two && exit; touch "$1"; exit 1'
    copies.follow("job", telling(script, str(tmp_path / "again")), file)

    def both() -> bool:
        copies.follow("job", telling(script, str(tmp_path / "again")), file)
        return file.read_text() == "one\ntwo\n"

    wait_until(both, 30, "both lines are there")


def test_running_copy_has_its_last_words_before_all_is_told_once_more(
    copies: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, go = tmp_path / "out", tmp_path / "go"
    copies.follow("job", telling('echo one; while [ ! -e "$1" ]; do sleep 0.02; done; echo two', str(go)), file)
    wait_until(lambda: file.exists() and file.read_text() == "one\n", 30, "the first line is there")
    assert not copies.complete("job", telling("echo one; echo two; echo three"), file)
    go.touch()
    assert complete(copies, telling("echo one; echo two; echo three"), file) == "one\ntwo\nthree\n"
    monkeypatch.setattr(output, "LAST_WORDS", 0.05)
    slow = tmp_path / "slow"
    copies.follow("other", telling("echo one; sleep 60"), slow)
    wait_until(lambda: slow.exists() and slow.read_text() == "one\n", 30, "the first line is there")
    wait_until(lambda: copies.complete("other", telling("echo one; echo two"), slow), 30, "it is not waited for")
    assert slow.read_text() == "one\ntwo\n"


def test_output_that_cannot_be_told_is_asked_for_some_times(copies: Output, tmp_path: Path) -> None:
    file, tries = tmp_path / "out", tmp_path / "tries"
    assert complete(copies, telling('echo >>"$1"; exit 1', str(tries)), file) == ""
    assert len(tries.read_text()) == output.TRIES


def test_whole_output_is_waited_for(copies: Output, tmp_path: Path) -> None:
    file, go = tmp_path / "out", tmp_path / "go"
    argv = telling('while [ ! -e "$1" ]; do sleep 0.02; done; echo all', str(go))
    for _ in range(3):
        assert not copies.complete("job", argv, file)
        time.sleep(0.01)
    go.touch()
    assert complete(copies, argv, file) == "all\n"


def test_program_that_is_not_there_is_named(copies: Output, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"cannot be copied into .*no-such-program"):
        copies.follow("job", ["no-such-program"], tmp_path / "out")
