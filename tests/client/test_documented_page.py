"""Every snippet of the documented page runs as it stands."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from tests.support.network import free_port
from tests.support.server import ServerProcess
from whatsnext.api.client import Project, Server

PAGE = Path(__file__).with_name("documented_page.txt").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PORT = 8000
ELLIPSIS = 'entity="team",\n    name="worker-2",\n    project=project,\n    formatter=formatter'


def port_of_the_page() -> int:
    """The port that the page names, or another one if somebody else has it."""
    with closing(socket()) as probe:
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return free_port()
    return PORT


@pytest.fixture(scope="module")
def documented_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """An empty server, so that the first project has the id 1, as on the page."""
    with ServerProcess(tmp_path_factory.mktemp("documented"), port=port_of_the_page()) as process:
        yield process


@pytest.fixture
def documented_project(documented_server: ServerProcess) -> Iterator[Project]:
    """The project of the page with its tasks, gone after the test."""
    with Server("127.0.0.1", documented_server.port) as server:
        project = server.append_project("my-project")
        for task in ("data-pipeline", "step1", "step2"):
            project.create_task(task)
        yield project
        server.delete_project("my-project")


def test_the_page_has_the_snippets_that_are_known() -> None:
    assert len(SNIPPETS) == 4


def test_all_snippets_run_one_after_the_other(
    documented_server: ServerProcess, documented_project: Project, tmp_path: Path
) -> None:
    (tmp_path / "process.py").write_text("import sys\nprint(sys.argv[1:])\n")
    names: dict[str, Any] = {}
    for snippet in SNIPPETS:
        text = snippet.replace("    ...", f"    {ELLIPSIS}").replace(str(PORT), str(documented_server.port))
        exec(compile(text, "documented_page.txt", "exec"), names)  # noqa: S102 - our own documentation is what is tested
    try:
        assert names["job"].refresh().status == "COMPLETED"
        assert names["job"].logs() == "['--input', 'file.csv', '--format', 'json']\n"
        assert names["job_b"].refresh().depends == {names["job_a"].id: "job-a"}
        assert [job.name for job in documented_project.queue] == ["job-a", "job-b"]
        assert {task.name for task in documented_project.tasks} >= {"gpu-training"}
        assert names["client"].available_accelerators == 4
    finally:
        names["client"].close()
        names["server"].close()
