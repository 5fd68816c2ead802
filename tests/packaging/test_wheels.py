"""Every distribution builds a wheel that holds what it should, and nothing else."""

import configparser
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.support import Distribution, distributions

EVERY = pytest.mark.parametrize("distribution", distributions().values(), ids=lambda each: each.name)


def info(wheel: zipfile.ZipFile, name: str) -> bytes:
    """A file of the wheel's `dist-info`."""
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path)


def metadata(wheel: zipfile.ZipFile) -> Message:
    """What an index shows of the wheel."""
    return message_from_bytes(info(wheel, "METADATA"))


@EVERY
def test_a_wheel_holds_its_typed_packages_and_nothing_else(distribution: Distribution, wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels[distribution.name]) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    folders = [package.replace(".", "/") for package in distribution.packages]
    assert [name for name in names if not name.startswith(tuple(f"{folder}/" for folder in folders))] == []
    for folder in folders:
        assert f"{folder}/__init__.py" in names
        assert f"{folder}/py.typed" in names


@EVERY
def test_a_wheel_has_its_license_its_readme_and_its_python(distribution: Distribution, wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels[distribution.name]) as wheel:
        head = metadata(wheel)
        assert b"Apache License" in info(wheel, "licenses/LICENSE")
    assert head["License-Expression"] == "Apache-2.0"
    assert head["Requires-Python"] == ">=3.11"
    assert head["Summary"]
    assert head["Description-Content-Type"] == "text/markdown"


@EVERY
def test_a_wheel_has_its_entry_points(distribution: Distribution, wheels: dict[str, Path]) -> None:
    expected = {
        f"entry point {group}": points for group, points in distribution.project.get("entry-points", {}).items()
    }
    if scripts := distribution.project.get("scripts"):
        expected["entry point console_scripts"] = scripts
    with zipfile.ZipFile(wheels[distribution.name]) as wheel:
        if not expected:
            assert not any(name.endswith("entry_points.txt") for name in wheel.namelist())
            return
        parser = configparser.ConfigParser(delimiters=("=",))
        parser.read_string(info(wheel, "entry_points.txt").decode())
    assert {f"entry point {section}": dict(parser[section]) for section in parser.sections()} == expected


def test_every_plugin_is_found_by_an_entry_point() -> None:
    plugins = [each for each in distributions().values() if each.folder.parent.name == "plugins"]
    groups = {"whatsnext", "whatsnext.client", "whatsnext.server"}
    assert [each.name for each in plugins if not groups & each.project["entry-points"].keys()] == []


def test_the_command_line_has_its_two_names() -> None:
    scripts = distributions()["whatsnext-client"].project["scripts"]
    assert scripts == {"whatsnext": "whatsnext_client.cli:main", "wnxt": "whatsnext_client.cli:main"}
