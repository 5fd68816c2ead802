"""The files of jobs from the command line: listed, fetched, and never written where they do not belong."""

import os
from pathlib import Path

import pytest
import requests

from tests.cli.shell import Shell


@pytest.fixture
def job(shell: Shell) -> int:
    """A job with files."""
    number = shell.add("say", "--param", "text=hi")
    for name, content in (("model.pt", b"weights"), ("plots/loss.png", b"\x89PNG"), ("plots/a b'c.txt", b"\xc3\xa4")):
        url = f"{shell.server.url}/jobs/{number}/artifacts/{name}"
        requests.put(url, data=content, headers={"Content-Type": "x/y"}, timeout=30).raise_for_status()
    return number


def test_files_are_listed(shell: Shell, job: int) -> None:
    shown = shell.call("jobs", "artifacts", str(job)).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["name", "model.pt", "plots/a", "plots/loss.png"]
    assert "7 B" in shown[1]
    assert "x/y" in shown[1]
    listed = shell.json("jobs", "artifacts", str(job))
    assert (listed[0]["name"], listed[0]["size"]) == ("model.pt", 7)
    empty = shell.add("say", "--param", "text=hi")
    assert f"Job {empty} has no artifacts." in shell.call("jobs", "artifacts", str(empty)).stderr
    assert shell.json("jobs", "artifacts", str(empty)) == []


def test_one_file_is_fetched_to_where_it_is_wanted(shell: Shell, job: int, tmp_path: Path) -> None:
    fetch = ["jobs", "artifacts", str(job), "--fetch", "plots/loss.png"]
    assert shell.call(*fetch).stdout == "Fetched plots/loss.png to plots/loss.png.\n"
    assert (tmp_path / "plots" / "loss.png").read_bytes() == b"\x89PNG"
    assert shell.call(*fetch, "--to", "deep/er/copy.png").stdout.endswith("to deep/er/copy.png.\n")
    assert (tmp_path / "deep" / "er" / "copy.png").read_bytes() == b"\x89PNG"
    shell.call(*fetch, "--to", "new/")
    assert (tmp_path / "new" / "plots" / "loss.png").read_bytes() == b"\x89PNG"
    (done,) = shell.json(*fetch, "--to", "deep")
    assert (done["path"], done["size"]) == (os.path.join("deep", "plots", "loss.png"), 4)  # noqa: PTH118 - a text
    out = shell.call("jobs", "artifacts", str(job), "--fetch", "model.pt", "--to", "-").stdout
    assert out == "weights"


def test_all_files_are_fetched_below_a_folder(shell: Shell, job: int, tmp_path: Path) -> None:
    assert len(shell.json("jobs", "artifacts", str(job), "--all", "--to", "results/17")) == 3
    found = {str(path.relative_to(tmp_path / "results" / "17")) for path in (tmp_path / "results").rglob("*.*")}
    assert found == {"model.pt", "plots/loss.png", "plots/a b'c.txt"}
    two = ["--fetch", "model.pt", "--fetch", "plots/a b'c.txt"]
    assert shell.call("jobs", "artifacts", str(job), *two, "--to", "two").stdout.count("Fetched") == 2
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["model.pt", "plots"]


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["--fetch", "nothing"], "has no artifact 'nothing'", 1),
        (["--to", "x"], "--to says where", 2),
        (["--all", "--fetch", "model.pt"], "leave out --fetch", 2),
        (["--all", "--to", "file"], "file is a file", 2),
        (["--all", "--to", "-"], "Only one file", 2),
        (["--fetch", "model.pt", "--to", "-", "--json"], "Only one file", 2),
        (["--fetch", "plots/loss.png", "--to", "linked"], "outside", 1),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    shell: Shell, job: int, tmp_path: Path, options: list[str], words: str, code: int
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "plots").symlink_to(tmp_path)
    done = shell.call("jobs", "artifacts", str(job), *options, code=code)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*.p*")) == []
