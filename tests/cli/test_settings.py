"""Where the command line gets its settings from, and how it reaches a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.shell import Shell
from tests.support import free_port
from tests.support.server import ServerProcess
from whatsnext_client.cli import cli


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that wants a key."""
    with ServerProcess(tmp_path_factory.mktemp("locked"), database="memory:", api_keys="secret,other") as server:
        yield server


def test_common_options_stand_before_and_after_the_command_and_the_last_one_wins(shell: Shell) -> None:
    name = shell.project
    for arguments in (
        ["--project", name, "--json", "tasks", "list"],
        ["tasks", "--project", name, "--json", "list"],
        ["tasks", "list", "--project", name, "--json"],
        ["--project", "nobody", "--json", "tasks", "--project", "nobody", "list", "--project", name],
    ):
        done = shell.call(*arguments, env={"WHATSNEXT_PROJECT": ""})
        assert '"say"' in done.stdout


def test_settings_come_from_file_variables_and_options_and_later_ones_win(shell: Shell) -> None:
    port, name, wrong = str(shell.server.port), shell.project, str(free_port())
    bare = {"WHATSNEXT_PORT": "", "WHATSNEXT_PROJECT": ""}
    other = {"WHATSNEXT_PORT": "", "WHATSNEXT_PROJECT": "nobody"}
    Path("whatsnext.toml").write_text(f'[client]\nport = {port}\nproject = "{name}"\n')
    assert "say" in shell.call("tasks", "ls", env=bare).stdout
    assert "no project named 'nobody'" in shell.call("tasks", "ls", code=1, env=other).stderr
    assert "say" in shell.call("tasks", "ls", "--project", name, env=other).stdout
    shell.call("tasks", "ls", "--port", wrong, code=3)
    Path("other.toml").write_text(f'[client]\nserver = "127.0.0.1:{port}"\nproject = "{name}"\n')
    Path("whatsnext.toml").write_text(f'[client]\nport = {wrong}\nproject = "{name}"\n')
    shell.call("tasks", "ls", code=3, env=bare)
    assert "say" in shell.call("--config", "other.toml", "tasks", "ls", env=bare).stdout
    assert "say" in shell.call("tasks", "ls", "-s", f"http://localhost:{port}/").stdout
    assert "say" in shell.call("tasks", "ls", "-s", "localhost", "-p", port, "-c", "other.toml").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[client]\nprot = 8000\n", "Did you mean 'port'"),
        ("[client]\nport = 'x'\n", "port"),
        ("[client\n", "no valid TOML"),
    ],
)
def test_a_wrong_settings_file_is_refused_with_its_place(nobody: Shell, text: str, words: str) -> None:
    Path("whatsnext.toml").write_text(text)
    said = nobody.refused("projects", "ls", code=2)
    assert words in said
    assert "whatsnext.toml" in said
    assert "nowhere.toml" in nobody.refused("-c", "nowhere.toml", "projects", "ls", code=2)


def test_a_server_that_is_not_there_is_named_and_gives_exit_code_3(nobody: Shell) -> None:
    port = str(free_port())
    for arguments in (["status"], ["projects", "ls"], ["jobs", "wait", "1"], ["worker"]):
        done = nobody.call(*arguments, "--port", port, code=3, env={"WHATSNEXT_RETRY_FOR": "0"})
        assert "127.0.0.1" in done.stderr
        assert port in done.stderr
        assert done.stdout == ""
    assert "neither a host name nor a URL" in nobody.refused("-s", "ftp://x", "status", code=2)
    assert "ports go from 1" in nobody.refused("-p", "0", "status", code=2)


def test_status_shows_the_server_its_workers_and_how_many_jobs_are_where(shell: Shell) -> None:
    shell.add("say", "--param", "text=x")
    shown = shell.call("status").stdout
    assert f"{shell.server.url} answers" in shown
    assert shown.splitlines()[-1].split() == [shell.project, "1", "0", "0", "0", "0", "0", "0"]
    told = shell.json("status")
    assert (told["ok"], told["server"], told["projects"][0]["PENDING"]) == (True, shell.server.url, 1)


def test_an_open_server_asks_for_no_key(nobody: Shell) -> None:
    assert "asks for no key." in nobody.call("test-auth").stdout
    assert "is not looked at" in nobody.call("test-auth", "-k", "mine").stdout


def test_a_key_is_checked(nobody: Shell, locked_server: ServerProcess) -> None:
    at = ["--port", str(locked_server.port)]
    assert "key" in nobody.refused("test-auth", *at).lower()
    assert "key" in nobody.refused("projects", "ls", *at).lower()
    wrong = nobody.refused("test-auth", *at, "--api-key", "wrong-key")
    assert "wrong-key" not in wrong
    assert "accepts the key" in nobody.call("test-auth", *at, "--api-key", "other").stdout
    assert nobody.call("projects", "ls", *at, "--json", env={"WHATSNEXT_API_KEY": "secret"}).stdout == "[]\n"
    Path("whatsnext.toml").write_text('[client]\napi_key = "secret"\n')
    assert nobody.json("test-auth", *at) == {"server": locked_server.url, "ok": True, "key_needed": True}


def test_init_writes_a_settings_file_that_works_and_keeps_one_that_is_there(nobody: Shell) -> None:
    port = str(nobody.server.port)
    said = nobody.call("init", "--port", port, "--project", nobody.project, "--create-project", "-k", "secret")
    file = nobody.folder / "whatsnext.toml"
    assert str(file) in said.stdout
    assert f"Created project {nobody.project}" in said.stdout
    text = file.read_text()
    assert "secret" not in text
    assert text.count("#") > 5
    shown = nobody.call("projects", "show", "--json", env={"WHATSNEXT_PORT": "", "WHATSNEXT_PROJECT": ""}).stdout
    assert nobody.project in shown
    assert "--force" in nobody.refused("init", code=2)
    assert file.read_text() == text
    again = nobody.json("init", "--force", "--project", "other")
    assert again == {"file": str(file), "created_project": None}
    assert 'project = "other"' in file.read_text()


def test_init_does_not_add_a_second_file_beside_a_hidden_one(nobody: Shell) -> None:
    Path(".whatsnext").touch()
    assert ".whatsnext exists" in nobody.refused("init", code=2)
    nobody.call("init", "--force")
    assert not Path("whatsnext.toml").exists()
    assert "[client]" in Path(".whatsnext").read_text()


def test_completion_prints_a_script_for_both_names_of_the_program() -> None:
    for name in ("bash", "zsh", "fish"):
        script = CliRunner().invoke(cli, ["completion", name]).stdout
        for word in ("_WHATSNEXT_COMPLETE", "_WNXT_COMPLETE", "whatsnext", "wnxt"):
            assert word in script


def complete(shell: Shell, words: str) -> list[str]:
    """What the shell would offer at the end of a line."""
    line = words.split(" ")
    done = shell.run(_WHATSNEXT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(line) - 1))
    assert done.stderr == b""
    return [each.partition(",")[2] for each in done.stdout.decode().splitlines() if each]


def test_completion_knows_commands_options_and_the_names_on_the_server(shell: Shell) -> None:
    assert {"projects", "jobs"} <= set(complete(shell, "whatsnext "))
    assert complete(shell, "whatsnext jobs su") == ["submit"]
    assert complete(shell, "whatsnext jobs ls --sta") == ["--status"]
    assert complete(shell, "whatsnext jobs add s") == ["say"]
    assert complete(shell, f"whatsnext projects show {shell.project[:-1]}") == [shell.project]
    assert complete(shell, f"whatsnext --port {free_port()} projects show ") == []
