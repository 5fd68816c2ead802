"""Scratch directories, handed from attempt to attempt."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from whatsnext_client.engine.scratch import MOST_SPARES, Scratch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether a file is open somewhere")


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "attempts", tmp_path / "spare")


def fill(directory: Path, **files: str) -> Path:
    """Write what a local job leaves."""
    for name, text in {"parameters.json": '{"lr": 1}', "stdout.log": "", "stderr.log": "words", **files}.items():
        (directory / name).write_text(text)
    return directory


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


def test_no_more_directories_are_kept_than_are_of_use(scratch: Scratch, tmp_path: Path) -> None:
    keys = [f"{number}-1" for number in range(MOST_SPARES + 20)]
    for key in keys:
        fill(scratch.take(key))
    for key in keys:
        scratch.give_back(key)
    assert list((tmp_path / "attempts").iterdir()) == []
    assert len(list((tmp_path / "spare").glob("*"))) <= MOST_SPARES
    scratch.close()
    assert not (tmp_path / "spare").exists()


def test_a_spare_that_somebody_deleted_is_not_missed(scratch: Scratch, tmp_path: Path) -> None:
    fill(scratch.take("1-1"))
    scratch.give_back("1-1")
    Scratch(tmp_path / "attempts", tmp_path / "spare")
    second = scratch.take("2-1")
    assert list(second.rglob("*")) == [second / "artifacts"]
