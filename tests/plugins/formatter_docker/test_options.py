"""What is asked of the engine for a job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from whatsnext_core.errors import TemplateError
from whatsnext_core.model import Allocation, Requirement, Share
from whatsnext_core.plugins import load_plugins
from whatsnext_core.testing.formatter import Jobs
from whatsnext_formatter_docker import DockerFormatter, DockerOptions
from whatsnext_formatter_docker.options import bind_mount
from whatsnext_formatter_docker.variables import split_variables


def prepared(formatter: DockerFormatter, folder: Path, template: str | None = "run {x}", **task: Any) -> list[str]:
    """The call for a job, without labels and mounts."""
    allocation = task.pop("allocation", None)
    context = Jobs(formatter, folder, patience=1).context(template, {"x": 1}, allocation=allocation, **task)
    ours = ("--label=", "--mount=", "--sig-proxy=")
    return [word for word in formatter.prepare(context).argv if not word.startswith(ours)]


def test_format_gives_a_call_that_a_person_could_type() -> None:
    formatter = DockerFormatter(
        "python:3.12",
        gpus="all",
        cpus=2,
        memory="8g",
        volumes=["/data:/data:ro", "~/x:/x", "./y:/y", "named:/z"],
        env={"A": "b c"},
        user="1000:1000",
        network="host",
        entrypoint="nice",
        read_only=True,
        working_dir="/work",
        command=["python", "train.py"],
        shm_size="1g",
        extra=("--ipc=host",),
    )
    assert formatter.format("train", {"lr": 0.01}) == [
        *(
            "docker",
            "run",
            "--rm",
            "--cpus=2",
            "--memory=8g",
            "--user=1000:1000",
            "--network=host",
            "--entrypoint=nice",
        ),
        *("--workdir=/work", "--shm-size=1g", "--gpus=all", "--volume=/data:/data:ro"),
        f"--volume={Path.home()}/x:/x",
        f"--volume={Path.cwd()}/./y:/y",
        "--volume=named:/z",
        *("--init", "--read-only", "--ipc=host", "--env=A=b c", "python:3.12", "python", "train.py", "--lr", "0.01"),
    ]


def test_job_without_a_template_runs_the_command_with_its_parameters(tmp_path: Path) -> None:
    formatter = DockerFormatter("im", command=("python", "x.py"))
    assert prepared(formatter, tmp_path, None) == ["docker", "run", "--init", "im", "python", "x.py", "--x", "1"]
    assert prepared(DockerFormatter("im", init=False), tmp_path / "..", " ") == ["docker", "run", "im", "--x", "1"]


def test_parameters_are_variables_where_that_is_asked_for(tmp_path: Path) -> None:
    formatter = DockerFormatter("im", command=("python", "x.py"), parameters="environment", init=False)
    words = ["docker", "run", "--rm", "--env=LR=0.1", "im", "python", "x.py"]
    assert formatter.format("train", {"lr": 0.1}) == words
    invocation = formatter.prepare(Jobs(formatter, tmp_path, patience=1).context(None, {"lr": 0.1}))
    assert invocation.argv[-3:] == ("im", "python", "x.py")
    assert invocation.env["LR"] == "0.1"


def test_job_gets_what_its_task_requires(tmp_path: Path) -> None:
    formatter = DockerFormatter("im", cpus=1.5, memory="1g", gpus="all")
    devices = (Share(device="0", millis=1000), Share(device="GPU-3", millis=1000))
    allocation = Allocation(cpu=4, memory=2**31, devices=devices)
    words = prepared(formatter, tmp_path, requirement=Requirement(cpu=4), allocation=allocation)
    assert words[2:-3] == ["--cpus=4.0", "--memory=2147483648b", '--gpus="device=0,GPU-3"', "--init"]


def test_job_that_requires_nothing_gets_the_defaults(tmp_path: Path) -> None:
    formatter = DockerFormatter("im", cpus=1.5, memory="1g", gpus=2)
    assert prepared(formatter, tmp_path)[2:-3] == ["--cpus=1.5", "--memory=1g", "--gpus=2", "--init"]


def test_tasks_own_options_win(tmp_path: Path) -> None:
    formatter = DockerFormatter("im", memory="1g", env={"A": "1", "B": "1"})
    options = {"docker": {"image": "other", "memory": "3g", "env": {"B": "2"}}}
    context = Jobs(formatter, tmp_path, patience=1).context(
        "run", requirement=Requirement(memory=2**31), options=options
    )
    invocation = formatter.prepare(context)
    assert "--memory=3g" in invocation.argv
    assert invocation.argv[-2:] == ("other", "run")
    assert (invocation.env["A"], invocation.env["B"]) == ("1", "2")


def test_container_of_a_worker_that_pins_jobs_stays_on_its_cpus(tmp_path: Path) -> None:
    formatter = DockerFormatter("im")
    context = Jobs(formatter, tmp_path, patience=1).context("run")
    assert not [word for word in formatter.prepare(context).argv if word.startswith("--cpuset")]
    assert "--cpuset-cpus=2,5" in formatter.prepare(evolve(context, cpu_ids=(2, 5))).argv


def test_devices_of_a_container_are_not_chosen_twice(tmp_path: Path) -> None:
    formatter = DockerFormatter("im")
    allocation = Allocation(cpu=1, devices=(Share(device="3", millis=1000),))
    env = formatter.prepare(Jobs(formatter, tmp_path, patience=1).context("run", allocation=allocation)).env
    assert env["WHATSNEXT_DEVICES"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in env


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (None, []),
        ("all", ["--device=nvidia.com/gpu=all"]),
        (2, ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"]),
        ("device=1,3", ["--device=nvidia.com/gpu=1", "--device=nvidia.com/gpu=3"]),
    ],
)
def test_podman_knows_gpus_by_names_of_its_own(gpus: int | str | None, expected: list[str]) -> None:
    command = DockerFormatter("im", gpus=gpus, runtime="podman", init=False).format("x", {})
    assert command == ["podman", "run", "--rm", *expected, "im"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"env": ["A=1"]}, r"options for docker of task 'scenario'\.env: \['A=1'\] is no object"),
        ({"imgae": "x"}, r"options for docker of task 'scenario'.*'imgae'.*known are"),
        ({"memory": 5}, "memory.*5"),
        ({"runtime": "podman"}, "'runtime', which is one for all jobs of a worker"),
        ({"parameters": "stdin"}, "parameters is 'stdin', and must be one of arguments, environment"),
        ({"env": ["A=b"]}, "env"),
        ("python:3.12", "and no object"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: Any, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        prepared(DockerFormatter("im"), tmp_path, options={"docker": options})


def test_job_without_an_image_says_where_to_set_one(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"Task 'scenario' has no image.*options for docker"):
        prepared(DockerFormatter(), tmp_path)


def test_folder_with_a_comma_is_mounted_as_it_is() -> None:
    assert bind_mount(Path("/a/b")) == "--mount=type=bind,source=/a/b,target=/a/b"
    assert bind_mount(Path('/a,"b')) == '--mount=type=bind,"source=/a,""b","target=/a,""b"'


def test_variables_are_hidden_unless_the_program_would_heed_them() -> None:
    env: Mapping[str, str] = {"TOKEN": "s", "PATH": "/bin", "DOCKER_HOST": "x", "http_proxy": "p", "HOMER": "d"}
    options, hidden = split_variables(env)
    assert hidden == {"TOKEN": "s", "HOMER": "d"}
    shown = ["--env=PATH=/bin", "--env=DOCKER_HOST=x", "--env=http_proxy=p"]
    assert options == [*shown, "--env=TOKEN", "--env=HOMER"]


def test_formatter_is_found_by_its_entry_point_with_its_settings() -> None:
    descriptor = load_plugins().select_formatter("docker").descriptor
    assert descriptor.config is DockerOptions
    formatter = descriptor.factory(DockerOptions(image="im", volumes=("/a:/b",)))
    assert isinstance(formatter, DockerFormatter)
    assert formatter.options == DockerOptions(image="im", volumes=("/a:/b",))
    assert isinstance(descriptor.factory(None), DockerFormatter)
