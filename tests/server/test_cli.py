"""The program ``whatsnext-server``."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

from whatsnext_server.cli import main
from whatsnext_server.config import ServerSettings
from whatsnext_server.process.opening import sole_server


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("command", [(), ("run",), ("db",), ("db", "upgrade"), ("db", "check"), ("plugins",)])
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: main" in result.output


def test_run_has_an_option_for_each_setting_with_its_meaning() -> None:
    text = " ".join(run("run", "--help").output.split())
    for field in attrs.fields(ServerSettings):
        assert f"--{field.name.replace('_', '-')} " in text
    assert "Keys of which clients send one as X-API-Key" in text
    assert "Examples:" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--port", "http"), 2, "http"),
        (("--port", "70000"), 2, "65535"),
        (("--database", "nix://"), 1, "nix:"),
        (("--database", "no url"), 1, "sqlite:///q.db"),
        (("--authenticators", "nix", "--database", "memory://", "--port", "0"), 1, "'nix'"),
        (("--config", "missing.toml"), 2, "missing.toml"),
        (("--database", "sqlite:////proc/nowhere/q.db"), 1, "/proc/nowhere"),
        (("--nix",), 2, "--nix"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(arguments: tuple[str, ...], code: int, words: str) -> None:
    result = run("run", *arguments)
    assert (result.exit_code, words in result.output) == (code, True), result.output
    assert "Traceback" not in result.output


def test_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("run", "--database", "memory://", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "Cannot listen on host 127.0.0.1" in result.output


def test_second_server_on_a_sqlite_file_is_refused(tmp_path: Path) -> None:
    with sole_server(tmp_path / "q.db"):
        result = run("run", "--port", "0", "--database", "sqlite:///q.db")
    assert result.exit_code == 1
    assert "A SQLite database serves one server process" in result.output


def test_database_is_upgraded_and_checked() -> None:
    assert "There is no file" in run("db", "check", "--database", "sqlite:///q.db").output
    upgraded = run("db", "upgrade", "--database", "sqlite:///q.db")
    assert (upgraded.exit_code, upgraded.output != "") == (0, True)
    checked = run("db", "check", "--database", "sqlite:///q.db")
    assert (checked.exit_code, checked.output) == (0, "The database answers (storage backend storage-sql).\n")
    assert "no schema" in run("db", "upgrade", "--database", "memory://").output
    Path("bad.db").write_bytes(b"this is no database" * 100)
    assert run("db", "check", "--database", "sqlite:///bad.db").exit_code == 1


def test_plugins_are_listed() -> None:
    listed = json.loads(run("plugins", "--json").stdout)
    states = {each["name"]: each["state"] for each in listed}
    assert states["storage-sql"] == states["storage-memory"] == "loaded"
    assert "storage-memory" in run("plugins").output
    disabled = json.loads(run("plugins", "--json", "--disabled-plugins", "storage-sql").stdout)
    assert {each["name"]: each["state"] for each in disabled}["storage-sql"] == "disabled"


def test_it_does_not_look_for_garbage_again_and_again_while_it_is_loaded() -> None:
    code = (
        "import gc, sys; from whatsnext_server.__main__ import start\n"
        "sys.argv = ['whatsnext-server', '--version']\n"
        "try: start()\n"
        "except SystemExit: print(sum(each['collections'] for each in gc.get_stats()), 'fastapi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    looks, has_loaded = done.stdout.split()[-2:]
    assert has_loaded == "True"
    assert int(looks) < 20
