"""Scratch directories, handed from attempt to attempt."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whatsnext_client.engine.scratch import LOOK_EVERY, MOST_KEPT, MOST_SPARES, RACY, Scratch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether a file is open somewhere")


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "attempts")


def fill(directory: Path, **files: str) -> Path:
    """Write what a local job leaves."""
    for name, text in {"parameters.json": '{"lr": 1}', "stdout.log": "", "stderr.log": "words", **files}.items():
        (directory / name).write_text(text)
    return directory


def fill_as_a_process(directory: Path, **files: str) -> Path:
    """Write what a local job leaves that was a process, too."""
    return fill(directory, **{"process.jsonl": '{"id": "1-1.x"}\n', **files})


def settled(scratch: Scratch, key: str) -> Path:
    """A directory that was handed on when all that is in it had been there for a while."""
    fill_as_a_process(scratch.take("first"))
    time.sleep(RACY / 1e9 * 1.5)
    scratch.give_back("first")
    return scratch.take(key)


def node(directory: Path) -> int:
    """What tells a directory from others, whatever its name."""
    return directory.stat().st_ino


@LINUX
def test_a_directory_is_handed_on_with_nothing_in_its_files(scratch: Scratch) -> None:
    first = node(fill(scratch.take("1-1")))
    scratch.give_back("1-1")
    second = scratch.take("2-1")
    assert node(second) == first
    assert second.name == "2-1"
    assert {path.read_text() for path in second.iterdir() if path.name != "artifacts"} == {""}
    assert list((second / "artifacts").iterdir()) == []


@pytest.mark.parametrize("left", ["file", "folder", "link", "twin", "mode", "pipe", "artifact", "artifacts", "gone"])
def test_a_directory_with_anything_of_its_job_is_not_handed_on(scratch: Scratch, left: str, tmp_path: Path) -> None:
    first = fill(scratch.take("1-1"))
    match left:
        case "file":
            (first / "model.bin").write_text("weights")
        case "folder":
            (first / "stdout.log").unlink()
            (first / "stdout.log").mkdir()
        case "link":
            (first / "stdout.log").unlink()
            (first / "stdout.log").symlink_to(tmp_path)
        case "twin":
            os.link(first / "stderr.log", tmp_path / "kept")
        case "mode":
            first.chmod(0o755)
        case "pipe":
            (first / "stdout.log").unlink()
            os.mkfifo(first / "stdout.log")
        case "artifact":
            (first / "artifacts" / "f").touch()
        case "artifacts":
            (first / "artifacts").rmdir()
            (first / "artifacts").symlink_to(tmp_path)
        case "gone":
            (first / "artifacts").rmdir()
    scratch.give_back("1-1")
    second = scratch.take("2-1")
    assert list(second.rglob("*")) == [second / "artifacts"]
    assert not first.exists()
    assert left != "twin" or (tmp_path / "kept").read_text() == "words"


def test_a_directory_that_is_in_the_way_is_cleared_away(scratch: Scratch) -> None:
    fill(scratch.take("1-1"), **{"model.bin": "weights"})
    fill(scratch.take("2-1"))
    scratch.give_back("2-1")
    for _ in range(2):  # with a spare one, and without
        assert not (scratch.take("1-1") / "model.bin").exists()
        (scratch.take("1-1") / "model.bin").touch()


def test_what_a_job_left_running_writes_into_nobody_elses_output(scratch: Scratch) -> None:
    first = fill(scratch.take("1-1"))
    with (first / "stdout.log").open("w") as output:
        left = subprocess.Popen(["sh", "-c", "read word; echo $word"], stdin=subprocess.PIPE, stdout=output, text=True)
    scratch.give_back("1-1")
    second = fill(scratch.take("2-1"))
    left.communicate("late\n")
    assert (second / "stdout.log").read_text() == ""


@LINUX
def test_of_a_local_process_only_the_output_is_emptied(scratch: Scratch) -> None:
    first = node(fill_as_a_process(scratch.take("1-1")))
    scratch.give_back("1-1")
    second = scratch.take("2-1")
    assert node(second) == first
    assert (second / "parameters.json").read_text() == '{"lr": 1}'  # the next job's are written over them
    assert (second / "process.jsonl").read_text() == '{"id": "1-1.x"}\n'  # and its record follows
    assert (second / "stdout.log").read_text() == (second / "stderr.log").read_text() == ""


@LINUX
@pytest.mark.parametrize("left", ["long record", "twin", "artifact of such a name"])
def test_a_directory_of_a_process_with_anything_of_its_job_is_not_handed_on(
    scratch: Scratch, left: str, tmp_path: Path
) -> None:
    first = fill_as_a_process(scratch.take("1-1"))
    match left:
        case "long record":
            (first / "process.jsonl").write_text("x" * (MOST_KEPT + 1))
        case "twin":
            os.link(first / "parameters.json", tmp_path / "kept")
        case _:
            (first / "artifacts" / "stdout.log").write_text("words")
    scratch.give_back("1-1")
    assert not first.exists()
    assert list(scratch.take("2-1").rglob("*")) == [tmp_path / "attempts" / "2-1" / "artifacts"]


@LINUX
def test_what_is_left_in_a_directory_that_was_handed_on_shows(scratch: Scratch, tmp_path: Path) -> None:
    directory = settled(scratch, "1-1")
    fill_as_a_process(directory)
    assert scratch.is_untouched("1-1")
    scratch.give_back("1-1")
    ways = ("result", "artifact", "renamed", "removed", "replaced", "mode", "gone")
    for number, way in enumerate(ways, start=2):
        key = f"{number}-1"
        directory = settled(scratch, key)
        assert scratch.is_untouched(key)
        match way:
            case "result":
                (directory / "result.json").write_text("1")
            case "artifact":
                (directory / "artifacts" / "model").write_text("1")
            case "renamed":
                (directory / "stdout.log").rename(directory / "other.log")
            case "removed":
                (directory / "stdout.log").unlink()
            case "replaced":
                (directory / "new").symlink_to(tmp_path)
                (directory / "new").replace(directory / "parameters.json")
            case "mode":
                directory.chmod(0o755)
            case "gone":
                shutil.rmtree(directory)
        assert not scratch.is_untouched(key), way
        scratch.give_back(key)
        assert way == "removed" or not directory.exists(), way  # the next attempt gets another one


@LINUX
def test_a_record_that_grows_in_a_directory_that_is_handed_on_is_not_kept_for_ever(scratch: Scratch) -> None:
    directory = settled(scratch, "1-1")
    (directory / "process.jsonl").write_text("x" * (MOST_KEPT + 1))
    for number in range(2, LOOK_EVERY + 3):
        assert scratch.is_untouched(f"{number - 1}-1")
        scratch.give_back(f"{number - 1}-1")
        directory = scratch.take(f"{number}-1")
        if not (directory / "process.jsonl").exists():
            break
    else:
        pytest.fail(f"the long record was still there after {LOOK_EVERY} attempts")


def test_of_a_directory_that_has_only_just_changed_nothing_is_sure(scratch: Scratch) -> None:
    assert not scratch.is_untouched("1-1")
    fill_as_a_process(scratch.take("1-1"))
    assert not scratch.is_untouched("1-1")
    scratch.give_back("1-1")
    scratch.take("2-1")
    assert not scratch.is_untouched("2-1")


@LINUX
def test_what_a_job_left_running_writes_afterwards_is_nobody_elses_result(scratch: Scratch) -> None:
    directory = settled(scratch, "1-1")
    scratch.give_back("1-1")
    assert directory.exists()
    (directory / "result.json").write_text("1")
    second = scratch.take("2-1")
    assert list(second.rglob("*")) == [second / "artifacts"]
    assert not directory.exists()


@LINUX
def test_an_attempt_can_have_its_own_directory_again(scratch: Scratch) -> None:
    for key in ("1-1", "2-1"):
        fill_as_a_process(scratch.take(key))
    for key in ("1-1", "1-1", "2-1"):
        scratch.give_back(key)
    first, second = scratch.take("1-1"), scratch.take("3-1")
    assert first.exists()
    assert second.exists()


def test_no_more_directories_are_kept_than_are_of_use(scratch: Scratch, tmp_path: Path) -> None:
    keys = [f"{number}-1" for number in range(MOST_SPARES + 20)]
    for key in keys:
        fill(scratch.take(key))
    for key in keys:
        scratch.give_back(key)
    assert len(list((tmp_path / "attempts").iterdir())) <= MOST_SPARES
    scratch.close()
    assert list((tmp_path / "attempts").iterdir()) == []


def test_a_spare_that_somebody_deleted_is_not_missed(scratch: Scratch, tmp_path: Path) -> None:
    shutil.rmtree(fill(scratch.take("1-1")))
    scratch.give_back("1-1")
    fill(scratch.take("1-1"))
    scratch.give_back("1-1")
    shutil.rmtree(tmp_path / "attempts" / "1-1", ignore_errors=True)
    second = scratch.take("2-1")
    assert list(second.rglob("*")) == [second / "artifacts"]
