"""The command that a job becomes."""

from pathlib import Path
from typing import Any

import pytest

from whatsnext_core.errors import TemplateError
from whatsnext_core.plugins import load_plugins
from whatsnext_core.testing.formatter import Jobs
from whatsnext_formatter_cli import CLIFormatter, CLIOptions


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """Jobs that are only prepared."""
    return Jobs(CLIFormatter(script="train.py"), tmp_path, patience=60)


def test_parameters_follow_in_their_order() -> None:
    formatter = CLIFormatter(executable="python", script="train.py")
    parameters = {"lr": 0.01, "epochs": 10, "name": "a b", "layers": [64, 64], "amp": True, "resume": None}
    expected = ["--lr", "0.01", "--epochs", "10", "--name", "a b", "--layers", "64", "64", "--amp"]
    assert formatter.format("train", parameters) == ["python", "train.py", *expected]


def test_defaults_are_the_documented_ones() -> None:
    formatter = CLIFormatter()
    assert (formatter.executable, formatter.script, formatter.working_dir) == ("python", None, None)
    assert formatter.format("train", {"a": 1}) == ["python", "--a", "1"]
    assert CLIFormatter("bash", "run.sh", "/tmp").format("x", {}) == ["bash", "run.sh"]  # noqa: S108 - only named


def test_script_may_be_a_path(tmp_path: Path) -> None:
    assert CLIFormatter(script=tmp_path / "x.py").format("x", {}) == ["python", f"{tmp_path}/x.py"]


def test_task_may_differ_in_its_options(jobs: Jobs) -> None:
    context = jobs.context(None, {"a": 1}, options={"cli": {"script": "evaluate.py", "working_dir": "~/x"}})
    invocation = jobs.engine.prepare(context)
    assert invocation.argv == ("python", "evaluate.py", "--a", "1")
    assert invocation.cwd == Path("~/x").expanduser()
    assert jobs.engine.prepare(jobs.context(None)).argv == ("python", "train.py")


def test_options_of_other_formatters_are_theirs(jobs: Jobs) -> None:
    assert jobs.engine.prepare(jobs.context(None, options={"slurm": {"x": 1}})).argv == ("python", "train.py")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"scirpt": "x"}, r"options for cli of task 'scenario'.*'scirpt'.*known are"),
        ({"script": 5}, "script.*5"),
        ("train.py", "and no object"),
    ],
)
def test_wrong_options_are_named(jobs: Jobs, options: Any, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        jobs.engine.prepare(jobs.context(None, options={"cli": options}))


def test_formatter_is_found_by_its_entry_point_with_its_settings() -> None:
    descriptor = load_plugins().select_formatter("cli").descriptor
    assert descriptor.config is CLIOptions
    formatter = descriptor.factory(CLIOptions(executable="sh", working_dir="/tmp"))  # noqa: S108 - only named
    assert isinstance(formatter, CLIFormatter)
    assert (formatter.executable, formatter.working_dir) == ("sh", "/tmp")  # noqa: S108 - only named
    plain = descriptor.factory(None)
    assert isinstance(plain, CLIFormatter)
    assert plain.executable == "python"
