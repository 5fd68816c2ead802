"""In a process of its own: toys beside the installed plugins, in the group that everybody uses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.plugins.toys import Toy, formatter

TOYS = (
    Toy(name="good-dist", group="whatsnext", plugins={"good": formatter("fine", "twice")}),
    Toy(name="twin-dist", group="whatsnext", plugins={"good": formatter("twice")}),
    Toy(name="bad-dist", group="whatsnext", plugins={"bad": "import nothing_of_this_name"}),
)

REPORT = """
import json
from whatsnext_core.plugins import load_plugins
print(json.dumps({state.key: str(state.state) for state in load_plugins().report()}))
"""

SELECT = """
import sys
from whatsnext_core.errors import PluginError
from whatsnext_core.plugins import load_plugins
plugins = load_plugins(disabled=sys.argv[2:])
try:
    print(plugins.select_formatter(sys.argv[1]).source)
except PluginError as error:
    sys.exit(f"error: {error}")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Python's search path that holds the toys."""
    folder = tmp_path_factory.mktemp("site")
    for toy in TOYS:
        toy.install(folder)
    return folder


def python(site: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(site)}
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_toys_stand_beside_the_installed_plugins(site: Path) -> None:
    done = python(site, REPORT)
    states = json.loads(done.stdout)
    assert states["whatsnext:good-dist:good"] == "loaded"
    assert states["whatsnext:twin-dist:good"] == "loaded"
    assert states["whatsnext:bad-dist:bad"] == "broken"
    assert "whatsnext:whatsnext-formatter-cli:formatter-cli" in states


def test_what_nobody_selected_costs_one_line_each(site: Path) -> None:
    done = python(site, SELECT, "fine")
    assert (done.returncode, done.stdout) == (0, "good-dist 1.0 (plugin 'good')\n")
    toys = [line for line in done.stderr.splitlines() if "dist 1.0" in line]
    assert [line.split(" is ")[0] for line in toys] == ["Plugin 'bad' of bad-dist 1.0", "The formatter 'twice'"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad", "Plugin 'bad' of bad-dist 1.0 is broken: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("twice", "offered by good-dist 1.0 (plugin 'good') and twin-dist 1.0 (plugin 'good')"),
    ],
)
def test_what_was_selected_and_cannot_work_ends_the_program(site: Path, name: str, words: str) -> None:
    done = python(site, SELECT, name)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]


def test_a_clash_ends_when_one_side_is_disabled(site: Path) -> None:
    done = python(site, SELECT, "twice", "bad", "twin-dist:good")
    assert done.stdout == "good-dist 1.0 (plugin 'good')\n"
    assert "dist 1.0" not in done.stderr
