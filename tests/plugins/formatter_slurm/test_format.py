"""What sbatch is asked for, and the script that it is given."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.formatter_slurm.contexts import claimed
from whatsnext_core.errors import TemplateError
from whatsnext_core.model import Requirement
from whatsnext_formatter_slurm import SlurmFormatter
from whatsnext_formatter_slurm.plugin import from_config, whatsnext_formatters

GIB = 2**30


def options_of(directory: Path, formatter: SlurmFormatter | None = None, **context: Any) -> dict[str, str]:
    """The options of sbatch for a job."""
    invocation = (formatter or SlurmFormatter()).prepare(claimed(directory, "true", **context))
    assert invocation.argv[0] == "sbatch"
    return dict(word.removeprefix("--").split("=", 1) for word in invocation.argv[1:] if "=" in word)


def test_the_documented_defaults_are_all_in_the_call() -> None:
    assert SlurmFormatter().format("train", {"lr": 0.01}) == [
        "sbatch",
        "--parsable",
        "--job-name=train",
        "--partition=default",
        "--time=01:00:00",
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=1",
        "--mem=4G",
        "--wrap=train --lr 0.01",
    ]


def test_every_option_is_in_the_call() -> None:
    formatter = SlurmFormatter("gpu", "2-00:00:00", 2, 4, 8, "16G", 2, "python train.py --lr {lr} --out {out}")
    command = formatter.format("train", {"lr": 0.01, "out": "my file; rm -rf /"})
    assert command[2:] == [
        "--job-name=train",
        "--partition=gpu",
        "--time=2-00:00:00",
        "--nodes=2",
        "--ntasks=4",
        "--cpus-per-task=8",
        "--mem=16G",
        "--gpus=2",
        "--wrap=python train.py --lr 0.01 --out 'my file; rm -rf /'",
    ]
    more = SlurmFormatter(account="a", qos="q", constraint="c", extra=("--exclusive",)).format("train", {})
    assert more[-5:-1] == ["--account=a", "--qos=q", "--constraint=c", "--exclusive"]


def test_a_template_without_a_value_is_an_error_and_no_half_filled_command() -> None:
    with pytest.raises(TemplateError, match=r"no parameter 'lr'"):
        SlurmFormatter(script_template="train {lr}").format("train", {"rl": 1})
    with pytest.raises(TemplateError, match=r"malformed.*written twice"):
        SlurmFormatter(script_template="train {lr").format("train", {})
    with pytest.raises(TemplateError, match="conversion"):
        SlurmFormatter(script_template="train {lr!r}").format("train", {"lr": 1})


def test_a_script_keeps_the_braces_of_the_shell_and_quotes_lists() -> None:
    command = SlurmFormatter(script_template="echo ${{HOME}} {x:.2f} {names}").format(
        "t", {"x": 1.239, "names": ["a b", "$c"]}
    )
    assert command[-1] == "--wrap=echo ${HOME} 1.24 'a b' '$c'"


def test_the_cluster_chooses_the_partition_unless_one_is_named(tmp_path: Path) -> None:
    assert "partition" not in options_of(tmp_path)
    assert options_of(tmp_path, SlurmFormatter("gpu"))["partition"] == "gpu"


def test_what_a_task_requires_overrides_the_defaults(tmp_path: Path) -> None:
    formatter = SlurmFormatter(nodes=2, ntasks=4, gpus="a100:1")
    requirement = Requirement(cpu=6, accelerators=2, memory=3 * GIB)
    asked = options_of(tmp_path, formatter, requirement=requirement, timeout=90.0)
    assert (asked["cpus-per-task"], asked["gpus"], asked["mem"], asked["time"]) == ("2", "a100:2", "1536M", "3")
    grown = options_of(tmp_path, formatter, requirement=requirement, memory=8 * GIB)
    assert grown["mem"] == "4096M"
    assert options_of(tmp_path, requirement=Requirement(accelerators=2))["gpus"] == "2"
    assert options_of(tmp_path)["time"] == "01:00:00"


def test_a_tasks_own_options_override_everything(tmp_path: Path) -> None:
    own = {"slurm": {"partition": "long", "mem": "1T", "extra": ["--exclusive"]}, "docker": {"image": "x"}}
    context = claimed(tmp_path, "true", requirement=Requirement(memory=GIB), options=own)
    invocation = SlurmFormatter().prepare(context)
    assert {"--partition=long", "--mem=1T", "--exclusive"} <= set(invocation.argv)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"partitoin": "x"}, "options for slurm of task 'train' has the unknown key 'partitoin'"),
        ({"nodes": "two"}, "'two' is no whole number"),
        ({"nodes": 0}, "must be >= 1"),
        ("gpu", "are 'gpu', and no object"),
    ],
)
def test_malformed_options_of_a_task_fail_its_jobs(tmp_path: Path, given: object, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        SlurmFormatter().prepare(claimed(tmp_path, "true", options={"slurm": given}))


def test_output_goes_to_the_attempt_and_slurm_never_starts_a_job_again(tmp_path: Path) -> None:
    directory = tmp_path / "50% done"
    asked = options_of(directory, name="x" * 200)
    assert asked["output"] == str(directory / "stdout.log").replace("%", "%%")
    assert asked["error"] == str(directory / "stderr.log").replace("%", "%%")
    assert asked["job-name"] == "x" * 128
    assert "--no-requeue" in SlurmFormatter().prepare(claimed(directory, "true")).argv


def run(context: Any, formatter: SlurmFormatter | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the batch script here, as a node would."""
    invocation = (formatter or SlurmFormatter()).prepare(context)
    for path, content in invocation.files.items():
        path.write_bytes(content)
    environment = {"PATH": "/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(context.directory), "CUDA_VISIBLE_DEVICES": "3"}
    text = invocation.stdin.decode()
    return subprocess.run(["sh"], input=text, env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_values_reach_the_command_as_they_are_and_no_shell_reads_them(tmp_path: Path) -> None:
    nasty = "a'b\"c $(touch pwned) `touch pwned` ; \\ \n{x} é"
    context = claimed(tmp_path, "printenv -0 NASTY", {"v": nasty}, environment={"NASTY": nasty}, name="two\nlines")
    assert run(context).stdout == nasty + "\0"
    assert run(claimed(tmp_path, "printf %s {v}", {"v": nasty})).stdout == nasty
    template = SlurmFormatter(script_template="printf %s {v}\nprintf '|%s' {v}")
    assert run(claimed(tmp_path, None, {"v": nasty}), template).stdout == f"{nasty}|{nasty}"
    assert not (tmp_path / "pwned").exists()


def test_the_devices_are_those_that_slurm_gave(tmp_path: Path) -> None:
    context = claimed(tmp_path, "printenv WHATSNEXT_DEVICES CUDA_VISIBLE_DEVICES WHATSNEXT_JOB_ID WHATSNEXT_ATTEMPT")
    assert run(context).stdout.split() == ["3", "3", "17", "2"]


def test_the_script_writes_the_exit_code_and_ends_with_it(tmp_path: Path) -> None:
    assert run(claimed(tmp_path, "sh -c 'exit 3'")).returncode == 3
    assert (tmp_path / "slurm.exit").read_text().splitlines()[0] == "3"


def test_a_folder_that_the_node_does_not_have_fails_the_job(tmp_path: Path) -> None:
    context = claimed(tmp_path, "touch ran")
    invocation = SlurmFormatter().prepare(context)
    environment = {"PATH": "/usr/bin:/bin", "SLURM_SUBMIT_DIR": "/nowhere/at/all"}
    done = subprocess.run(["sh"], input=invocation.stdin, env=environment, capture_output=True, check=False, timeout=30)
    assert done.returncode != 0
    assert (tmp_path / "slurm.exit").read_text().splitlines()[0] == str(done.returncode)
    assert b"/nowhere/at/all" in done.stderr


def test_a_script_names_its_own_interpreter(tmp_path: Path) -> None:
    formatter = SlurmFormatter(script_template="#!/usr/bin/env python3\nprint({x} * 2)\n")
    assert run(claimed(tmp_path, None, {"x": 21}), formatter).stdout == "42\n"


def test_a_formatter_has_its_own_working_directory(tmp_path: Path) -> None:
    formatter = SlurmFormatter()
    formatter.working_dir = "~/runs"
    assert formatter.prepare(claimed(tmp_path, "true")).cwd == Path("~/runs").expanduser()


def test_the_plugin_makes_the_formatter_from_its_settings() -> None:
    (plugin,) = whatsnext_formatters()
    assert plugin.name == "slurm"
    assert plugin.config is not None
    formatter = plugin.factory(plugin.config(partition="gpu", account="a"))
    assert isinstance(formatter, SlurmFormatter)
    assert (formatter.options.partition, formatter.options.account) == ("gpu", "a")
    assert from_config(None).options == SlurmFormatter().options
