"""Servers and projects, as the library shows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.client.support import unique
from tests.support.network import free_port
from tests.support.server import ServerProcess
from whatsnext.api.client import (
    DuplicateError,
    InvalidError,
    Job,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    Project,
    Server,
    ServerUnreachableError,
    UnexpectedAnswerError,
)


def test_nobody_answering_is_a_connection_error_that_names_host_and_port() -> None:
    port = free_port()
    with pytest.raises(ConnectionError, match=f"127.0.0.1, port {port}: connection refused") as caught:
        Server("127.0.0.1", port)
    assert type(caught.value) is ServerUnreachableError
    assert issubclass(ServerUnreachableError, requests.ConnectionError)


def test_an_unknown_host_is_a_connection_error_that_names_it() -> None:
    with pytest.raises(ConnectionError, match=r"nowhere\.invalid, port 8000"):
        Server("nowhere.invalid")


def test_another_program_at_the_port_is_not_taken_for_a_server(server_process: ServerProcess) -> None:
    with pytest.raises(UnexpectedAnswerError):
        Server(f"{server_process.url}/docs")


def test_the_address_may_be_a_url(server_process: ServerProcess, project: Project) -> None:
    with Server(server_process.url) as server:
        assert project.id in [each.id for each in server.projects]


def test_address_and_key_come_from_the_environment(
    server_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSNEXT_SERVER", "127.0.0.1")
    monkeypatch.setenv("WHATSNEXT_PORT", str(server_process.port))
    with Server() as server:
        assert server.address.port == server_process.port


def test_the_address_comes_from_a_config_file(server_process: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / ".whatsnext").write_text(f'[client]\nserver = "{server_process.url}"\n')
    with Server() as server:
        assert server.address.port == server_process.port


def test_a_project_is_none_if_there_is_none_of_its_name(server: Server) -> None:
    assert server.get_project(unique("nothing")) is None
    assert server.delete_project(unique("nothing")) is False


@pytest.mark.parametrize("name", ["über alles & co.", "a/b", "50%", "?x=1#y", "'quoted\"", "a b"])
def test_a_project_is_found_by_any_name(server: Server, name: str) -> None:
    made = server.append_project(name)
    try:
        found = server.get_project(name)
        assert found is not None
        assert (found.id, found.name) == (made.id, name)
    finally:
        assert server.delete_project(name) is True
    assert server.get_project(name) is None


def test_a_second_project_of_one_name_is_a_duplicate(server: Server, project: Project) -> None:
    with pytest.raises(DuplicateError, match=project.label):
        server.append_project(project.label)


def test_a_bad_name_is_refused_with_a_sentence(server: Server) -> None:
    with pytest.raises(InvalidError, match="name"):
        server.append_project("x" * 300)


def test_a_project_says_what_the_server_knows(server: Server) -> None:
    project = server.append_project(unique("described"), description="first")
    assert (project.description, project.status) == ("first", "ACTIVE")
    created = project.created_at
    assert project.set_description("second") is True
    assert project.description == "second"
    assert project.last_updated >= created == project.created_at


def test_projects_are_listed_in_a_table(server: Server, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    server.list_projects(limit=1000)
    printed = capsys.readouterr().out
    assert project.label in printed
    assert "ACTIVE" in printed
    server.list_projects(limit=1000, status="ARCHIVED")
    assert project.label not in capsys.readouterr().out


def test_a_deleted_project_is_not_found(server: Server) -> None:
    project = server.append_project(unique("gone"))
    server.delete_project(project.label)
    with pytest.raises(NotFoundError, match=str(project.id)):
        project.status  # noqa: B018 - asking is what fails


def test_a_task_is_created_with_all_its_fields(project: Project) -> None:
    task = project.create_task(
        "train",
        command_template="train --lr {lr}",
        required_cpu=2,
        required_accelerators=0.5,
        required_memory="1GiB",
        timeout=60,
        retry={"retries": 3, "delay": 2},
        environment={"A": "1"},
    )
    assert task.required_memory == 2**30
    assert task.retry["retries"] == 3
    assert [each.name for each in project.tasks] == ["train"]
    assert task.update(required_cpu=4).required_cpu == 4
    assert project.tasks[0].refresh().required_cpu == 4
    with pytest.raises(DuplicateError, match="train"):
        project.create_task("train")
    with pytest.raises(InvalidError, match="required_cpus"):
        project.create_task("other", required_cpus=2)
    task.delete()
    assert project.tasks == []


def test_a_task_with_waiting_jobs_is_not_deleted(project: Project) -> None:
    task = project.create_task("train")
    project.append_queue(Job("job", task))
    with pytest.raises(Exception, match=r"(?i)job"):
        task.delete()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that asks for a key."""
    with ServerProcess(tmp_path_factory.mktemp("guarded"), database="memory://", api_keys="right") as process:
        yield process


def test_a_missing_and_a_wrong_key_are_told_apart(guarded: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server("127.0.0.1", guarded.port) as server, pytest.raises(NotAuthenticatedError):
        server.append_project("secret")
    with Server("127.0.0.1", guarded.port, api_key="wrong") as server, pytest.raises(NotPermittedError):
        server.append_project("secret")
    with Server("127.0.0.1", guarded.port, api_key="right") as server:
        assert server.append_project("secret").name == "secret"
    monkeypatch.setenv("WHATSNEXT_API_KEY", "right")
    with Server("127.0.0.1", guarded.port) as server:
        assert server.get_project("secret") is not None
