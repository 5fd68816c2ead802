"""A worker runs what is queued, reports it, and returns when the queue is empty for it."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import MakeClient
from tests.client.support import Echo, Python, until, working
from tests.support import wait_until
from whatsnext.api.client import (
    CLIFormatter,
    ConflictError,
    Formatter,
    InvalidError,
    Job,
    Project,
    Server,
    WorkerError,
)


def test_all_jobs_run_and_are_counted(project: Project, make_client: MakeClient) -> None:
    project.create_task("greet")
    jobs = [Job(f"job-{number}", "greet", {"number": number}) for number in range(20)]
    project.extend_queue(jobs)
    client = make_client(available_cpu=4)
    assert client.work() == 20
    assert {job.refresh().status for job in jobs} == {"COMPLETED"}
    assert [job.logs() for job in jobs] == [f"greet number={number}\n" for number in range(20)]
    attempt = jobs[0].attempts()[0]
    assert (attempt.client_id, attempt.exit_code, attempt.allocation.cpu) == (client.id, 0, 1)
    assert attempt.cpu_seconds is not None
    assert client.work() == 0


def test_the_worker_is_active_while_it_works_only(make_client: MakeClient, server: Server) -> None:
    client = make_client(name="known", description="of the lab", register_with_server=False, labels=["site=lab"])
    assert client.id not in [each["id"] for each in server.rest.clients(active_only=False)]
    with working(client):
        found = wait_until(lambda: [each for each in server.rest.clients() if each["id"] == client.id])
    assert (found[0]["name"], found[0]["entity"], found[0]["description"]) == ("known", "tests", "of the lab")
    assert server.rest.client(client.id)["is_active"] == 0


def test_jobs_run_in_the_order_of_their_dependencies_and_priorities(
    project: Project, make_client: MakeClient, tmp_path: Path
) -> None:
    project.create_task("note", command_template=f"sh -c 'echo {{word}} >> {tmp_path}/order'")
    low = Job("low", "note", {"word": "low"})
    high = Job("high", "note", {"word": "high"}, priority=5)
    last = Job("last", "note", {"word": "last"}, priority=9, depends=[low, high])
    project.extend_queue([last, low, high])
    assert make_client().work() == 3
    assert (tmp_path / "order").read_text().split() == ["high", "low", "last"]


def test_parameters_arrive_whatever_they_hold(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    values = [
        "it's",
        'say "hi"',
        "$HOME `id` $(id) ; rm -rf",
        "ünïcödé 漢字 🎉",
        "two\nlines",
        "",
        " x ",
        "{brace}",
        "\\n",
    ]
    project.create_task(
        "show", command_template=f"{sys.executable} show.py {{a}} {{b}} {{c}} {{d}} {{e}} {{f}} {{g}} {{h}} {{i}}"
    )
    (tmp_path / "show.py").write_text(
        "import json, os, sys\n"
        "with open(os.environ['WHATSNEXT_PARAMETERS'], encoding='utf-8') as file:\n"
        "    print(json.dumps([sys.argv[1:], json.load(file)]))\n"
    )
    job = project.append("job", "show", dict(zip("abcdefghi", values, strict=True)))
    make_client(formatter=CLIFormatter(working_dir=tmp_path)).work()
    assert json.loads(job.logs()) == [values, job.parameters]


def test_output_arrives_byte_for_byte(project: Project, make_client: MakeClient) -> None:
    code = (
        "import sys\n"
        "for i in range(100000): sys.stdout.buffer.write(bytes([i % 256, 0, 255]))\n"
        "sys.stderr.write('ende')\n"
    )
    project.create_task("write")
    job = project.append("job", "write", {"code": code})
    make_client(formatter=Python()).work()
    assert job.log_bytes() == b"".join(bytes([i % 256, 0, 255]) for i in range(100_000))
    assert job.logs("stderr") == "ende"


def test_output_can_be_read_while_the_job_runs(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    project.create_task("write")
    code = f"print('begun', flush=True)\n{until(tmp_path / 'go')}print('done')\n"
    job = project.append("job", "write", {"code": code})
    with working(make_client(formatter=Python())):
        wait_until(lambda: job.logs() == "begun\n")
        assert job.refresh().status == "RUNNING"
        (tmp_path / "go").touch()
        assert job.wait(30) == "COMPLETED"
        assert job.logs() == "begun\ndone\n"


def test_a_result_is_shown_with_the_job(project: Project, make_client: MakeClient) -> None:
    project.create_task("best")
    good = project.append(
        "good", "best", {"code": "import os; open(os.environ['WHATSNEXT_RESULT'], 'w').write('{\"lr\": 0.1}')"}
    )
    bad = project.append("bad", "best", {"code": "import os; open(os.environ['WHATSNEXT_RESULT'], 'w').write('{')"})
    make_client(formatter=Python()).work()
    assert good.refresh().result == {"lr": 0.1}
    assert (bad.refresh().status, bad.result) == ("COMPLETED", None)
    assert "no JSON" in bad.attempts()[0].message


def test_a_job_is_told_where_it_runs(project: Project, make_client: MakeClient, server: Server) -> None:
    project.create_task("tell", required_cpu=2, environment={"MINE": "yes"})
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    job = project.append("job", "tell", {"code": code})
    client = make_client(formatter=Python(), available_cpu=4)
    client.work()
    found = json.loads(job.logs())
    expected = {
        "WHATSNEXT_JOB_ID": str(job.id),
        "WHATSNEXT_ATTEMPT": "1",
        "WHATSNEXT_SERVER": server.address.url,
        "WHATSNEXT_PROJECT": project.label,
        "WHATSNEXT_CLIENT_ID": client.id,
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "MINE": "yes",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "CUDA_VISIBLE_DEVICES" not in found


def test_a_task_that_says_how_many_threads_is_heeded(project: Project, make_client: MakeClient) -> None:
    code = "import os; print([os.environ.get(f'{name}_NUM_THREADS') for name in ('OMP', 'OPENBLAS', 'MKL')])"
    for name, environment in {"omp": {"OMP_NUM_THREADS": "7"}, "mkl": {"MKL_NUM_THREADS": "5"}}.items():
        project.create_task(name, environment=environment)
    omp, mkl = (project.append(name, name, {"code": code}) for name in ("omp", "mkl"))
    make_client(formatter=Python()).work()
    assert (omp.logs(), mkl.logs()) == ("['7', None, None]\n", "['1', '1', '5']\n")


def test_a_worker_that_says_how_many_threads_is_heeded(
    project: Project, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    code = "import os; print([os.environ.get(f'{name}_NUM_THREADS') for name in ('OMP', 'OPENBLAS', 'MKL')])"
    project.create_task("threads")
    job = project.append("threads", "threads", {"code": code})
    make_client(formatter=Python()).work()
    assert job.logs() == "['3', None, None]\n"


def test_a_job_can_talk_to_the_server_with_what_it_was_told(project: Project, make_client: MakeClient) -> None:
    project.create_task("submit")
    project.create_task("child", command_template="true")
    code = (
        "import os; from whatsnext.api.client import Job, Server\n"
        "Server().get_project(os.environ['WHATSNEXT_PROJECT']).append('child', 'child')"
    )
    project.append("parent", "submit", {"code": code})
    assert make_client(formatter=Python()).work() == 2
    assert {job.name: job.status for job in project.jobs} == {"parent": "COMPLETED", "child": "COMPLETED"}


def test_a_failure_says_why(project: Project, make_client: MakeClient) -> None:
    project.create_task("fail", command_template="sh -c 'echo the reason >&2; exit 3'")
    job = project.append("job", "fail")
    child = project.append("child", "fail", depends=[job])
    assert make_client().work() == 1
    job.refresh()
    assert (job.status, job.cause, job.exit_code) == ("FAILED", "exit", 3)
    assert "the reason" in job.message
    assert child.wait(30) == "BLOCKED"


def test_a_failed_job_is_tried_again_as_its_task_says(
    project: Project, make_client: MakeClient, tmp_path: Path
) -> None:
    project.create_task(
        "flaky",
        command_template=f"sh -c 'echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) = 3'",
        retry={"retries": 3, "delay": 0.1, "jitter": 0},
    )
    job = project.append("job", "flaky")
    assert make_client().work(poll_interval=0.5) == 3
    assert (job.refresh().status, job.attempt) == ("COMPLETED", 3)


@pytest.mark.parametrize(
    ("template", "words"),
    [("echo {missing}", "missing"), ("echo 'unbalanced", "quot"), ("/no/such/program", "/no/such/program")],
)
def test_a_command_that_cannot_be_made_or_started_fails_its_job_only(
    project: Project, make_client: MakeClient, template: str, words: str
) -> None:
    project.create_task("good", command_template="true")
    project.create_task("bad")
    bad = project.append("bad", "bad", {"code": "pass"}, priority=1)
    project.tasks[1].update(command_template=template)
    good = project.append("good", "good")
    make_client().work()
    assert good.refresh().status == "COMPLETED"
    assert bad.refresh().status == "FAILED"
    assert bad.cause in ("format-error", "engine")
    assert words in bad.message


class Raising(Formatter):
    """Has a bug."""

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - the contract has it
        raise KeyError(parameters["key"])


class Executing(Formatter):
    """Runs its commands in its own way."""

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        return [task, str(parameters["code"])]

    def execute(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, int(command[1]), stdout=f"ran {command[0]}\n", stderr="")


def test_a_formatter_with_a_bug_fails_the_job_and_not_the_worker(project: Project, make_client: MakeClient) -> None:
    project.create_task("task")
    job = project.append("job", "task", {"key": "the bug"})
    make_client(formatter=Raising()).work()
    assert (job.refresh().status, job.cause) == ("FAILED", "format-error")
    assert "KeyError: 'the bug'" in job.message


def test_a_formatter_that_only_formats_and_executes_is_enough(project: Project, make_client: MakeClient) -> None:
    project.create_task("own")
    good, bad = project.append("good", "own", {"code": 0}), project.append("bad", "own", {"code": 4})
    client = make_client(formatter=Executing())
    assert client.work() == 2
    assert (good.refresh().status, good.logs()) == ("COMPLETED", "ran own\n")
    assert (bad.refresh().status, bad.exit_code) == ("FAILED", 4)
    assert client.work() == 0


def test_without_the_filter_jobs_are_taken_whatever_they_need(project: Project, make_client: MakeClient) -> None:
    project.create_task("wide", required_cpu=64, required_accelerators=8)
    code = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('OMP_NUM_THREADS'))"
    jobs = [project.append(f"job-{number}", "wide", {"code": code}) for number in range(3)]
    client = make_client(formatter=Python(), available_cpu=2)
    assert client.work(poll_interval=0.2) == 0
    assert client.work(use_resource_filter=False) == 3
    assert {job.logs() for job in jobs} == {"None None\n"}


def test_a_worker_of_several_projects_takes_from_each(
    server: Server, project: Project, make_client: MakeClient
) -> None:
    other = server.append_project(f"{project.label}-other")
    for each in (project, other):
        each.create_task("quick", command_template="true")
        each.append("job", "quick")
    assert make_client(project=[project, other]).work() == 2


def test_an_idle_worker_starts_a_new_job_at_once(project: Project, make_client: MakeClient) -> None:
    project.create_task("quick", command_template="true")
    with working(make_client()):
        for _ in range(3):
            began = time.monotonic()
            job = project.append("job", "quick")
            assert job.wait(30, poll=0.02) == "COMPLETED"
            assert time.monotonic() - began < 5  # the held request of an idle worker lasts longer


def test_a_worker_that_the_server_has_forgotten_registers_again(
    project: Project, make_client: MakeClient, server: Server
) -> None:
    project.create_task("quick", command_template="true")
    client = make_client()
    with working(client):
        assert project.append("before", "quick").wait(30) == "COMPLETED"
        server.rest.transport.delete(f"/clients/{client.id}")
        assert project.append("after", "quick").wait(30) == "COMPLETED"
    assert server.rest.client(client.id)["name"] == "worker"


def test_one_client_works_once_at_a_time(make_client: MakeClient) -> None:
    client = make_client()
    with working(client), pytest.raises(WorkerError, match="works already"):
        client.work()
    assert not client.is_working


def test_what_is_no_formatter_and_no_project_is_refused(make_client: MakeClient) -> None:
    with pytest.raises(InvalidError, match="subclass of Formatter"):
        make_client(formatter="cli")
    with pytest.raises(InvalidError, match="no project"):
        make_client(project=[])
    with pytest.raises(InvalidError, match="available CPUs"):
        make_client(available_cpu=-1)


def test_a_resource_is_set_aside_and_given_back(make_client: MakeClient) -> None:
    client = make_client(available_cpu=4, available_accelerators=2)
    first = client.allocate_resource(3, 1)
    assert (first.cpus, first.accelerator, first.active(), first.client) == (3, ["0"], True, client)
    shared = [client.allocate_resource(0, 0.5) for _ in range(2)]
    assert [each.accelerator for each in shared] == [["1"], ["1"]]
    with pytest.raises(ConflictError, match=r"needs 2 CPUs, has 1.*"):
        client.allocate_resource(2)
    assert client.active_resources == [first, *shared]
    client.free_resource(first)
    client.free_resource(first)
    assert not first.active()
    shared[0].set_status("inactive")
    assert client.active_resources == [shared[1]]
    with pytest.raises(InvalidError, match="'lost'"):
        shared[1].set_status("lost")
    assert client.allocate_resource(4, 1).accelerator == ["0"]


def test_work_uses_only_the_resource_that_it_is_given(project: Project, make_client: MakeClient) -> None:
    project.create_task("show", required_accelerators=1)
    project.create_task("wide", required_cpu=3)
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    jobs = [project.append(f"job-{number}", "show", {"code": code}) for number in range(3)]
    project.append("wide", "wide", {"code": code})
    client = make_client(formatter=Python(), available_cpu=4, available_accelerators=3)
    client.allocate_resource(0, 1)
    resource = client.allocate_resource(2, 1)
    assert client.work(resource, poll_interval=0.2) == 3
    assert {job.logs() for job in jobs} == {"1\n"}
    assert client.work(poll_interval=0.2) == 0
    client.free_resource(resource)
    assert client.work() == 1


def test_a_stranger_that_echoes_is_a_formatter(make_client: MakeClient) -> None:
    assert make_client(formatter=Echo()).available_cpu == 1
