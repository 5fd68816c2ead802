"""Whether plugins may add commands is found without asking importlib.metadata, and never denied when they do."""

import sys
import zipfile
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.core.plugins.toys import Toy
from whatsnext_client.commands.base.discovery import may_be_extended

ABSENT = "nobody.has.this"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of `sys.path`, where nobody else has put a finder."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [PathFinder])
    return tmp_path


@pytest.mark.parametrize("group", sorted(entry_points().groups))
def test_groups_of_installed_distributions_are_found(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [PathFinder])
    assert may_be_extended(group)


def test_a_group_that_no_distribution_has_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [one for one in sys.path if not Path(one).is_file()])
    monkeypatch.setattr(sys, "meta_path", [PathFinder])
    assert not may_be_extended(ABSENT)


def test_a_distribution_is_found_once_it_is_installed(place: Path) -> None:
    (place / "empty-1.0.dist-info").mkdir()
    (place / "file.dist-info").touch()
    Toy(name="other", group="toys.more", plugins={"one": ""}).install(place)
    assert not may_be_extended("toys")
    Toy(name="toy", group="toys", plugins={"one": ""}).install(place)
    assert may_be_extended("toys")


def test_an_older_kind_of_distribution_counts_too(place: Path) -> None:
    (place / "Toy.EGG-INFO").mkdir()
    (place / "Toy.EGG-INFO" / "entry_points.txt").write_text("[toys]\none = toy\n")
    assert may_be_extended("toys")


def test_the_current_folder_is_looked_at_where_it_is_in_the_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Toy(name="toy", group="toys", plugins={"one": ""}).install(place)
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [""])
    assert may_be_extended("toys")


def test_places_that_are_not_there_have_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(place / "absent"), str(place)])
    assert not may_be_extended("toys")


def test_what_cannot_be_looked_into_may_have_any_group(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = place / "packages.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("toy.py", "")
    (place / "old.egg").mkdir()
    (place / "toy.dist-info" / "entry_points.txt").mkdir(parents=True)
    for unknown in (archive, place / "old.egg", place):
        monkeypatch.setattr(sys, "path", [str(unknown)])
        assert may_be_extended(ABSENT)


def test_finders_of_others_may_know_any_group(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        find_distributions = PathFinder.find_distributions

    assert place.exists()
    monkeypatch.setattr(sys, "meta_path", [Finder, PathFinder])
    assert may_be_extended(ABSENT)
